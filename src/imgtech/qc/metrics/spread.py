"""The line or point spread function behind an MTF, and its widths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import integrate, optimize, special

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import floats, one_of
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics.mtf import MTF

Floats = npt.NDArray[np.float64]

_STEPS = 400
_FADED = 0.02
_NAMES = {0.5: "FWHM", 0.1: "FWTM"}


@dataclass(frozen=True, kw_only=True, eq=False)
class SpreadFunction(ArrayValue):
    """A symmetric line or point spread function with its standard uncertainty.

    Parameters
    ----------
    positions_mm : numpy.ndarray
        Distances from the middle, rising from 0.
    values : numpy.ndarray
        The function over its value in the middle.
    modes : numpy.ndarray
        Independent contributions to the uncertainty, shape ``(positions, contributions)``, as in
        :class:`MTF`.
    middle : float
        Value in the middle, in 1/mm (line) or 1/mm^2 (point), for an integral of 1.
    algorithm : str
        Name and version of the algorithm.
    definition : Source
        The document that defines it.

    Raises
    ------
    ValueError
        If the arrays differ in length, are not finite, or the positions do not rise from 0.
    """

    positions_mm: Floats
    values: Floats
    modes: Floats
    middle: float
    algorithm: str
    definition: Source

    def __post_init__(self) -> None:
        for name in ("positions_mm", "values"):
            object.__setattr__(self, name, floats(name, getattr(self, name)))
        object.__setattr__(self, "modes", floats("modes", self.modes, 2))
        x = self.positions_mm
        if x.size < 4 or x[0] != 0 or (np.diff(x) <= 0).any():
            raise ValueError("positions_mm must rise from 0 and be at least four")
        if not x.size == self.values.size == self.modes.shape[0]:
            raise ValueError("positions_mm, values and modes must have the same length")

    @property
    def uncertainties(self) -> Floats:
        """Standard uncertainty of every value."""
        return np.asarray(np.sqrt((self.modes**2).sum(axis=1)))

    def width(self, level: float = 0.5) -> Measurement:
        """Full width at a level of the height, such as FWHM for 0.5 and FWTM for 0.1.

        Parameters
        ----------
        level : float, optional
            Between 0 and 1.

        Returns
        -------
        Measurement
            ``"FWHM"`` and the like, in mm.

        Raises
        ------
        ValueError
            If ``level`` does not lie between 0 and 1, or the function does not fall to it.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {level!r}")
        x, values = self.positions_mm, self.values
        below = np.flatnonzero(values <= level)
        if below.size == 0:
            raise ValueError(f"level must be reached up to {x[-1]:g} mm, got {level!r}")
        i = int(below[0])
        near = slice(max(i - 2, 0), max(i - 2, 0) + 4)
        cubic = np.polynomial.Polynomial.fit(x[near], values[near], len(x[near]) - 1)
        place = float(optimize.brentq(lambda at: float(cubic(at)) - level, x[i - 1], x[i]))
        share = (place - x[i - 1]) / (x[i] - x[i - 1])
        effect = (1 - share) * self.modes[i - 1] + share * self.modes[i]
        return Measurement(
            name=_NAMES.get(level, f"full width at {100 * level:g} %"),
            value=2 * place,
            unit="mm",
            uncertainty=2 * float(np.hypot.reduce(effect)) / abs(float(cubic.deriv()(place))),
            definition=self.definition,
            algorithm=self.algorithm,
        )


def spread_function(mtf: MTF, *, kind: str = "line") -> SpreadFunction:
    r"""Line or point spread function that belongs to an MTF.

    .. math:: \mathrm{LSF}(x) = 2 \int_0^\infty \mathrm{MTF}(f) \cos(2 \pi f x)\, df, \qquad
              \mathrm{PSF}(r) = 2 \pi \int_0^\infty \mathrm{MTF}(f)\, J_0(2 \pi f r)\, f\, df .

    An MTF has no phase: what comes out is the symmetric function with this MTF, which is the spread function
    itself where the blur is symmetric. The point spread function takes the MTF for that of every direction,
    so it belongs to one that is averaged over them (of a wire, a bead or a disk).

    Parameters
    ----------
    mtf : MTF
        Measured densely, up to where it has faded to 2 %.
    kind : {"line", "point"}, optional
        Which of the two.

    Returns
    -------
    SpreadFunction
        At 401 distances, up to 2.5 times the inverse of the frequency at which the MTF falls to one half,
        and no further than a quarter of the inverse of the largest step between frequencies.

    Raises
    ------
    ValueError
        If the MTF has fewer than 64 frequencies, or has not fallen to 2 % at the highest one.

    References
    ----------
    Bracewell, The Fourier Transform and Its Applications, chapters 8 and 13 (Hankel transform).

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import BlurredPoint
    >>> from imgtech.qc.metrics import spread_function, wire_mtf
    >>> grid = ImageGrid(shape=(50, 60), spacing_mm=(0.5, 0.5))
    >>> wire = BlurredPoint(position_mm=(0.1, -0.2), sigma_mm=(0.7, 0.7), total=50.0)
    >>> point = spread_function(wire_mtf(wire.image(grid), (0.5, 0.5)), kind="point")
    >>> round(point.width().value, 2)             # 2.355 times the root of 0.7^2 + 0.5^2 / 12
    1.68
    """
    shape = one_of("kind", kind, ("line", "point"))
    f, values = mtf.frequencies_per_mm, mtf.values
    if f.size < 64:
        raise ValueError(f"mtf must have at least 64 frequencies, got {f.size}")
    if values[-1] > _FADED:
        raise ValueError(f"mtf must fall to {_FADED:g} at its highest frequency, got {values[-1]:.3g}")
    half = f[int(np.flatnonzero(values <= 0.5)[0])]
    x = np.linspace(0, min(2.5 / half, 0.25 / float(np.diff(f).max())), _STEPS + 1)
    phase = 2 * np.pi * x[:, None] * f
    kernel = 2 * np.cos(phase) if shape == "line" else 2 * np.pi * f * special.j0(phase)
    spread = integrate.simpson(kernel * values, x=f, axis=1)
    change = np.stack([integrate.simpson(kernel * mode, x=f, axis=1) for mode in mtf.modes.T], axis=1)
    middle = float(spread[0])
    relative = spread / middle
    return SpreadFunction(
        positions_mm=x,
        values=relative,
        modes=(change - relative[:, None] * change[0]) / middle,
        middle=middle,
        algorithm=f"{mtf.algorithm}, {shape}-spread-1",
        definition=mtf.definition,
    )
