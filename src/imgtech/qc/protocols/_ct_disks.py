"""What the means of small disks scatter by in a uniform CT image: the noise that a region really has."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ImageGrid
from imgtech.qc.roi import disk_region

Floats = npt.NDArray[np.float64]

_FEWEST = 14
_APART = 2.0


@dataclass(frozen=True, kw_only=True)
class DiskScatter:
    """Standard deviation of the means of disks, its degrees of freedom, and that of single pixels."""

    deviation_hu: float
    degrees_of_freedom: float
    pixel_hu: float


def disk_scatter(
    image: Floats, grid: ImageGrid, center_mm: tuple[float, float], field_mm: float, radius_mm: float
) -> DiskScatter:
    """Means of disks side by side in a round field, about a smooth surface of second order.

    Raises
    ------
    ValueError
        If fewer than fourteen disks fit.
    """
    return pooled_scatter([image], grid, [center_mm], field_mm, radius_mm)


def pooled_scatter(
    images: list[Floats],
    grid: ImageGrid,
    centers_mm: list[tuple[float, float]],
    field_mm: float,
    radius_mm: float,
) -> DiskScatter:
    """The same from several images, each about its own surface."""
    squares = freedom = noise = 0.0
    for image, center in zip(images, centers_mm, strict=True):
        means, inner, y, x = _disk_means(image, grid, center, field_mm, radius_mm)
        if len(means) < _FEWEST:
            raise ValueError(
                f"only {len(means)} disks of {2 * radius_mm:g} mm fit the uniform field in the image, "
                f"needed {_FEWEST}"
            )
        a, b = (y - center[0]) / field_mm, (x - center[1]) / field_mm
        basis = np.stack([np.ones_like(a), a, b, a * a, a * b, b * b], axis=1)
        left = means - basis @ np.linalg.lstsq(basis, means, rcond=None)[0]
        squares += float(left @ left)
        freedom += len(means) - basis.shape[1]
        noise += inner
    return DiskScatter(
        deviation_hu=math.sqrt(squares / freedom),
        degrees_of_freedom=freedom,
        pixel_hu=math.sqrt(noise / len(images)),
    )


def _disk_means(
    image: Floats, grid: ImageGrid, center: tuple[float, float], field: float, radius: float
) -> tuple[Floats, float, Floats, Floats]:
    """Mean and mean variance within disks on a hexagonal lattice of pixels, and their centres."""
    dy, dx = grid.spacing_mm
    tall, wide = math.ceil(radius / dy), math.ceil(radius / dx)
    small = ImageGrid(shape=(2 * tall + 1, 2 * wide + 1), spacing_mm=(dy, dx))
    share = disk_region(small, center_mm=(0.0, 0.0), radius_mm=radius).ravel()
    row, column = (k.ravel() for k in np.mgrid[-tall : tall + 1, -wide : wide + 1])
    row, column, share = row[share > 0], column[share > 0], share[share > 0] / share.sum()
    step = max(_APART * radius, 2 * max(grid.spacing_mm))
    n = math.ceil(1.2 * field / step)
    i, j = (k.ravel() for k in np.mgrid[-n : n + 1, -n : n + 1])
    at_y, at_x = i * step * math.sqrt(0.75), (j + 0.5 * (i % 2)) * step
    y, x = grid.coordinates_mm
    down = np.rint((center[0] + at_y - y[0]) / dy).astype(int)
    across = np.rint((center[1] + at_x - x[0]) / dx).astype(int)
    kept = np.hypot(at_y, at_x) <= field - radius
    kept &= (down >= tall) & (down < len(y) - tall) & (across >= wide) & (across < len(x) - wide)
    down, across = down[kept], across[kept]
    values = image[down[:, None] + row, across[:, None] + column]
    means = values @ share
    loss = float(share @ share)
    spread = float(((values - means[:, None]) ** 2 @ share).mean()) / (1 - loss) if len(values) else 0.0
    return means, spread, y[down], x[across]
