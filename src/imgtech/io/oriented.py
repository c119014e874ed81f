"""Slices with a place of their own in the patient, as a series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import of_kind, positive, real_image
from imgtech.geometry import ImageGrid, SlicePlane
from imgtech.io.series import Series, SeriesTags

_PARALLEL = 1e-3  # largest difference of a direction cosine between slices of one stack


def series_from_planes(
    pixels: npt.ArrayLike,
    grid: ImageGrid,
    planes: Sequence[SlicePlane],
    *,
    modality: str = "MR",
    slice_thickness_mm: float | None = None,
    tags: SeriesTags | None = None,
) -> Series:
    """Put parallel slices into a series by their planes; they are sorted along the normal.

    Parameters
    ----------
    pixels : array_like
        Values ``(slice, y, x)``.
    grid : ImageGrid
        Pixels ``(y, x)``, whose origin is the centre of each plane.
    planes : sequence of SlicePlane
        One for each slice, in any order.
    modality : str, optional
        DICOM modality.
    slice_thickness_mm : float, optional
        Nominal thickness.
    tags : SeriesTags, optional
        Scanner and acquisition.

    Returns
    -------
    Series
        For :func:`write_series` and :func:`write_nifti`.

    Raises
    ------
    ValueError
        If the pixels do not fit the grid or the planes, planes are not parallel, one lies beside the line
        through the others along the normal, or two lie at one place.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, SlicePlane
    >>> from imgtech.io import series_from_planes
    >>> planes = [SlicePlane(center_mm=(0, y, 0), row=(1, 0, 0), column=(0, 0, -1)) for y in (8.0, 3.0)]
    >>> grid = ImageGrid.fft((4, 4), spacing_mm=(2.0, 1.0))
    >>> series = series_from_planes(np.stack([np.ones((4, 4)), np.zeros((4, 4))]), grid, planes)
    >>> series.positions_mm, series.pixels[:, 0, 0], series.origin_mm
    (array([3., 8.]), array([0., 1.], dtype=float32), (-2.0, 3.0, 4.0))
    """
    of_kind("grid", grid, ImageGrid)
    stack = real_image("pixels", pixels, 3, grid.shape)
    of_kind("planes", planes, Sequence)
    if slice_thickness_mm is not None:
        positive("slice_thickness_mm", slice_thickness_mm)
    if grid.ndim != 2 or len(planes) != len(stack):
        raise ValueError(
            f"planes must name each of {len(stack)} slices of a grid of 2 axes, got {len(planes)}"
        )
    first = planes[0]
    for plane in planes:
        of_kind("planes", plane, SlicePlane)
        turned = max(np.abs(plane.row - first.row).max(), np.abs(plane.column - first.column).max())
        if turned > _PARALLEL:
            raise ValueError(
                f"planes must be parallel, got rows {first.row.tolist()} and {plane.row.tolist()}"
            )
    centers = np.stack([plane.center_mm for plane in planes])
    heights = centers @ first.normal
    order = np.argsort(heights)
    if (np.diff(heights[order]) < _PARALLEL).any():
        raise ValueError(
            f"planes must lie at different places, got {np.round(heights[order], 4).tolist()} mm"
        )
    steps = centers - centers[0]
    beside = np.abs(steps - np.outer(heights - heights[0], first.normal)).max()
    if beside > 0.1 * min(grid.spacing_mm):
        raise ValueError(f"planes must lie behind one another, got one {beside:.4g} mm beside the others")
    lowest = planes[int(order[0])]
    y_mm, x_mm = grid.coordinates_mm
    corner = lowest.position_mm(float(y_mm[0]), float(x_mm[0]))
    return Series(
        pixels=stack[order],
        spacing_mm=(grid.spacing_mm[0], grid.spacing_mm[1]),
        positions_mm=heights[order],
        slice_thickness_mm=slice_thickness_mm,
        orientation=tuple(float(v) for v in (*first.row, *first.column)),
        origin_mm=(float(corner[0]), float(corner[1]), float(corner[2])),
        modality=modality,
        tags=tags or SeriesTags(),
    )
