"""Slice width and position from a pair of opposed plates or wedges."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from imgtech._core.validate import count, finite, floats, positive
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics.slice_thickness import RampSignal

Floats = npt.NDArray[np.float64]

_IPEM = Source(document="IPEM Report 80", edition="1998", clause="slice width", verified=False)
_AAPM = Source(document="AAPM Report 100", edition="2010", clause="slice thickness accuracy", verified=False)
_ORDER = 4
_MIN_CONTRAST = 6.0


def plate_signal(
    position_mm: npt.ArrayLike, profile: npt.ArrayLike, *, expected_mm: float, baseline_order: int = _ORDER
) -> RampSignal:
    r"""Full width at half depth of the dark trace of an inclined plate in bright water.

    Fitted to the profile is

    .. math:: B(x) \left[1 - d\, E\left(x - x_1; s_1\right) E\left(x_2 - x; s_2\right)\right], \quad
              E(t; s) = \frac1w \int_{-w/2}^{w/2} \Phi\left(\frac{t + h}{s}\right) \mathrm{d}h

    with a polynomial B of the coil's sensitivity, of fourth order by default, the depth d, and ends of
    the normal distribution function :math:`\Phi`, as soft as the edges of the slice profile make them, drawn
    out over the length w in which a slice leaves a plate of some height. The length is :math:`x_2 - x_1`.

    Parameters
    ----------
    position_mm : array_like
        Evenly spaced positions along the plate.
    profile : array_like
        Signal there, best the mean of many lines; the trace should cover less than half of it.
    expected_mm : float
        Expected length, good to a factor of two.
    baseline_order : int, optional
        Order of the polynomial.

    Returns
    -------
    RampSignal
        Ends and levels; the uncertainty joins the scatter of the fit, with the autocorrelation of what it
        leaves, and the change of the length with a baseline of one order less.

    Raises
    ------
    ValueError
        If the arrays do not fit, or no dark trace with two ends stands out of the profile.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import plate_signal
    >>> x = np.arange(-60.0, 60.0, 0.9)
    >>> dark = np.clip((16.0 - np.abs(x - 3.0)) / 5.0, 0.0, 1.0)
    >>> trace = plate_signal(x, (500 + 0.7 * x + 0.02 * x**2) * (1 - 0.3 * dark), expected_mm=25.0)
    >>> round(trace.length_mm, 1)
    27.0
    """
    x, y = floats("position_mm", position_mm), floats("profile", profile)
    if x.shape != y.shape or len(x) < 24 or np.ptp(np.diff(x)) > 1e-6 * np.ptp(x) or x[1] <= x[0]:
        raise ValueError(f"profile must have one value at each of 24 or more even positions, got {y.shape}")
    length = positive("expected_mm", expected_mm)
    highest = count("baseline_order", baseline_order, 0)
    fits = [_fit(x, y, length, order) for order in (highest, max(highest - 1, 0))]
    (ends, depth, level, (spread, of_middle), rest), (other, *_) = fits
    if not (x[0] < ends[0] < ends[1] < x[-1]) or depth * level < _MIN_CONTRAST * rest:
        raise ValueError(
            f"the profile must hold a dark trace with two ends, got a depth of {100 * depth:.2g} % "
            f"of {level:.3g} +- {rest:.2g}"
        )
    return RampSignal(
        start_mm=ends[0],
        end_mm=ends[1],
        plateau=level * (1 - depth),
        floor=level,
        edge_uncertainty_mm=spread / math.sqrt(2),
        level_uncertainty_mm=abs((other[1] - other[0]) - (ends[1] - ends[0])),
        middle_uncertainty_mm=math.hypot(of_middle, (sum(other) - sum(ends)) / 2),
    )


def slice_width(
    first: RampSignal, second: RampSignal, *, slope_rad: float = math.radians(11.3), stretch: float = 1.0
) -> Measurement:
    r"""Slice width from the traces of two plates that are inclined against each other.

    With lengths a and b along the image, the plates' angle :math:`\alpha` to the slice, and
    :math:`\theta = \pi - 2\alpha` between them,

    .. math:: w = \frac{\sqrt{(a - b)^2 \cos^2\theta + 4ab} + (a + b)\cos\theta}{2 \sin\theta}

    which is free of the tilt of the phantom about an axis across the plates, to all orders;
    :math:`a \tan\alpha` for equal lengths. The tilt is in the details.

    Parameters
    ----------
    first, second : RampSignal
        Traces of the two plates, from :func:`plate_signal` or :func:`ramp_signal`.
    slope_rad : float, optional
        Angle of a plate to the slice; 11.3 degrees in the MagNET and Eurospin objects.
    stretch : float, optional
        Measured over true distance along the plates (markers of known distance), by which both lengths are
        divided.

    Returns
    -------
    Measurement
        ``"slice width"`` in mm. What both traces share (their baselines) adds linearly.

    Raises
    ------
    ValueError
        If the angle does not lie between 0 and a right angle, or ``stretch`` is not positive.

    References
    ----------
    IPEM Report 80, Quality Control in Magnetic Resonance Imaging (1998); AAPM Report 100, Acceptance
    Testing and Quality Assurance Procedures for Magnetic Resonance Imaging Facilities (2010).

    Examples
    --------
    >>> import math
    >>> from imgtech.qc.metrics import RampSignal, slice_width
    >>> trace = RampSignal(start_mm=-12.5, end_mm=12.5, plateau=4.0, floor=9.0,
    ...                    edge_uncertainty_mm=0.2, level_uncertainty_mm=0.1)
    >>> round(slice_width(trace, trace).value, 2)
    5.0
    """
    alpha = _slope(slope_rad)
    factor = positive("stretch", stretch)
    a, b = first.length_mm / factor, second.length_mm / factor
    width, by_a, by_b = _tilt_free(a, b, alpha)
    tilt = math.atan(width / b) - alpha
    spread = math.hypot(
        math.sqrt(2) * math.hypot(by_a * first.edge_uncertainty_mm, by_b * second.edge_uncertainty_mm),
        by_a * first.level_uncertainty_mm + by_b * second.level_uncertainty_mm,
    )
    return Measurement(
        name="slice width",
        value=width,
        unit="mm",
        uncertainty=spread / factor,
        definition=_IPEM,
        algorithm="crossed-plates-tilt-free-2",
        details={"first trace (mm)": a, "second trace (mm)": b, "tilt (rad)": tilt},
    )


def slice_position(
    first: RampSignal, second: RampSignal, *, slope: float, crossing_mm: float = 0.0
) -> Measurement:
    r"""How far a slice lies from the place where two opposed ramps cross.

    .. math:: z = \frac{s}{2} \left[(c_1 - x_0) - (c_2 - x_0)\right] = \frac{s}{2} (c_1 - c_2)

    with the middles c of the lit parts, the slope s of the first ramp (height over length along x; the other
    has -s). A shift of the phantom along the ramps moves both middles together and does not count.

    Parameters
    ----------
    first, second : RampSignal
        Lit parts (or dark traces) of the ramps, the first one rising with the position.
    slope : float
        Height over length of a ramp.
    crossing_mm : float, optional
        Position at which the ramps cross in the drawing; only for the shift along them in ``details``.

    Returns
    -------
    Measurement
        ``"slice position"`` in mm, positive on the side to which the first ramp rises.

    Raises
    ------
    ValueError
        If the slope is not positive.

    References
    ----------
    AAPM Report 100, Acceptance Testing and Quality Assurance Procedures for Magnetic Resonance Imaging
    Facilities (2010), slice position accuracy.

    Examples
    --------
    >>> from imgtech.qc.metrics import RampSignal, slice_position
    >>> ramps = [RampSignal(start_mm=m - 25.0, end_mm=m + 25.0, plateau=9.0, floor=1.0,
    ...                     edge_uncertainty_mm=0.2, level_uncertainty_mm=0.1) for m in (12.0, -8.0)]
    >>> round(slice_position(*ramps, slope=0.1).value, 3)
    1.0
    """
    s, crossing = positive("slope", slope), finite("crossing_mm", crossing_mm)
    middles = [(ramp.start_mm + ramp.end_mm) / 2 for ramp in (first, second)]
    spreads = [
        ramp.edge_uncertainty_mm / math.sqrt(2)
        if ramp.middle_uncertainty_mm is None
        else ramp.middle_uncertainty_mm
        for ramp in (first, second)
    ]
    return Measurement(
        name="slice position",
        value=s / 2 * (middles[0] - middles[1]),
        unit="mm",
        uncertainty=s / 2 * math.hypot(*spreads),
        definition=_AAPM,
        algorithm="crossed-ramp-middles-3",
        details={"shift along the ramps (mm)": sum(middles) / 2 - crossing},
    )


def _slope(angle: float) -> float:
    alpha = positive("slope_rad", angle)
    if alpha >= math.pi / 2:
        raise ValueError(f"slope_rad must be less than a right angle, got {angle}")
    return alpha


def _tilt_free(a: float, b: float, alpha: float) -> tuple[float, float, float]:
    """Width and its derivatives with respect to both lengths."""
    theta = math.pi - 2 * alpha
    c, s = math.cos(theta), math.sin(theta)
    root = math.sqrt((a - b) ** 2 * c**2 + 4 * a * b)
    by_a, by_b = (((x - y) * c**2 + 2 * y) / root + c for x, y in ((a, b), (b, a)))
    return (root + (a + b) * c) / (2 * s), by_a / (2 * s), by_b / (2 * s)


def _fit(
    x: Floats, y: Floats, length: float, order: int
) -> tuple[tuple[float, float], float, float, tuple[float, float], float]:
    """Ends, depth, level, uncertainties of length and middle, and scatter of what is left."""
    u = 2 * (x - x.mean()) / np.ptp(x)
    powers = np.vander(u, order + 1)
    window = max(round(length / (x[1] - x[0])), 3)
    run = np.convolve(y - np.polyval(np.polyfit(u, y, 2), u), np.ones(window) / window, mode="same")
    middle = float(x[int(np.argmin(run))])

    def model(p: Floats, drawn: float | None = None) -> Floats:
        w = p[4] if drawn is None else drawn
        shape = _end(x - p[0], p[2], w) * _end(p[1] - x, p[3], w)
        return np.asarray((powers @ p[6:]) * (1 - p[5] * shape) - y)

    level = float(np.median(np.abs(y)))
    scale = [1.0, 1.0, 1.0, 1.0, 1.0, 0.1, *np.full(order + 1, max(0.1 * level, 1e-9))]
    soft = length / 8
    tail = [0.2, *np.zeros(order), float(np.median(y))]
    start = [middle - length / 2, middle + length / 2, soft, soft, 0.0, *tail]
    first = optimize.least_squares(model, start, x_scale=scale, kwargs={"drawn": 0.0}).x
    soft = float(np.clip(np.mean(np.abs(first[2:4])), 0.02 * length, 0.3 * length))
    start = [*first[:2], 0.4 * soft, 0.4 * soft, 3.2 * soft, *first[5:]]
    lowest, highest = np.full(len(start), -np.inf), np.full(len(start), np.inf)
    lowest[2:5], highest[2:5] = 0.0, (length / 2, length / 2, length)
    fit = optimize.least_squares(model, start, x_scale=scale, bounds=(lowest, highest))
    rest = np.asarray(fit.fun)
    effect = np.linalg.pinv(fit.jac)
    freedom = max(len(x) - len(start), 1)
    power = float(rest @ rest) / freedom
    # the fit takes a share of the correlation with it, about its parameters over the length
    correlation = [1.0]
    for lag in range(1, len(x) // 8):
        rho = float(rest[lag:] @ rest[:-lag]) / max(float(rest @ rest), 1e-300) + len(start) / len(x)
        if rho < 1.2 / math.sqrt(len(x)):
            break
        correlation.append(rho)
    spreads = []
    for of in (effect[1] - effect[0], (effect[0] + effect[1]) / 2):
        own = float(of @ of)
        square = own + sum(2 * rho * float(of[k:] @ of[:-k]) for k, rho in enumerate(correlation) if k)
        spreads.append(math.sqrt(power * max(square, own)))
    level = float(np.interp((fit.x[0] + fit.x[1]) / 2, x, powers @ fit.x[6:]))
    ends = (float(fit.x[0]), float(fit.x[1]))
    return ends, float(fit.x[5]), level, (spreads[0], spreads[1]), math.sqrt(power)


def _end(t: Floats, soft: float, drawn: float) -> Floats:
    """A normal distribution function, drawn out evenly over a length."""
    s, w = max(abs(soft), 1e-3), max(abs(drawn), 1e-3)
    a, b = (t + w / 2) / s, (t - w / 2) / s
    return np.asarray(s / w * (_ramp(a) - _ramp(b)))


def _ramp(t: Floats) -> Floats:
    """Integral of the normal distribution function."""
    return np.asarray(t * special.ndtr(t) + np.exp(-(t**2) / 2) / math.sqrt(2 * math.pi))
