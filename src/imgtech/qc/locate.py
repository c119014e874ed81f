"""Find a round phantom in a slice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech._core.validate import each, positive, real_image
from imgtech.geometry import ImageGrid
from imgtech.qc.metrics.rim import Rim, disk_rim

__all__ = ["find_disk"]

Floats = npt.NDArray[np.float64]

_LEVELS = (0.15, 0.3, 0.5)
_CLEAR = 0.9
_LEAST_PX = 16
_FEWEST_OUTLINE = 24


def find_disk(
    image: npt.ArrayLike, grid: ImageGrid, *, radius_mm: tuple[float, float], magnitude: bool = False
) -> Rim:
    """Find the one big bright disk of an image.

    The image is cut at 15, 30 and 50 % of its bright level; the outline of the largest piece gives a
    circle that most of its points agree on, and :func:`~imgtech.qc.metrics.disk_rim` finds the
    edge itself. The first cut with nine sound edge points in ten is taken, or the
    one with the most.

    Parameters
    ----------
    image : array_like
        Shape ``grid.shape``, finite.
    grid : ImageGrid
        The pixels, 2-D.
    radius_mm : tuple of float
        Smallest and largest radius that is accepted.
    magnitude : bool, optional
        Whether the pixels are magnitudes of complex values, of which nothing but noise lies outside.

    Returns
    -------
    Rim
        Centre, radius and edge points.

    Raises
    ------
    ValueError
        If there is no disk, or its radius is outside the range.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.locate import find_disk
    >>> from imgtech.qc.roi import disk_region
    >>> grid = ImageGrid(shape=(90, 100), spacing_mm=(1.1, 0.9))
    >>> image = disk_region(grid, center_mm=(4.0, -6.0), radius_mm=30.0)
    >>> rim = find_disk(image, grid, radius_mm=(25.0, 35.0))
    >>> [round(c, 1) for c in rim.center_mm]
    [4.0, -6.0]
    """
    pixels = real_image("image", image, 2, grid.shape).astype(np.float64)
    smallest, largest = each("radius_mm", radius_mm, 2, positive)
    if min(pixels.shape) < _LEAST_PX:
        rows, columns = pixels.shape
        raise ValueError(f"image must be at least {_LEAST_PX} x {_LEAST_PX} pixels, got {rows} x {columns}")
    smooth = ndimage.gaussian_filter(pixels, 1.0)
    floor, bright = np.percentile(smooth, [5, 95])
    best: Rim | None = None
    seen = []
    for level in _LEVELS:
        guess = outline_circle(smooth > floor + level * (bright - floor), *grid.coordinates_mm)
        if guess is None:
            continue
        seen.append(guess[1])
        if not 0.8 * smallest <= guess[1] <= 1.2 * largest:
            continue
        try:
            rim = disk_rim(pixels, grid, center_mm=guess[0], radius_mm=guess[1], magnitude=magnitude)
        except ValueError:
            continue
        if best is None or rim.sound.sum() > best.sound.sum():
            best = rim
        if best.sound.mean() > _CLEAR:
            break
    if best is None:
        sizes = ", ".join(f"{2 * r:.0f}" for r in seen) or "none"
        raise ValueError(
            f"no disk of {2 * smallest:.0f} to {2 * largest:.0f} mm diameter; outlines found (mm): {sizes}"
        )
    if not smallest <= best.radius_mm <= largest:
        raise ValueError(
            f"the disk measures {2 * best.radius_mm:.1f} mm across, "
            f"not {2 * smallest:.0f} to {2 * largest:.0f} mm"
        )
    return best


def outline_circle(
    mask: npt.NDArray[np.bool_], rows_mm: Floats, columns_mm: Floats
) -> tuple[tuple[float, float], float] | None:
    """Circle that most points of the outline of the largest piece agree on.

    Where the piece leaves the image, the edge of the image is no outline.
    """
    labels, n = ndimage.label(mask)
    if n == 0:
        return None
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    piece = ndimage.binary_fill_holes(labels == int(np.argmax(sizes)))
    rows, columns = np.nonzero(piece & ~ndimage.binary_erosion(piece))
    own = (rows > 0) & (rows < len(rows_mm) - 1) & (columns > 0) & (columns < len(columns_mm) - 1)
    if own.sum() >= _FEWEST_OUTLINE:
        rows, columns = rows[own], columns[own]
    y, x = rows_mm[rows], columns_mm[columns]
    order = np.argsort(np.arctan2(y - y.mean(), x - x.mean()))
    y, x = y[order], x[order]
    third = len(y) // 3
    step = max(abs(float(c[1] - c[0])) for c in (rows_mm, columns_mm))
    if third < 4:
        return None
    i = np.arange(0, third, max(1, third // 60))
    corners = [np.stack([y[i + k * third], x[i + k * third]]) for k in range(3)]
    cy, cx, radius = _circumcircles(*corners)
    agree = np.abs(np.hypot(y - cy[:, None], x - cx[:, None]) - radius[:, None]) < 2 * step
    best = int(np.argmax(agree.sum(axis=1)))
    return (float(cy[best]), float(cx[best])), float(radius[best])


def _circumcircles(a: Floats, b: Floats, c: Floats) -> tuple[Floats, Floats, Floats]:
    (ay, ax), (by, bx), (cy, cx) = a, b - a, c - a
    double = 2 * (bx * cy - by * cx)
    double = np.where(np.abs(double) < 1e-9, 1e-9, double)
    b2, c2 = bx**2 + by**2, cx**2 + cy**2
    ux, uy = (cy * b2 - by * c2) / double, (bx * c2 - cx * b2) / double
    return ay + uy, ax + ux, np.hypot(ux, uy)
