"""Angular weights: how much of the half turn every view stands for."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import floats

LARGEST_GAP_RATIO = 4.0
_SAME_ANGLE_RAD = 1e-9


def angular_weights(angles_rad: npt.ArrayLike, *, limited_angle: bool = False) -> npt.NDArray[np.float64]:
    r"""Weights that turn the sum over parallel views into the integral over half a turn.

    Opposite parallel views hold the same rays, so angles count modulo 180 degrees. A direction stands
    for half of the gap to either neighbour; views of the same direction share its weight. Order, start,
    direction and redundancy (a full turn, several turns, repeated views) therefore do not matter:

    .. math:: \int_0^\pi q_\theta \, d\theta \approx \sum_v w_v q_v, \qquad \sum_v w_v = \pi .

    Parameters
    ----------
    angles_rad : array_like of float
        View angles, shape ``(n_views,)``.
    limited_angle : bool, optional
        Whether directions may be missing. The views beside such a gap then stand for as much as others,
        the weights add up to what is covered, and a warning says what is missing.

    Returns
    -------
    numpy.ndarray
        Weights in radians, shape ``(n_views,)``.

    Raises
    ------
    ValueError
        If there are less than two directions, or ``limited_angle`` is not set and the views do not cover 180
        degrees: the largest gap between neighbouring directions is more than 4 times the gap that 90 % of all
        gaps do not exceed.

    Warns
    -----
    UserWarning
        If ``limited_angle`` is set and directions are missing.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ct import angular_weights
    >>> np.rad2deg(angular_weights(np.deg2rad([0, 225, 90, 135, 180]))).round(6)
    array([22.5, 45. , 45. , 45. , 22.5])
    """
    angles = np.mod(floats("angles_rad", angles_rad), np.pi)
    ordered = np.sort(angles)
    widest = int(np.argmax(np.diff(ordered, append=ordered[0] + np.pi)))
    begin = ordered[(widest + 1) % len(ordered)]  # nothing lies just below it: no direction is cut in two
    order = np.argsort(np.mod(angles - begin, np.pi), kind="stable")
    ordered = np.mod(angles - begin, np.pi)[order]
    new = np.diff(ordered, prepend=-1.0) > _SAME_ANGLE_RAD
    direction = np.cumsum(new) - 1
    gaps = np.diff(ordered[new], append=np.pi)
    if limited_angle and len(gaps) > 1:
        gaps = _without_missing(gaps, begin)
    else:
        _check_coverage(gaps, begin)
    share = (gaps + np.roll(gaps, 1)) / 2 / np.bincount(direction)
    weights = np.empty_like(ordered)
    weights[order] = share[direction]
    return weights


def _without_missing(gaps: npt.NDArray[np.float64], begin: float) -> npt.NDArray[np.float64]:
    """Every gap that is too wide as wide as usual, with a warning of the widest."""
    usual = float(np.quantile(gaps[:-1], 0.9, method="lower"))
    if gaps[-1] <= LARGEST_GAP_RATIO * usual:
        return gaps
    end = float(np.rad2deg(np.mod(begin, np.pi)))
    wide = float(np.rad2deg(gaps[-1]))
    start = np.mod(end - wide, 180.0)
    warnings.warn(
        f"angles_rad leave out {wide:.4g} degrees of directions, from {start:.4g} to {end:.4g} degrees: "
        "edges that only such rays follow are lost, and streaks run along the last views",
        UserWarning,
        stacklevel=4,
    )
    return np.where(gaps > LARGEST_GAP_RATIO * usual, usual, gaps)


def _check_coverage(gaps: npt.NDArray[np.float64], begin: float) -> None:
    usual = float(np.quantile(gaps, 0.9, method="lower"))
    largest = float(gaps[-1])
    below = float(np.mod(begin - largest, np.pi))
    if len(gaps) > 1 and largest <= LARGEST_GAP_RATIO * usual:
        return
    raise ValueError(
        "angles_rad must cover 180 degrees: no gap between neighbouring directions (modulo 180 degrees) may "
        f"exceed {LARGEST_GAP_RATIO:g} times the gap that 90 % of them do not exceed "
        f"({np.rad2deg(usual):.4g} degrees), got a gap of {np.rad2deg(largest):.4g} degrees "
        f"from {np.rad2deg(below):.4g} to {np.rad2deg(below + largest):.4g} degrees"
    )
