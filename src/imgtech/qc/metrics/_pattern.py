"""A pattern that repeats along lines: how strong it is, without the noise, and where it is strongest."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._bare import root

Floats = npt.NDArray[np.float64]

_CLEAR = 4.0


def pattern(
    parts: Floats, weights: Floats, places: Floats, *, order: int, name: str, place: str, source: Source,
    algorithm: str, cyclic: bool = False,
) -> Measurement:  # fmt: skip
    r"""Root-mean-square deviation of a profile from its trend, freed of noise.

    Parameters
    ----------
    parts : numpy.ndarray
        Mean of every line in each of several parts along it, shape ``(parts, lines)``. What differs
        between the parts of a line is noise, whatever its correlation along the line.
    weights : numpy.ndarray
        Pixels behind every mean, of the same shape; 0 where there are none.
    places : numpy.ndarray
        Position of every line.
    order : int
        Order of the polynomial (of the Fourier series if ``cyclic``) that is taken off as trend.
    """
    seen = (weights > 0).sum(axis=0) >= 3
    if seen.sum() < order + 5:
        raise ValueError(f"region must hold at least {order + 5} lines of three parts, got {seen.sum()}")
    w, m, x = weights[:, seen], parts[:, seen], places[seen]
    trend = _basis(x, order, cyclic=cyclic)
    total = w.sum(axis=0)
    profile = (w * m).sum(axis=0) / total
    # shading that differs from part to part is no noise; it is fitted to what the parts have of their own
    rest = np.zeros_like(m)
    for i in range(len(m)):
        filled = w[i] > 0
        if filled.sum() > trend.shape[1]:
            rest[i] = np.where(filled, _without(trend, m[i] - profile, w[i]), 0.0)
    profile = _without(trend, profile, total)
    k = (w > 0).sum(axis=0)
    # variance of the weighted mean from the scatter of the parts
    share = w / total
    scatter = (share**2 * rest**2).sum(axis=0) * k / (k - 1)
    # parts side by side are correlated at their border; the mean of all was taken off both
    off = share * rest
    pairs = (share[1:] * share[:-1]).sum(axis=0)
    beside = (off[1:] * off[:-1]).sum(axis=0) + pairs * scatter
    noise = max(float((scatter + 2 * beside).mean()), 0.5 * float(scatter.mean()))
    scatter *= noise / max(float(scatter.mean()), 1e-300)
    # the trend takes of the noise in both, and nothing of a pattern finer than itself
    bare = float((profile**2).mean()) - noise
    n = seen.sum() - trend.shape[1]
    # lines beside one another share noise where it is correlated, the more so where the pattern is wide
    squared, crossed = _between(rest, profile)
    spread = math.sqrt((4 * max(bare, 0.0) * noise * crossed + 2 * noise**2 * (squared + 0.25)) / n)
    value, uncertainty = root(bare, spread)
    sigma = np.sqrt(np.maximum(scatter, 0.2 * noise))
    top = int(np.argmax(np.abs(profile)))
    clear = np.flatnonzero(np.abs(profile) > _CLEAR * sigma)
    return Measurement(
        name=name,
        value=value,
        unit="1",
        uncertainty=uncertainty,
        definition=source,
        algorithm=algorithm,
        details={
            f"largest at {place}": float(x[top]),
            "largest": float(profile[top]),
            "largest over its noise": float(abs(profile[top]) / max(float(sigma[top]), 1e-300)),
            f"clear at {place}": ", ".join(f"{v:.4g}" for v in x[clear][:20]),
            "lines": float(seen.sum()),
        },
    )


def _without(trend: Floats, values: Floats, weights: Floats) -> Floats:
    """Values without their weighted fit of the trend."""
    steep = np.sqrt(weights)
    return np.asarray(values - trend @ np.linalg.lstsq(trend * steep[:, None], values * steep, rcond=None)[0])


def _basis(x: Floats, order: int, *, cyclic: bool) -> Floats:
    if cyclic:
        waves = [np.ones_like(x)]
        for k in range(1, order // 2 + 1):
            waves += [np.cos(k * x), np.sin(k * x)]
        return np.stack(waves, axis=1)
    u = 2 * (x - x.mean()) / max(float(np.ptp(x)), 1e-300)
    return np.polynomial.legendre.legvander(u, order)


def _between(noise: Floats, profile: Floats) -> tuple[float, float]:
    """Sums over the lines of the correlation of noise, squared and times that of the profile."""
    power, height = float((noise**2).sum()), float(profile @ profile)
    squared = crossed = 1.0
    for lag in range(1, 6):
        rho = float((noise[:, lag:] * noise[:, :-lag]).sum()) / max(power, 1e-300)
        if abs(rho) < 0.1:
            break
        squared += 2 * rho**2
        crossed += 2 * rho * float(profile[lag:] @ profile[:-lag]) / max(height, 1e-300)
    return squared, max(crossed, 0.5)
