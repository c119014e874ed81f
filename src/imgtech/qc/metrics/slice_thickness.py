"""Slice thickness from the signal of a pair of crossed ramps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech._core.validate import floats, not_negative, positive
from imgtech.qc.measurement import Measurement, Source

Floats = npt.NDArray[np.float64]

_ALGORITHM = "crossed-ramps-half-height-3"
_DEFINITION = Source(
    document="ACR Phantom Test Guidance for the MRI Accreditation Program",
    edition="2015",
    clause="3 Slice thickness accuracy",
    verified=False,
)
_SMOOTHING_MM = 2.0
_PLATEAU = 0.3
_FLOOR = 0.8
_ROUNDS = 8
_MIN_CONTRAST = 4.0
_LEAST_PARTS = 1.5
_FLOOR_DOUBT = 0.25
_TRIES = 201
_MISFIT = 2.0


@dataclass(frozen=True, kw_only=True)
class RampSignal:
    """The lit part of one ramp.

    Parameters
    ----------
    start_mm, end_mm : float
        Where the signal crosses half of its height.
    plateau, floor : float
        Mean signal in the middle of the lit part, and the steady signal beside it.
    edge_uncertainty_mm : float
        Standard uncertainty of one edge by noise and uneven signal.
    level_uncertainty_mm : float
        Standard uncertainty of the length by what is doubtful about the floor.
    middle_uncertainty_mm : float, optional
        Standard uncertainty of the middle between the edges; by default that of two independent edges.
    """

    start_mm: float
    end_mm: float
    plateau: float
    floor: float
    edge_uncertainty_mm: float
    level_uncertainty_mm: float
    middle_uncertainty_mm: float | None = None

    @property
    def length_mm(self) -> float:
        """Full width at half maximum."""
        return self.end_mm - self.start_mm


def ramp_signal(
    position_mm: npt.ArrayLike,
    lines: npt.ArrayLike,
    *,
    expected_mm: float,
    weights: npt.ArrayLike | None = None,
    noise_power: float = 0.0,
) -> RampSignal:
    r"""Full width at half maximum of the lit part of a ramp, to a fraction of a sample.

    A magnitude image never falls to zero: noise, and the ringing of bright water beside a ramp, are
    rectified into a floor that is not there where the ramp shines; a steady floor (signal of the block
    itself, of the tails of the slice profile) is. The steady part c is the smaller of two estimates. By
    moments, with the mean square A of the floor and the variance V of the squares, both freed of what
    noise adds, :math:`c^4 = A^2 - 2V` (a sine leaves nothing, a constant everything). Noise of n channels,
    joined as root sum of squares, adds :math:`2 n \sigma^2` and :math:`4\sigma^2(A - n\sigma^2)`, with
    :math:`\sigma` from where the ramp shines and :math:`2 n \sigma^2` the mean square of the air (one
    channel where that is not known). By lines, the c
    that makes :math:`|c + g_k|` closest to the mean of line k in the floor, with :math:`g_k` the departure of
    that line from the others where the ramp shines. The profile is
    :math:`\sqrt{\sum_k w_k M_k^2 - (A - c^2)}`, smoothed by a Gaussian of 2 mm, which does
    not move an edge much wider than that. A part of the floor remains in doubt and is part of the
    uncertainty.

    The plateau is the mean of the middle 60 % of the lit part, the floor the mean of what lies more than
    0.8 lengths from its middle; the ends are where the profile first falls below the mean of the two on the
    way out. Plateau, floor and ends are found anew until they agree. An uneven plateau moves each end by
    half of what it is off there, and the half height by half of what the mean of the plateau is off; both are
    part of the uncertainty, with the number of independent parts of the plateau from its slope.

    Parameters
    ----------
    position_mm : array_like
        Evenly spaced positions along the ramp.
    lines : array_like
        Signal at these positions, one row for each line along the ramp.
    expected_mm : float
        Expected length, good to a factor of two.
    weights : array_like, optional
        Weight of each line; equal by default.
    noise_power : float, optional
        Mean square of the image where it shows nothing but noise (its air); 0 where that is not known.

    Returns
    -------
    RampSignal
        Ends, levels and uncertainties.

    Raises
    ------
    ValueError
        If the arrays do not fit, the signal does not stand out of its floor, or an end lies outside the
        profile.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import ramp_signal
    >>> x = np.arange(-70.0, 70.0, 0.5)
    >>> profile = 10.0 + 90.0 * np.clip((28.0 - np.abs(x - 4.0)) / 6.0, 0.0, 1.0)
    >>> lit = ramp_signal(x, [profile, profile], expected_mm=50.0)
    >>> round(lit.length_mm, 2), round(lit.start_mm, 2)
    (50.0, -21.0)
    """
    x = floats("position_mm", position_mm)
    signal = floats("lines", lines, 2)
    share = np.ones(len(signal)) if weights is None else floats("weights", weights)
    if signal.shape != (len(share), len(x)) or len(x) < 16 or np.ptp(np.diff(x)) > 1e-6 * np.ptp(x):
        raise ValueError(f"lines must be (line, position) of evenly spaced positions, got {signal.shape}")
    share = share / share.sum()
    step = positive("position_mm step", float(x[1] - x[0]))
    length = positive("expected_mm", expected_mm)
    of_air = not_negative("noise_power", noise_power)
    power = share @ signal**2
    profile = _profile(power, 0.0, step)
    window = max(1, round(length / step))
    middle = float(x[int(np.argmax(ndimage.uniform_filter1d(profile, window, mode="nearest")))])
    start = end = middle
    plateau = floor = doubt = 0.0
    for _ in range(_ROUNDS):
        inside = np.abs(x - middle) <= _PLATEAU * length
        outside = np.abs(x - middle) >= _FLOOR * length
        if inside.sum() < 4 or outside.sum() < 4:
            raise ValueError(f"the ramp is lit over {length:.0f} mm, too long or too short to measure")
        rectified, doubt = _rectified(signal[:, outside], signal[:, inside], share, step, of_air)
        profile = _profile(power, rectified, step)
        plateau, floor = float(profile[inside].mean()), float(profile[outside].mean())
        start = _crossing(x, profile, middle, (plateau + floor) / 2, -1)
        end = _crossing(x, profile, middle, (plateau + floor) / 2, 1)
        middle, length = (start + end) / 2, end - start
    noise = float(np.std(profile[outside]))
    if plateau - floor < _MIN_CONTRAST * max(noise, 1e-12):
        raise ValueError(
            f"the ramp signal ({plateau:.3g}) does not stand out of its floor ({floor:.3g} +- {noise:.2g})"
        )
    slopes = [abs(float(np.interp(at, x, np.gradient(profile, step)))) for at in (start, end)]
    slope = max(float(np.mean(slopes)), 1e-12)
    uneven, of_mean = _unevenness(profile[inside], step)
    edge = math.sqrt(0.75 * min(noise, uneven) ** 2 + 0.25 * uneven**2) / slope
    return RampSignal(
        start_mm=start,
        end_mm=end,
        plateau=plateau,
        floor=floor,
        edge_uncertainty_mm=math.hypot(edge, of_mean / (math.sqrt(2) * slope)),
        level_uncertainty_mm=doubt / slope,
        middle_uncertainty_mm=edge / math.sqrt(2),
    )


def slice_thickness(first: RampSignal, second: RampSignal, *, slope: float = 0.1) -> Measurement:
    r"""Slice thickness from two opposed ramps.

    .. math:: t = 2\,s\,\frac{T B}{T + B}

    with the lengths T and B of the lit parts and the slope s of the ramps; for 10:1 ramps
    :math:`t = 0.2\,T B/(T + B)`. A phantom tilted about an axis across the ramps makes one longer and the
    other shorter; to first order t does not change. The two share what is doubtful about their levels, so
    that part of the uncertainty adds linearly.

    Parameters
    ----------
    first, second : RampSignal
        Lit parts of the two ramps.
    slope : float, optional
        Height over length of a ramp.

    Returns
    -------
    Measurement
        Name ``slice thickness``, in mm; the details hold both lengths.

    Raises
    ------
    ValueError
        If the slope is not positive.

    Examples
    --------
    >>> from imgtech.qc.metrics.slice_thickness import RampSignal, slice_thickness
    >>> top, bottom = (
    ...     RampSignal(start_mm=-20.0, end_mm=length - 20.0, plateau=9.0, floor=1.0,
    ...                edge_uncertainty_mm=0.3, level_uncertainty_mm=0.2)
    ...     for length in (48.0, 54.0)
    ... )
    >>> round(slice_thickness(top, bottom).value, 2)
    5.08
    """
    s = positive("slope", slope)
    top, bottom = first.length_mm, second.length_mm
    whole = top + bottom
    by_top, by_bottom = 2 * s * bottom**2 / whole**2, 2 * s * top**2 / whole**2
    return Measurement(
        name="slice thickness",
        value=2 * s * top * bottom / whole,
        unit="mm",
        uncertainty=math.hypot(
            math.sqrt(2)
            * math.hypot(by_top * first.edge_uncertainty_mm, by_bottom * second.edge_uncertainty_mm),
            by_top * first.level_uncertainty_mm + by_bottom * second.level_uncertainty_mm,
        ),
        definition=_DEFINITION,
        algorithm=_ALGORITHM,
        details={"first ramp mm": top, "second ramp mm": bottom},
    )


def _rectified(floor: Floats, lit: Floats, share: Floats, step: float, of_air: float) -> tuple[float, float]:
    """Power of a floor that is not steady, and the standard uncertainty of the steady part.

    What the moments or the lines say, whichever is more. In doubt are a quarter of the part that is not
    steady nor noise, and of the steady part as much as the lines differ from what they should be.
    """
    mean = float((share @ floor**2).mean())
    spread = float((share @ (floor**2 - mean) ** 2).mean())
    noise = min(_noise(lit, step), mean / 2)
    power = min(max(noise, of_air / 2), mean / 2)
    rest = mean - 2 * power
    by_moments = max(rest**2 - 2 * max(spread - 4 * noise * (mean - power), 0.0), 0.0) ** 0.25
    tries = np.linspace(0.0, math.sqrt(mean), _TRIES)
    along = lit.mean(axis=1)
    departure = along - share @ along
    misfit = share @ (floor.mean(axis=1)[:, None] - np.abs(tries + departure[:, None])) ** 2
    steady = min(by_moments, float(tries[int(np.argmin(misfit))]))
    unlike = min(steady, _MISFIT * math.sqrt(float(misfit.min())))
    return mean - steady**2, _FLOOR_DOUBT * max(math.sqrt(rest) - steady, 0.0) + unlike


def _noise(lit: Floats, step: float) -> float:
    """Variance of the noise where the ramp shines: what is neither smooth along it nor alike in all lines."""
    if len(lit) < 2:
        return 0.0
    rough = lit - ndimage.gaussian_filter1d(lit, _SMOOTHING_MM / step, axis=1, mode="nearest")
    return float((rough - rough.mean(axis=0)).var(axis=0, ddof=1).mean())


def _unevenness(plateau: Floats, step: float) -> tuple[float, float]:
    """Standard deviation of an uneven plateau about its true mean, and that of the mean that was found.

    A wave whose correlation is a Gaussian of standard deviation s has a slope of 1/s of its height and
    counts as length / (s sqrt(2 pi)) independent parts. About its own mean the plateau varies less than
    about the true one, by a share of one in the number of parts.
    """
    spread, steep = float(np.var(plateau)), float(np.mean(np.gradient(plateau, step) ** 2))
    seen = parts = len(plateau) * step * math.sqrt(steep / max(2 * math.pi * spread, 1e-300))
    for _ in range(_ROUNDS):
        parts = seen * math.sqrt(1 - 1 / max(parts, _LEAST_PARTS))
    parts = max(parts, _LEAST_PARTS)
    whole = spread * parts / (parts - 1)
    return math.sqrt(whole), math.sqrt(whole / parts)


def _profile(power: Floats, rectified: float, step: float) -> Floats:
    rest = power - rectified
    signed = np.sign(rest) * np.sqrt(np.abs(rest))
    smooth: Floats = ndimage.gaussian_filter1d(signed, _SMOOTHING_MM / step, mode="nearest")
    return smooth


def _crossing(x: Floats, profile: Floats, middle: float, level: float, side: int) -> float:
    """Where the profile first falls below the level on the way out from the middle."""
    way = np.flatnonzero((x - middle) * side >= 0)[::side]
    below = np.flatnonzero(profile[way] < level)
    if below.size == 0 or below[0] == 0:
        raise ValueError("the ramp signal has no end inside the profile")
    inner, outer = way[below[0] - 1], way[below[0]]
    share = (profile[inner] - level) / (profile[inner] - profile[outer])
    return float(x[inner] + share * (x[outer] - x[inner]))
