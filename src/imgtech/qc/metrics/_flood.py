"""Fields of view and indices of a flood image, by the text of NEMA NU 1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage, spatial

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_NOMINAL_MM = 6.4
_TOLERANCE = 0.3
_EDGE = 0.75
_RUN = 5


def rebin_factor(n: int, spacing_mm: float) -> int:
    """Pixels to add up so that their size comes within 30 % of 6.4 mm.

    Factors that divide the matrix come first, then the size nearest to 6.4 mm.
    """
    factors = [
        f for f in range(1, n // 8 + 1) if abs(f * spacing_mm - _NOMINAL_MM) <= _TOLERANCE * _NOMINAL_MM
    ]
    if not factors:
        raise ValueError(
            f"spacing_mm must allow pixels of {_NOMINAL_MM} mm +- 30 % by adding pixels, got {spacing_mm:g}"
        )
    return min(factors, key=lambda f: (n % f != 0, abs(f * spacing_mm - _NOMINAL_MM)))


def add_up(counts: Floats, factors: tuple[int, int]) -> Floats:
    """Sums of blocks of pixels; what is left over is cut off evenly at both ends."""
    rows, columns = (m // f for m, f in zip(counts.shape, factors, strict=True))
    first = [(m - k * f) // 2 for m, k, f in zip(counts.shape, (rows, columns), factors, strict=True)]
    cut = counts[first[0] : first[0] + rows * factors[0], first[1] : first[1] + columns * factors[1]]
    return np.asarray(cut.reshape(rows, factors[0], columns, factors[1]).sum(axis=(1, 3)))


def lit_field(counts: Floats, factors: tuple[int, int], shares: list[float]) -> list[Bools]:
    """The convex hull of what is lit, scaled about its middle, as masks of the added-up pixels.

    Lit is a pixel with half of the median count of the bright ones. A pixel belongs to a field when its
    centre lies inside.
    """
    smooth = ndimage.uniform_filter(counts, 3)
    bright = smooth[smooth > 0.1 * np.percentile(smooth, 99)]
    if bright.size == 0:
        raise ValueError("counts must hold a lit field, got none")
    labels, _ = ndimage.label(smooth > 0.5 * np.median(bright))
    piece = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    y, x = np.nonzero(piece)
    corners = np.concatenate([np.stack([y + dy, x + dx], axis=1) for dy in (0, 1) for dx in (0, 1)])
    sides = spatial.ConvexHull(corners).equations
    middle = (corners.max(axis=0) + corners.min(axis=0)) / 2
    depth = sides[:, 2] + sides[:, :2] @ middle
    places = []
    for size, factor, center in zip(counts.shape, factors, middle, strict=True):
        first = (size - size // factor * factor) // 2
        places.append(first + (np.arange(size // factor) + 0.5) * factor - center)
    outward = sides[:, 0, None, None] * places[0][:, None] + sides[:, 1, None, None] * places[1]
    return [(outward + share * depth[:, None, None] <= 0).all(axis=0) for share in shares]


def without_edges(counts: Floats, field: Bools, central: Bools) -> Bools:
    """Drop pixels at the edge below 75 % of the mean of the central field, then those beside one outside.

    A dark piece inside, such as a dead photomultiplier, is no edge and stays.
    """
    low = field & (counts < _EDGE * counts[central & field].mean())
    pieces, _ = ndimage.label(np.pad(low | ~field, 1, constant_values=True))
    edge = (pieces == pieces[0, 0])[1:-1, 1:-1]
    cross = ndimage.generate_binary_structure(2, 1)
    return np.asarray(ndimage.binary_erosion(field & ~edge, cross))


def smoothed(counts: Floats, field: Bools) -> Floats:
    """Nine-point filter 1 2 1, 2 4 2, 1 2 1 over the field alone; the last two axes are the image."""
    return _nine(counts * field) / np.maximum(_nine(field.astype(np.float64)), 1e-9)


def indices(images: Floats, field: Bools) -> tuple[Floats, Floats]:
    """Integral and differential uniformity in percent, for each of a stack of images."""
    stack = images.reshape(-1, *images.shape[-2:])
    seen = stack[:, field]
    integral = _michelson(seen.max(axis=1), seen.min(axis=1))
    differential = np.zeros(len(stack))
    for turned, inside in ((stack, field), (stack.swapaxes(1, 2), field.T)):
        if turned.shape[2] < _RUN:
            continue
        runs = [slice(k, turned.shape[2] - _RUN + 1 + k) for k in range(_RUN)]
        whole = np.logical_and.reduce([inside[:, run] for run in runs])
        if not whole.any():
            continue
        high, low = turned[:, :, runs[0]].copy(), turned[:, :, runs[0]].copy()
        for run in runs[1:]:
            np.maximum(high, turned[:, :, run], out=high)
            np.minimum(low, turned[:, :, run], out=low)
        differential = np.maximum(differential, _michelson(high[:, whole], low[:, whole]).max(axis=1))
    return integral, differential


def _michelson(high: Floats, low: Floats) -> Floats:
    return np.asarray(100 * (high - low) / (high + low))


def _nine(image: Floats) -> Floats:
    padded = np.pad(image, [(0, 0)] * (image.ndim - 2) + [(1, 1), (1, 1)])
    rows = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    return np.asarray(rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:])
