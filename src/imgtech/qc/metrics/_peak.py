"""Where a noisy smooth curve is highest."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_ORDER = 4
_LEVEL = 0.7
_HILL, _CLEAR = 0.5, 0.9
_MIN_POINTS = 9


def smooth_peak(x: Floats, y: Floats, spread: Floats) -> tuple[float, float]:
    """Position of the maximum of a curve and its standard uncertainty.

    The range is where a moving average stays above 70 % of its maximum. Where that is the low end of the
    curve, as drift and structure add to noise there, the highest hill beyond the valley counts, if it reaches
    half of that maximum and lies clear of the valley. A polynomial of fourth order is
    fitted there with the weights ``1 / spread``. The uncertainty of its slope, which is linear in the
    values, divided by its curvature is that of the position; half of the distance to the maximum of a fit
    of third order joins it.

    Raises
    ------
    ValueError
        If the curve is highest at one of its ends or nine points cannot be fitted.
    """
    width = max(len(x) // 12, 1)
    kernel = np.ones(2 * width + 1)
    smooth = np.convolve(y, kernel, mode="same") / np.convolve(np.ones(len(y)), kernel, mode="same")
    top = int(np.argmax(smooth))
    start, stop = _above(smooth, top)
    if top <= width and stop < len(x):  # the low end
        hill = stop + int(np.argmax(smooth[stop:]))
        valley = int(np.argmin(smooth[: hill + 1]))
        if smooth[hill] > max(_HILL * smooth[top], smooth[valley] / _CLEAR):
            top = hill
            start, stop = _above(smooth, top)
            start = max(start, valley)
    if stop - start < _MIN_POINTS:
        raise ValueError(f"the peak must span at least {_MIN_POINTS} frequencies, got {stop - start}")
    chosen = slice(start, stop)
    middle, half = (x[start] + x[stop - 1]) / 2, (x[stop - 1] - x[start]) / 2
    u = (x[chosen] - middle) / half
    # the spread follows the values: smoothed, so that a low value gains no weight by chance
    relative = float(np.sqrt(np.mean((spread[chosen] / y[chosen]) ** 2 * x[chosen]) / x[chosen].mean()))
    weight = np.sqrt(x[chosen] / x[chosen].mean()) / (relative * smooth[chosen])
    design = np.vander(u, _ORDER + 1, increasing=True)
    covariance = np.linalg.inv((design.T * weight**2) @ design)
    fit = np.polynomial.Polynomial(covariance @ (design.T @ (weight**2 * y[chosen])))
    # what a fit of one order less says instead is in doubt
    lower = design[:, :_ORDER]
    simple = np.polynomial.Polynomial(
        np.linalg.lstsq(lower * weight[:, None], y[chosen] * weight, rcond=None)[0]
    )
    fine = np.linspace(-1, 1, 2001)
    best = int(np.argmax(fit(fine)))
    doubt = float(fine[best] - fine[int(np.argmax(simple(fine)))]) / 2
    if best in (0, len(fine) - 1):
        raise ValueError("the curve must have a peak between its lowest and highest frequency")
    place = float(fine[best])
    slope, bend = fit.deriv(1), float(fit.deriv(2)(place))
    place -= float(slope(place)) / bend
    effect = np.array([k * place ** (k - 1) if k else 0.0 for k in range(_ORDER + 1)])
    scatter = math.sqrt(float(effect @ covariance @ effect)) / abs(bend)
    return float(middle + half * place), half * math.hypot(scatter, doubt)


def _above(smooth: Floats, top: int) -> tuple[int, int]:
    """Range around a place in which a curve stays above 70 % of what it is there."""
    low = np.flatnonzero(smooth < _LEVEL * smooth[top])
    return int(max(low[low < top], default=-1)) + 1, int(min(low[low > top], default=len(smooth)))
