"""A modulation transfer function and the numbers read off it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import finite, floats
from imgtech.qc.measurement import Measurement, Source

Floats = npt.NDArray[np.float64]

_STEPS = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class MTF(ArrayValue):
    r"""A modulation transfer function with its standard uncertainty.

    Parameters
    ----------
    frequencies_per_mm : numpy.ndarray
        Spatial frequencies in cycles per mm, rising from 0.
    values : numpy.ndarray
        MTF, 1 at frequency 0.
    modes : numpy.ndarray
        Independent contributions to the uncertainty, shape ``(frequencies, contributions)``: the
        covariance of the values is ``modes @ modes.T``. Values at neighbouring frequencies err together,
        which counts where they are summed up (detectability).
    algorithm : str
        Name and version of the algorithm.
    definition : Source
        The standard that defines it.
    details : tuple of (str, float)
        Further numbers that belong to the result.

    Raises
    ------
    ValueError
        If the arrays differ in length, are not finite, or the frequencies do not rise from 0.
    """

    frequencies_per_mm: Floats
    values: Floats
    modes: Floats
    algorithm: str
    definition: Source
    details: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        for name in ("frequencies_per_mm", "values"):
            object.__setattr__(self, name, floats(name, getattr(self, name)))
        object.__setattr__(self, "modes", floats("modes", self.modes, 2))
        f = self.frequencies_per_mm
        if f.size < 2 or f[0] != 0 or (np.diff(f) <= 0).any():
            raise ValueError("frequencies_per_mm must rise from 0")
        if not f.size == self.values.size == self.modes.shape[0]:
            raise ValueError("frequencies_per_mm, values and modes must have the same length")

    @property
    def uncertainties(self) -> Floats:
        """Standard uncertainty of every value."""
        return np.asarray(np.sqrt((self.modes**2).sum(axis=1)))

    def at(self, level: float) -> Measurement:
        """The lowest frequency at which the MTF falls to ``level``, such as MTF50 for 0.5.

        Between two frequencies the curve is a monotone cubic. Where the frequencies lie far apart (bar
        patterns) a third of its distance from the straight line is part of the uncertainty.

        Parameters
        ----------
        level : float
            Between 0 and 1.

        Returns
        -------
        Measurement
            ``"MTF50"`` for a level of 0.5, in ``"1/mm"``. Its uncertainty is that of the MTF there
            divided by the slope.

        Raises
        ------
        ValueError
            If ``level`` does not lie between 0 and 1 or the MTF does not fall to it.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {level!r}")
        f, values = self.frequencies_per_mm, self.values
        below = np.flatnonzero(values <= level)
        if below.size == 0:
            raise ValueError(f"level must be reached up to {f[-1]:g} per mm, got {level!r}")
        i = int(below[0])
        part = (values[i - 1] - level) / (values[i - 1] - values[i])
        straight = float(f[i - 1] + part * (f[i] - f[i - 1]))
        near = slice(max(i - 3, 0), i + 3)
        fine = np.linspace(f[i - 1], f[i], _STEPS + 1)
        curve = PchipInterpolator(f[near], values[near])(fine)
        k = max(int(np.flatnonzero(curve <= level + 1e-15)[0]), 1)
        curved = float(
            fine[k - 1] + (curve[k - 1] - level) / (curve[k - 1] - curve[k]) * (fine[k] - fine[k - 1])
        )
        slope, effects = _moves(f, values, near, curved)
        spread = float(np.hypot.reduce(effects @ self.modes[near]))
        return self._measured(
            f"MTF{100 * level:g}",
            curved,
            float(np.hypot(spread / slope, (curved - straight) / 3)),
            "1/mm",
        )

    def at_frequency(self, frequency_per_mm: float) -> Measurement:
        """The value of the MTF at a frequency.

        Parameters
        ----------
        frequency_per_mm : float
            Between 0 and the highest frequency of the curve.

        Returns
        -------
        Measurement
            ``"MTF at 0.5 per mm"``, unit 1.

        Raises
        ------
        ValueError
            If the frequency lies outside the curve.
        """
        f = self.frequencies_per_mm
        if not 0 <= finite("frequency_per_mm", frequency_per_mm) <= f[-1]:
            raise ValueError(f"frequency_per_mm must lie between 0 and {f[-1]:g}, got {frequency_per_mm}")
        straight = float(np.interp(frequency_per_mm, f, self.values))
        value = float(PchipInterpolator(f, self.values)(frequency_per_mm))
        i = min(max(int(np.searchsorted(f, frequency_per_mm)), 1), f.size - 1)
        near = slice(max(i - 3, 0), i + 3)
        effects = _moves(f, self.values, near, frequency_per_mm)[1]
        spread = float(np.hypot.reduce(effects @ self.modes[near]))
        doubt = (value - straight) / 3
        return self._measured(
            f"MTF at {frequency_per_mm:g} per mm", value, float(np.hypot(spread, doubt)), "1"
        )

    def _measured(self, name: str, value: float, spread: float, unit: str) -> Measurement:
        return Measurement(
            name=name,
            value=value,
            unit=unit,
            uncertainty=spread,
            definition=self.definition,
            algorithm=self.algorithm,
            details=dict(self.details),
        )


def _moves(f: Floats, values: Floats, near: slice, at: float) -> tuple[float, Floats]:
    """Slope of the monotone cubic at a frequency, and what each value nearby does to it there."""
    step = 1e-4 * max(float(np.ptp(values[near])), 1e-9)
    moved = values[near][:, None] + step * np.concatenate(
        [np.zeros((values[near].size, 1)), np.eye(values[near].size)], axis=1
    )
    curve = PchipInterpolator(f[near], moved)
    height = curve(at)
    return float(curve(at, 1)[0]), np.asarray((height[1:] - height[0]) / step)
