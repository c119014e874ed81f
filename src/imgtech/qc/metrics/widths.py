"""Width of a peak at half, a tenth or any other part of its height."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import optimize

from imgtech._core.validate import finite, floats, not_negative, one_of, positive
from imgtech.qc.measurement import Measurement, Source

Floats = npt.NDArray[np.float64]

_NEMA = Source(document="NEMA NU 1", edition="2018", clause="full width at half maximum", verified=False)
_FIT = Source(document="NEMA NU 4", edition="2008", clause="spatial resolution", verified=False)
_NAMES = {0.5: "FWHM", 0.1: "FWTM"}
_MIN_POINTS = 7
_OUTER = 8
_TRIALS = 48
_LEAST = 1e-4


def profile_width(
    position_mm: npt.ArrayLike,
    profile: npt.ArrayLike,
    *,
    level: float = 0.5,
    method: str = "nema",
    background: float | None = None,
    noise: float | None = None,
) -> Measurement:
    r"""Width of a peak at a part of its height, to a fraction of a sample.

    ``"nema"``: the height is that of the parabola through the highest sample and its neighbours; on either
    side the level is crossed on the straight line between two samples, outwards from the peak. The line
    cuts the curve short: its distance from a parabola through the samples around it,
    :math:`t (1 - t) h^2 y'' / 2` at the part t of the step h, is part of the uncertainty. So is what
    noise does to the rule on average (the highest of many noisy samples lies too high, so the width comes
    out short),
    found with a Gaussian of the same height and width.

    ``"fit"``: a Gaussian of free place, height and width on the background, by least squares; the width is
    :math:`2 \sigma \sqrt{2 \ln (1 / \mathrm{level})}`. It averages over noise and needs no fine
    sampling, but is right only where the peak is a Gaussian.

    Parameters
    ----------
    position_mm : array_like
        Rising positions of the samples.
    profile : array_like
        One peak, brighter than its background, at least seven samples.
    level : float, optional
        Part of the height: 0.5 for FWHM, 0.1 for FWTM.
    method : {"nema", "fit"}, optional
        See above.
    background : float, optional
        Value far from the peak. By default the line through the means of the first and the last eighth of
        the samples is taken off.
    noise : float, optional
        Standard deviation of a sample, taken as independent of its neighbours; by default that of the first
        and last eighth about the line through them (``"nema"``) or of what the fit leaves (``"fit"``).

    Returns
    -------
    Measurement
        ``"FWHM"``, ``"FWTM"`` or ``"full width at 0.2"``, in mm; ``details`` hold place and height.

    Raises
    ------
    ValueError
        If the samples do not rise in position, the peak lies at an end or does not fall to the level on
        both sides, or an argument is out of range.

    References
    ----------
    NEMA NU 1-2018, Performance measurements of gamma cameras; NEMA NU 2-2018, Performance measurements of
    positron emission tomographs.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import profile_width
    >>> x = np.arange(-20, 21) * 0.5
    >>> m = profile_width(x, 3 + 100 * np.exp(-(((x - 0.2) / 1.6) ** 2) / 2))
    >>> round(m.value / 1.6, 2)                    # 2 sqrt(2 ln 2) = 2.355
    2.36
    """
    return measured_width(
        position_mm, profile, level=level, method=method, background=background, noise=noise
    )


def measured_width(
    position_mm: npt.ArrayLike,
    profile: npt.ArrayLike,
    *,
    level: float,
    method: str,
    background: float | None = None,
    noise: float | None = None,
    correlation: float = 0.0,
) -> Measurement:
    """:func:`profile_width` of samples whose noise is correlated with that of the next one."""
    x = floats("position_mm", position_mm)
    y = floats("profile", profile)
    if x.size != y.size or x.size < _MIN_POINTS or (np.diff(x) <= 0).any():
        raise ValueError(
            f"position_mm must rise and hold as many numbers as profile, at least {_MIN_POINTS}; "
            f"got {x.size} and {y.size}"
        )
    if not 0 < finite("level", level) < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}")
    one_of("method", method, ("nema", "fit"))
    outer = max(x.size // _OUTER, 2)
    ends = np.r_[0:outer, x.size - outer : x.size]
    line = _line(x, y, outer)
    spread = float(np.sqrt(((y - line)[ends] ** 2).sum() / max(len(ends) - 2, 1)))
    base = line if background is None else np.full(x.size, finite("background", background))
    freedom = math.inf
    if noise is None and method == "nema":
        noise, freedom = spread, float(max(len(ends) - 2, 1))
    given = None if noise is None else not_negative("noise", noise)
    if method == "nema":
        assert given is not None
        return _by_rule(x, y - base, level, given, freedom, outer if background is None else 0, correlation)
    return _by_fit(x, y, base, level, given, background is None, correlation)


def _line(x: Floats, y: Floats, outer: int) -> Floats:
    """Straight line through the means of the outer samples on either side."""
    left, right = float(x[:outer].mean()), float(x[-outer:].mean())
    low, high = float(y[:outer].mean()), float(y[-outer:].mean())
    return np.asarray(low + (high - low) * (x - left) / (right - left))


def _by_rule(
    x: Floats, y: Floats, level: float, noise: float, freedom: float, outer: int, correlation: float
) -> Measurement:
    top = int(np.argmax(y))
    if top in (0, x.size - 1) or y[top] <= 0:
        raise ValueError("profile must have its peak between its ends, above the background")
    width, height, place, sides = _rule(x, y, top, level)
    # the effect of every sample that takes part, and of the background through the outer ones
    effects = np.zeros(x.size)
    step = 1e-5 * height
    taking_part = {top - 1, top, top + 1, *sides, *(i + 1 for i in sides)}
    for i in taking_part:
        moved = y.copy()
        moved[i] += step
        effects[i] += (_rule(x, moved, top, level, sides)[0] - width) / step
    if outer:
        lifted = (_rule(x, y - step, top, level, sides)[0] - width) / step
        effects[:outer] += lifted / (2 * outer)
        effects[-outer:] += lifted / (2 * outer)
    short = 0.0
    for i in sides:
        near = slice(max(i - 1, 0), i + 3)
        bend = 2 * np.polynomial.polynomial.polyfit(x[near] - x[i], y[near], 2)[2]
        t = (level * height - y[i]) / (y[i + 1] - y[i])
        h = float(x[i + 1] - x[i])
        short += t * (1 - t) * h**2 / 2 * bend / abs((y[i + 1] - y[i]) / h)
    shift, scatter = _by_noise(x, height, place, width, level, noise)
    return Measurement(
        name=_name(level),
        value=width,
        unit="mm",
        uncertainty=math.hypot(max(noise * _scatter(effects, correlation), scatter), short, shift),
        definition=_NEMA,
        algorithm="width-nema-2",
        degrees_of_freedom=freedom,
        details={"place (mm)": place, "height": height},
    )


def _scatter(effects: Floats, correlation: float) -> float:
    """Standard deviation of a weighted sum of noise of 1, correlated with that of the next sample."""
    square = float(effects @ effects) + 2 * correlation * float(effects[1:] @ effects[:-1])
    return math.sqrt(max(square, _LEAST * float(effects @ effects)))


def _by_noise(
    x: Floats, height: float, place: float, width: float, level: float, noise: float
) -> tuple[float, float]:
    """Mean change and scatter of the width of a Gaussian by noise; 0 where there is hardly any."""
    if noise < 1e-6 * height:
        return 0.0, 0.0
    sigma = width / math.sqrt(8 * math.log(1 / level))
    bell = height * np.exp(-(((x - place) / sigma) ** 2) / 2)
    draws = np.random.default_rng(20261126).standard_normal((_TRIALS, x.size))
    # every draw with both signs: what is linear in the noise cancels in the mean
    found = []
    for y in (bell, *(bell + sign * noise * draw for draw in draws for sign in (1, -1))):
        top = int(np.argmax(y))
        try:
            found.append(_rule(x, y, top, level)[0] if 0 < top < x.size - 1 else math.nan)
        except ValueError:
            found.append(math.nan)
    moved = np.asarray(found[1:])
    moved = moved[np.isfinite(moved)]
    if moved.size < _TRIALS or math.isnan(found[0]):
        return 0.0, 0.0
    return float(moved.mean()) - found[0], float(moved.std(ddof=1))


def _rule(
    x: Floats, y: Floats, top: int, level: float, sides: tuple[int, int] | None = None
) -> tuple[float, float, float, tuple[int, int]]:
    """Width, height, middle, and the samples before the two crossings."""
    near = slice(top - 1, top + 2)
    c, b, a = np.polynomial.polynomial.polyfit(x[near] - x[top], y[near], 2)
    height = float(c - b * b / (4 * a)) if a < 0 else float(y[top])
    threshold = level * height
    if sides is None:
        below_left = np.flatnonzero(y[:top] < threshold)
        below_right = np.flatnonzero(y[top:] < threshold)
        if below_left.size == 0 or below_right.size == 0:
            raise ValueError(f"profile must fall to {level:g} of its height on both sides")
        sides = int(below_left[-1]), top + int(below_right[0]) - 1
    ends = [float(x[i] + (threshold - y[i]) / (y[i + 1] - y[i]) * (x[i + 1] - x[i])) for i in sides]
    return ends[1] - ends[0], height, (ends[0] + ends[1]) / 2, sides


def _by_fit(
    x: Floats, y: Floats, base: Floats, level: float, noise: float | None, free: bool, correlation: float
) -> Measurement:
    start = y - base
    top = int(np.argmax(start))
    area = float(np.trapezoid(np.maximum(start, 0.0), x))
    width = positive("profile height", area / max(float(start[top]), 1e-300)) / math.sqrt(2 * math.pi)

    def columns(p: Floats) -> Floats:
        u = (x - p[1]) / p[2]
        bell = np.exp(-u * u / 2)
        found = [bell, p[0] * bell * u / p[2], p[0] * bell * u * u / p[2]]
        if free:
            found += [np.ones_like(x), x - x.mean()]
        return np.stack(found, axis=1)

    def rest(p: Floats) -> Floats:
        u = (x - p[1]) / p[2]
        ground = p[3] + p[4] * (x - x.mean()) if free else base
        return np.asarray(p[0] * np.exp(-u * u / 2) + ground - y)

    slope = float((base[-1] - base[0]) / (x[-1] - x[0]))
    first = [float(start[top]), float(x[top]), width] + ([float(base.mean()), slope] if free else [])
    found = optimize.least_squares(rest, first, jac=columns, method="lm")
    height, place, sigma = (float(v) for v in found.x[:3])
    sigma = abs(sigma)
    if not found.success or not x[0] < place < x[-1] or height <= 0 or sigma > x[-1] - x[0]:
        raise ValueError("profile must hold one peak that a Gaussian fits, got none inside")
    freedom = math.inf
    if noise is None:
        freedom = float(x.size - len(first))
        noise = math.sqrt(2 * found.cost / freedom)
    effects = np.linalg.pinv(found.jac)[2]
    factor = 2 * math.sqrt(2 * math.log(1 / level))
    return Measurement(
        name=_name(level),
        value=factor * sigma,
        unit="mm",
        uncertainty=factor * noise * _scatter(effects, correlation),
        definition=_FIT,
        algorithm="width-gauss-fit-1",
        degrees_of_freedom=freedom,
        details={"place (mm)": place, "height": height},
    )


def _name(level: float) -> str:
    return _NAMES.get(level, f"full width at {level:g}")
