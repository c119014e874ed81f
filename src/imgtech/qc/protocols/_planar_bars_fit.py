"""A few opaque bars fitted as what they are: boxes of one width at one pitch, blurred."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize
from scipy.special import ndtr

Floats = npt.NDArray[np.float64]

_BIN_SHARE = 0.4
_LEAST = 0.5  # of the square about a straight ground is explained; noise of the bins leaves more than 0.9
_LOW, _HIGH = (-0.4, 0.85, 0.3, 0.02), (0.4, 1.15, 0.7, 0.8)
_START = (0.0, 1.0, 0.5, 0.12)


@dataclass(frozen=True, kw_only=True)
class FittedBars:
    """Bars as a fit of their profile found them.

    Parameters
    ----------
    frequency, frequency_uncertainty : float
        Bars per unit of length.
    middle : float
        Of all bars, from where the positions are counted.
    """

    frequency: float
    frequency_uncertainty: float
    middle: float


def fit_bars(across: Floats, values: Floats, *, bars: int, frequency: float, pixel: float) -> FittedBars:
    r"""Fit a group of bars on a sloping ground.

    .. math:: m(a) = c_0 + c_1 a + b\, B(a; L) + s \sum_k B(a - a_0 - k p; w)

    with :math:`B` a box blurred by a Gaussian. Pitch :math:`p`, width, middle and blur are free, and so are
    the slope of the ground, and by ``b`` its level between the bars against that around them. The pitch
    comes from all edges of the bars: no spectrum of a few bars, whose ends pull its peak.

    Parameters
    ----------
    across, values : numpy.ndarray
        Positions across the bars from about their middle, and values there, shape (n,).
    bars : int
        How many there are.
    frequency : float
        About how many a unit of length.
    pixel : float
        Step of the pixels: samples closer than a share of it are averaged.

    Returns
    -------
    FittedBars
        With the uncertainty that the scatter about the fit gives.

    Raises
    ------
    ValueError
        If there are too few samples, or no pitch near the given one fits.
    """
    at, mean, number = _binned(across, values, _BIN_SHARE * pixel)
    if at.size < 12:
        raise ValueError(f"the bars cover only {across.size} pixels")
    root = np.sqrt(number)
    order = np.arange(bars) - (bars - 1) / 2

    def design(p: Floats) -> Floats:
        middle, pitch, share, blur = p[0] / frequency, 1 / (frequency * p[1]), p[2], p[3] / frequency
        x = at - middle
        comb = _box(x[:, None] - order * pitch, share * pitch, blur).sum(axis=1)
        whole = _box(x, (bars - 1 + share) * pitch, blur)
        return np.stack([np.ones_like(at), x * frequency, whole, comb], axis=1) * root[:, None]

    def left(p: Floats) -> Floats:
        columns = design(p)
        fit, *_ = np.linalg.lstsq(columns, mean * root, rcond=None)
        return np.asarray(columns @ fit - mean * root)

    fit = optimize.least_squares(left, _START, bounds=(_LOW, _HIGH), x_scale=(0.02, 0.005, 0.02, 0.02))
    ground = root[:, None] * np.stack([np.ones_like(at), at * frequency], axis=1)
    straight = mean * root - ground @ np.linalg.lstsq(ground, mean * root, rcond=None)[0]
    explained = 1 - 2 * fit.cost / max(float(straight @ straight), 1e-300)
    free = at.size - 8
    edge = min(fit.x[1] - _LOW[1], _HIGH[1] - fit.x[1], fit.x[0] - _LOW[0], _HIGH[0] - fit.x[0])
    if free < 4 or edge < 1e-3 or explained < _LEAST:
        raise ValueError("no bars of about the expected pitch fit")
    covariance = np.linalg.pinv(fit.jac.T @ fit.jac, rcond=1e-10) * 2 * fit.cost / free
    found = frequency * float(fit.x[1])
    return FittedBars(
        frequency=found,
        frequency_uncertainty=frequency * math.sqrt(float(covariance[1, 1])),
        middle=float(fit.x[0]) / frequency,
    )


def _binned(across: Floats, values: Floats, width: float) -> tuple[Floats, Floats, Floats]:
    """Mean position, mean value and number of the samples in bins of a width."""
    bins = np.floor((across - across.min()) / width).astype(np.int64)
    number = np.bincount(bins)
    lit = number > 0
    at, mean = (np.bincount(bins, weights=a)[lit] / number[lit] for a in (across, values))
    return at, mean, number[lit].astype(np.float64)


def _box(x: Floats, width: float, blur: float) -> Floats:
    return np.asarray(ndtr((x + width / 2) / blur) - ndtr((x - width / 2) / blur))
