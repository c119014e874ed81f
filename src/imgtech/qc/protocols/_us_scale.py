"""Grey levels of an ultrasound image back to an envelope."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage, special

from imgtech._core.validate import positive
from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.qc.metrics.ultrasound._envelope import moments, spread_of

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SPECKLE_DB = 10 / math.log(10) * math.pi / math.sqrt(6)  # deviation of developed speckle in decibels, 5.57
_BRIGHT = 255
_TILE_MM = 4.0
_FEWEST_TILES = 12
_INSIDE_MM = 0.5
_TREND_MM = 10.0
_MOST_CUT = 0.01
_LEAST_MM2 = 150.0
_SKEWED = 0.15
_LEAST_MM = 5.0
_LIT_BOX = 11
_LIT = 0.75
_LEAST_CORE = 0.3


@dataclass(frozen=True, kw_only=True, eq=False)
class Envelopes:
    """Images of one phantom as envelopes.

    Parameters
    ----------
    images : numpy.ndarray
        ``(n, y, x)``.
    grid : ImageGrid
        Their pixels; y is the depth.
    seen : numpy.ndarray
        Pixels that belong to the picture.
    db_per_level : float or None
        Decibels of one grey level; None where the series held an envelope.
    relative_uncertainty : float
        Relative standard uncertainty of decibels: that of the grey scale where speckle told it, else 0.
    from_speckle : bool
        Whether the speckle told it.
    """

    images: Floats
    grid: ImageGrid
    seen: Bools
    db_per_level: float | None
    relative_uncertainty: float
    from_speckle: bool


def us_grid(series: Series) -> ImageGrid:
    """Pixels with their depth and lateral place, from the place of the first pixel."""
    middle = [
        first + (n - 1) / 2 * step
        for first, n, step in zip(
            (series.origin_mm[1], series.origin_mm[0]), series.grid.shape, series.spacing_mm, strict=True
        )
    ]
    return ImageGrid(shape=series.grid.shape, spacing_mm=series.spacing_mm, center_mm=(middle[0], middle[1]))


def us_envelopes(series: Series, others: list[Series], db_per_level: float | None) -> Envelopes:
    """The first image of every series as an envelope.

    Whole numbers from 0 to 255 are grey levels of a logarithmic scale, anything else is an envelope. Where
    ``db_per_level`` is not given, the scale follows from speckle, whose decibels scatter by 5.57 whatever its
    brightness: roughly here, and by :func:`scaled_by` once the phantom is found.
    """
    grid = us_grid(series)
    if min(grid.fov_mm) < _LEAST_MM:
        high, wide = grid.fov_mm
        raise ValueError(f"series must show at least {_LEAST_MM:g} mm each way, got {high:g} x {wide:g} mm")
    stack = np.stack([s.pixels[0].astype(np.float64) for s in (series, *others)])
    seen = _picture(stack[0], grid)
    grey = bool((stack == np.rint(stack)).all() and stack.min() >= 0 and stack.max() <= _BRIGHT)
    if not grey:
        if stack.min() < 0:
            raise ValueError(
                f"series must hold grey levels or an envelope, which is not negative, got {stack.min():g}"
            )
        if db_per_level is not None:
            raise ValueError(
                f"db_per_level must not be given: the series holds an envelope, got {db_per_level}"
            )
        return Envelopes(
            images=stack,
            grid=grid,
            seen=seen,
            db_per_level=None,
            relative_uncertainty=0.0,
            from_speckle=False,
        )
    if stack.max() == 0:
        raise ValueError("series must show something, got an image of zeros")
    told = db_per_level is not None
    if db_per_level is not None:
        step = positive("db_per_level", db_per_level)
    else:
        step = _from_speckle(stack[0], grid, seen)
    return Envelopes(
        images=10 ** (stack * step / 20),
        grid=grid,
        seen=seen,
        db_per_level=step,
        relative_uncertainty=0.0,
        from_speckle=not told,
    )


def cropped(envelopes: Envelopes) -> Envelopes:
    """The picture without the rest of the frame, of which shares of rows and columns are taken."""
    box = []
    for axis in (1, 0):
        at = np.flatnonzero(envelopes.seen.any(axis=axis))
        if at.size == 0:
            return envelopes
        box.append(slice(int(at[0]), int(at[-1]) + 1))
    rows, columns = box
    if (rows.stop - rows.start, columns.stop - columns.start) == envelopes.grid.shape:
        return envelopes
    y, x = (c[b] for c, b in zip(envelopes.grid.coordinates_mm, box, strict=True))
    grid = ImageGrid(
        shape=(y.size, x.size),
        spacing_mm=envelopes.grid.spacing_mm,
        center_mm=(float(y[0] + y[-1]) / 2, float(x[0] + x[-1]) / 2),
    )
    return replace(
        envelopes, images=envelopes.images[:, rows, columns], grid=grid, seen=envelopes.seen[rows, columns]
    )


def _picture(image: Floats, grid: ImageGrid) -> Bools:
    """Pixels that belong to the picture: the filled hull of what is not black.

    Writing, scales and wedges around it that lie so close that the hull takes them in are cut off above and
    beside the largest piece that is lit throughout.
    """
    lit = image > 0
    hull = _largest(ndimage.binary_closing(np.pad(lit, 8), iterations=5)[8:-8, 8:-8])
    core = _largest(ndimage.uniform_filter(lit.astype(np.float64), _LIT_BOX, mode="nearest") > _LIT)
    if core.sum() > _LEAST_CORE * hull.sum():
        rows, columns = (np.flatnonzero(core.any(axis=axis)) for axis in (1, 0))
        margin = _LIT_BOX // 3
        hull[: max(rows[0] - margin, 0)] = False
        hull[:, : max(columns[0] - margin, 0)] = False
        hull[:, columns[-1] + margin + 1 :] = False
    reach = [max(round(_INSIDE_MM / step), 1) for step in grid.spacing_mm]
    box = np.ones((2 * reach[0] + 1, 2 * reach[1] + 1), dtype=bool)
    return np.asarray(ndimage.binary_erosion(hull, box, border_value=1))


def _largest(pieces: Bools) -> Bools:
    """The largest piece, its holes filled."""
    filled = ndimage.binary_fill_holes(pieces)
    labels, n = ndimage.label(filled)
    if n > 1:
        sizes = ndimage.sum_labels(filled, labels, np.arange(1, n + 1))
        filled = labels == 1 + int(np.argmax(sizes))
    return np.asarray(filled)


def _from_speckle(image: Floats, grid: ImageGrid, seen: Bools) -> float:
    """Decibels of a grey level, within some per cent, from the median scatter of tiles."""
    sides = [max(round(_TILE_MM / step), 4) for step in grid.spacing_mm]
    counts = [n // side for n, side in zip(image.shape, sides, strict=True)]
    cut = tuple(slice(0, n * side) for n, side in zip(counts, sides, strict=True))

    def tiles(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        split = values[cut].reshape(counts[0], sides[0], counts[1], sides[1])
        return split.transpose(0, 2, 1, 3).reshape(counts[0] * counts[1], -1)

    inside, values = tiles(seen).all(axis=1), tiles(image)
    plain = inside & (values.min(axis=1) > 0) & (values.max(axis=1) < _BRIGHT)
    if plain.sum() < _FEWEST_TILES:
        raise ValueError(
            f"db_per_level must be given: only {plain.sum()} pieces of {_TILE_MM:g} mm show speckle that is "
            "neither black nor white"
        )
    # targets and wires widen the scatter of the tiles they touch, so the middle tells
    square = float(np.median(values[plain].astype(np.float64).var(axis=1, ddof=1)))
    if square <= 0:
        raise ValueError("series must show speckle, got pieces of one grey level")
    return SPECKLE_DB / math.sqrt(square)


def scaled_by(envelopes: Envelopes, plain: Bools) -> Envelopes:
    """The scale from all plain tissue, now that it is known where that is.

    Slow changes with depth are taken off. Pieces with black or white pixels are left out.
    """
    rest, weights = _plain_levels(envelopes, plain)
    if weights.sum() * math.prod(envelopes.grid.spacing_mm) < _LEAST_MM2:
        raise ValueError("db_per_level must be given: too little speckle is neither black nor white")
    mean, square = moments(rest, weights)
    spread = spread_of((rest - mean) ** 2 / square, weights).uncertainty
    step = SPECKLE_DB / math.sqrt(square)
    return replace(
        envelopes,
        images=10 ** (np.rint(_levels(envelopes)) * step / 20),
        db_per_level=step,
        relative_uncertainty=0.5 * spread,
    )


def _levels(envelopes: Envelopes) -> Floats:
    assert envelopes.db_per_level is not None
    return np.asarray(20 * np.log10(envelopes.images) / envelopes.db_per_level)


def _plain_levels(envelopes: Envelopes, plain: Bools) -> tuple[Floats, Floats]:
    """Grey levels of plain tissue without their slow changes with depth, and where they are."""
    levels = np.rint(_levels(envelopes)[0])
    cut = ndimage.uniform_filter((levels <= 0) | (levels >= _BRIGHT), 15, output=np.float64)
    used = plain & (cut < _MOST_CUT)
    weights = used.astype(np.float64)
    reach = max(round(_TREND_MM / envelopes.grid.spacing_mm[0]), 3)
    sums = [ndimage.uniform_filter1d(v.sum(axis=1), reach) for v in (levels * used, weights)]
    return np.where(used, levels - (sums[0] / np.maximum(sums[1], 1e-9))[:, None], 0.0), weights


def fault_of_scale(envelopes: Envelopes, plain: Bools) -> str:
    r"""What says that grey levels are no straight line of decibels, or nothing.

    The decibels of the mean power of M looks at speckle scatter by :math:`\frac{10}{\ln 10} \sqrt{\psi'(M)}`
    with a skewness of :math:`\psi''(M) / \psi'(M)^{3/2}`: 5.57 dB and -1.14 for one look, less of both where
    frames or angles are averaged. A grey curve, a wrong number of decibels a level or a filter against
    speckle leave this line.
    """
    if envelopes.db_per_level is None:
        return ""
    rest, weights = _plain_levels(envelopes, plain)
    if weights.sum() * math.prod(envelopes.grid.spacing_mm) < _LEAST_MM2:
        return ""
    mean, square = moments(rest, weights)
    off = (rest - mean) / math.sqrt(square)
    skewness = float(np.vdot(weights, off**3) / weights.sum())
    influence = off**3 - 3 * off - skewness - 1.5 * skewness * (off**2 - 1)
    spread = spread_of(influence, weights).uncertainty
    scatter = math.sqrt(square) * envelopes.db_per_level
    looks = np.geomspace(0.2, 50, 400)
    of_looks = 10 / math.log(10) * np.sqrt(special.polygamma(1, looks))
    skewnesses = special.polygamma(2, looks) / special.polygamma(1, looks) ** 1.5
    expected = float(np.interp(-scatter, -of_looks, skewnesses))
    if abs(skewness - expected) < _SKEWED + 2 * spread:
        return ""
    return (
        f"the grey levels are no straight line of decibels of {envelopes.db_per_level:.3f} each: speckle "
        f"scatters by {scatter:.1f} dB with a skewness of {skewness:.2f}, which should be {expected:.2f} "
        "(another grey curve, dynamic range or filter, or a picture whose pixels lie closer than its beams)"
    )
