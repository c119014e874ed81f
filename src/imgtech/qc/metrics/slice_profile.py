"""Slice sensitivity profiles from beads, ramps and wedges, and the thickness they give."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import each, finite, floats, positive, real_image
from imgtech.geometry import sample_positions
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._noise import noise_correlation, noise_of_sums
from imgtech.qc.metrics.point import fit_point
from imgtech.qc.metrics.widths import measured_width

Floats = npt.NDArray[np.float64]

_IEC = Source(document="IEC 61223-3-5", edition="2019", clause="tomographic section thickness",
              verified=False)  # fmt: skip
_AAPM = Source(document="AAPM Report 28", edition="1990", clause="slice thickness", verified=False)
_INSIDE, _OUTSIDE = 3.0, 5.0


@dataclass(frozen=True, kw_only=True, eq=False)
class SliceProfile(ArrayValue):
    """A slice sensitivity profile.

    Parameters
    ----------
    positions_mm : numpy.ndarray
        Positions across the slice, rising.
    values : numpy.ndarray
        Sensitivity, 1 at the highest sample.
    noise : float
        Standard uncertainty of a value.
    algorithm : str
        Name and version of the algorithm.
    correlation : float
        Of the noise of a value with that of the next one; -1/2 for differences of neighbours (wedge).
    aperture_mm : float
        What a value is the mean of, across the slice, for differences of neighbours.
    """

    positions_mm: Floats
    values: Floats
    noise: float
    algorithm: str
    correlation: float = 0.0
    aperture_mm: float = 0.0

    def __post_init__(self) -> None:
        for name in ("positions_mm", "values"):
            object.__setattr__(self, name, floats(name, getattr(self, name)))
        if self.positions_mm.size != self.values.size or (np.diff(self.positions_mm) <= 0).any():
            raise ValueError("positions_mm must rise and hold as many numbers as values")

    def width(self, level: float = 0.5, *, method: str = "nema") -> Measurement:
        """Full width of the profile, by :func:`profile_width`.

        Parameters
        ----------
        level : float, optional
            Part of the height: 0.5 for the nominal slice thickness, 0.1 for FWTM.
        method : {"nema", "fit"}, optional
            Linear interpolation, or a Gaussian.

        Returns
        -------
        Measurement
            ``"slice FWHM"`` in mm.

        Raises
        ------
        ValueError
            If the profile does not fall to the level on both sides.
        """
        m = measured_width(
            self.positions_mm,
            self.values,
            level=level,
            method=method,
            noise=self.noise,
            correlation=self.correlation,
        )
        assert m.value is not None
        assert m.uncertainty is not None
        # a mean over a width a adds a^2 / 12 to the squared standard deviation
        square = m.value**2 - 8 * math.log(1 / level) * self.aperture_mm**2 / 12
        value = math.sqrt(max(square, 0.25 * m.value**2))
        return Measurement(
            name=f"slice {m.name}",
            value=value,
            unit="mm",
            uncertainty=m.uncertainty * m.value / value,
            definition=_IEC,
            algorithm=f"{self.algorithm}, {m.algorithm}",
            details=m.details,
        )


def bead_slice_profile(volume: npt.ArrayLike, spacing_mm: tuple[float, float, float]) -> SliceProfile:
    r"""Slice sensitivity profile of a bead in a stack of slices.

    The bead is found in the sum of the slices. In every slice the values are weighted with the round
    Gaussian fitted there (the best weight against white noise) and summed, minus the mean of a ring
    from three to five widths around it.

    Parameters
    ----------
    volume : array_like
        Shape ``(nz, ny, nx)``: one bead, small against the slice, with background around it; slices closer
        than a third of their thickness, at least seven.
    spacing_mm : (float, float, float)
        Slice distance and pixel size.

    Returns
    -------
    SliceProfile
        At the slices; position 0 is the middle of the stack.

    Raises
    ------
    ValueError
        If no bead is found in the sum of the slices, or fewer than seven slices are given.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms import BlurredPoint
    >>> from imgtech.qc.metrics import bead_slice_profile
    >>> grid = ImageGrid(shape=(31, 40, 42), spacing_mm=(0.25, 0.4, 0.4))
    >>> bead = BlurredPoint(position_mm=(0.3, 0.1, -0.2), sigma_mm=(0.8, 0.6, 0.6), total=50.0)
    >>> m = bead_slice_profile(bead.image(grid), grid.spacing_mm).width()
    >>> round(m.value / 0.8, 2)
    2.37
    """
    stack = real_image("volume", volume, 3).astype(np.float64)
    dz, dy, dx = each("spacing_mm", spacing_mm, 3, positive)
    nz = stack.shape[0]
    if nz < 7:
        raise ValueError(f"volume must have at least 7 slices, got {nz}")
    point = fit_point(stack.sum(axis=0), (dy, dx))
    y, x = (sample_positions(n, d, 0.0) for n, d in zip(stack.shape[1:], (dy, dx), strict=True))
    r = np.hypot(y[:, None] - point.center_mm[0], x - point.center_mm[1]) / point.width_mm
    inside, ring = r < _INSIDE, (r > _INSIDE) & (r < _OUTSIDE)
    if ring.sum() < 12:
        raise ValueError("volume must hold background around the bead, got too little")
    weights = np.where(inside, np.exp(-r * r / 2), 0.0)
    weights = weights / weights.sum() - ring / ring.sum()
    signal = stack.reshape(nz, -1) @ weights.ravel() * math.copysign(1.0, point.height)
    height = float(signal.max())
    scatter, correlation = noise_correlation(list(stack), [ring.astype(np.float64)] * nz)
    noise = scatter * float(noise_of_sums([weights], correlation)[0])
    return SliceProfile(
        positions_mm=sample_positions(nz, dz, 0.0),
        values=signal / height,
        noise=noise / height,
        algorithm="bead-slice-profile-2",
    )


def ramp_slice_profile(
    position_mm: npt.ArrayLike, profile: npt.ArrayLike, *, ramp_angle_rad: float, kind: str = "ramp"
) -> SliceProfile:
    r"""Slice sensitivity profile of an inclined wire, thin plate or wedge.

    A wire or plate at the angle :math:`\alpha` to the slice shows the profile stretched by
    :math:`1 / \tan\alpha` (23 degrees and 0.42 in CatPhan phantoms). Behind a wedge the image rises with the
    integral of the profile; there the slope between neighbouring samples is taken.

    Parameters
    ----------
    position_mm : array_like
        Evenly spaced positions along the ramp, in the image.
    profile : array_like
        Mean signal across the ramp at these positions, bright or dark against its surroundings.
    ramp_angle_rad : float
        Angle between ramp and slice, above 0 and below pi/2.
    kind : {"ramp", "wedge"}, optional
        What the profile was read from.

    Returns
    -------
    SliceProfile
        Position 0 is the middle of the samples. Its noise is that of the outer samples.

    Raises
    ------
    ValueError
        If the positions are not evenly spaced, or the angle is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import ramp_slice_profile
    >>> x = np.arange(-60, 61) * 0.25
    >>> wire = 100 + 60 * np.exp(-(((x - 1.0) / 2.0) ** 2) / 2)
    >>> m = ramp_slice_profile(x, wire, ramp_angle_rad=np.deg2rad(23)).width()
    >>> round(m.value, 2)                          # 2.355 * 2.0 * tan 23 degrees
    2.0
    """
    x, y = floats("position_mm", position_mm), floats("profile", profile)
    if x.size != y.size or x.size < 16 or np.ptp(np.diff(x)) > 1e-6 * np.ptp(x):
        raise ValueError(f"position_mm must be evenly spaced, as many as profile, at least 16; got {x.size}")
    angle = finite("ramp_angle_rad", ramp_angle_rad)
    if not 0 < angle < math.pi / 2:
        raise ValueError(f"ramp_angle_rad must lie between 0 and pi/2, got {ramp_angle_rad!r}")
    if kind not in ("ramp", "wedge"):
        raise ValueError(f"kind must be one of ramp, wedge, got {kind!r}")
    step = float(x[1] - x[0])
    if kind == "wedge":
        x, y = (x[1:] + x[:-1]) / 2, np.diff(y) / step
    outer = max(x.size // 8, 3)
    ends = np.r_[0:outer, x.size - outer : x.size]
    line = np.polynomial.Polynomial.fit(x[ends], y[ends], 1)
    rest = y - line(x)
    if abs(rest.min()) > rest.max():
        rest = -rest
    height = float(rest.max())
    if height <= 0:
        raise ValueError("profile must stand out of its surroundings, got a flat one")
    noise = math.sqrt(float((rest[ends] ** 2).sum()) / (len(ends) - 2))
    return SliceProfile(
        positions_mm=(x - x.mean()) * math.tan(angle),
        values=rest / height,
        noise=noise / height,
        algorithm="ramp-slice-profile-1" if kind == "ramp" else "wedge-slice-profile-2",
        correlation=0.0 if kind == "ramp" else -0.5,
        aperture_mm=0.0 if kind == "ramp" else step * math.tan(angle),
    )


def opposed_ramps(first: Measurement, second: Measurement, *, ramp_angle_rad: float) -> Measurement:
    r"""Slice thickness from the lengths of two opposed ramps, whatever the tilt of the slice.

    A slice tilted by :math:`\delta` meets the ramps at :math:`\alpha \pm \delta` and shows the lengths
    :math:`a = t \cot(\alpha + \delta)` and :math:`b = t \cot(\alpha - \delta)`, so that

    .. math:: t = \frac{\sqrt{(a + b)^2 \cot^2 2\alpha + 4 a b} - (a + b) \cot 2\alpha}{2}

    exactly. For flat ramps this is :math:`2 \tan\alpha\, a b / (a + b)`.

    Parameters
    ----------
    first, second : Measurement
        Lengths of the two ramps in the image, in mm (:func:`profile_width`).
    ramp_angle_rad : float
        Angle between a ramp and the untilted slice, above 0 and below pi/2.

    Returns
    -------
    Measurement
        ``"slice thickness"`` in mm; ``details`` hold the tilt in degrees.

    Raises
    ------
    ValueError
        If a length is missing or not positive, or the angle is out of range.

    References
    ----------
    R. R. Price et al., Quality assurance methods and phantoms for magnetic resonance imaging, AAPM Report
    28, Med Phys 17 (1990) 287, doi:10.1118/1.596566.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc import Measurement, Source
    >>> from imgtech.qc.metrics import opposed_ramps
    >>> alpha, delta = np.deg2rad(11.3), np.deg2rad(2.0)
    >>> def length(angle):
    ...     return Measurement(name="FWHM", value=5 / np.tan(angle), unit="mm", uncertainty=0.2,
    ...                        algorithm="example-1", definition=Source(document="notebook", edition="1"))
    >>> m = opposed_ramps(length(alpha + delta), length(alpha - delta), ramp_angle_rad=alpha)
    >>> round(m.value, 6), round(m.details["tilt (deg)"], 6)
    (5.0, 2.0)
    """
    angle = finite("ramp_angle_rad", ramp_angle_rad)
    if not 0 < angle < math.pi / 2:
        raise ValueError(f"ramp_angle_rad must lie between 0 and pi/2, got {ramp_angle_rad!r}")
    lengths, spreads = [], []
    for name, m in (("first", first), ("second", second)):
        if m.value is None or m.uncertainty is None:
            raise ValueError(f"{name} must have a value, got none: {m.error}")
        lengths.append(positive(name, m.value))
        spreads.append(m.uncertainty)
    a, b = lengths
    slope = 1 / math.tan(2 * angle) if angle != math.pi / 4 else 0.0
    root = math.hypot((a + b) * slope, 2 * math.sqrt(a * b))
    t = (root - (a + b) * slope) / 2
    by_a, by_b = ((((a + b) * slope**2 + 2 * other) / root - slope) / 2 for other in (b, a))
    return Measurement(
        name="slice thickness",
        value=t,
        unit="mm",
        uncertainty=math.hypot(by_a * spreads[0], by_b * spreads[1]),
        definition=_AAPM,
        algorithm="opposed-ramps-1",
        details={"tilt (deg)": math.degrees((math.atan2(t, a) - math.atan2(t, b)) / 2)},
    )
