"""Where the pixel rows of a grid meet the detector: the arithmetic in front of the kernels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.recon.ct._kernels_parallel import PHASES

_BLOCK_BYTES = 12 * 2**20  # fine samples of one block
_LINE_BYTES = 64


@dataclass(frozen=True)
class ViewBlock:
    """Some views, those served by the rows of the image in front of those served by its columns.

    Entry v of every array describes view ``views[v]``. Pixel i of row (or column) ``row`` lies nearest to
    fine sample ``floor(start + slope * row + 1/2) + PHASES * i``, and fine sample k lies on the detector
    at ``first_mm + k * step_mm``.
    """

    views: npt.NDArray[np.intp]
    n_by_rows: int
    start: npt.NDArray[np.float64]
    slope: npt.NDArray[np.float64]
    first_mm: npt.NDArray[np.float64]
    step_mm: npt.NDArray[np.float64]
    n_samples: int

    def fine_samples(self, dtype: np.dtype[Any]) -> npt.NDArray[np.floating[Any]]:
        """Room for the fine samples of all views of the block."""
        return np.empty((len(self.views), PHASES, self.n_samples), dtype)

    def on_detector(
        self, origin_mm: float, spacing_mm: float
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Where fine sample 0 lies and how far the next one is, in detector samples."""
        return (self.first_mm - origin_mm) / spacing_mm, self.step_mm / spacing_mm


def view_blocks(beam: ParallelBeam, grid: ImageGrid, dtype: np.dtype[Any]) -> Iterator[ViewBlock]:
    """Split the views by the axis along which the detector position changes fastest from pixel to pixel.

    Rows of the image serve views with ``|dx cos| >= |dy sin|``, columns serve the others; a row then
    moves by at most one pixel step against its neighbour. Blocks bound the memory of the fine samples.
    """
    (n_y, n_x), (d_y, d_x) = grid.shape, grid.spacing_mm
    y_mm, x_mm = (axis[0] for axis in grid.coordinates_mm)
    n_samples = _spread_over_cache(n_y + n_x + 2, dtype.itemsize)
    size = max(1, _BLOCK_BYTES // (PHASES * n_samples * dtype.itemsize))
    cos, sin = np.cos(beam.angles_rad), np.sin(beam.angles_rad)
    along_x, along_y = cos * d_x, sin * d_y
    by_rows = np.abs(along_x) >= np.abs(along_y)
    for begin in range(0, beam.n_views, size):
        chosen = np.zeros(beam.n_views, dtype=bool)
        chosen[begin : begin + size] = True
        views = np.concatenate([np.flatnonzero(chosen & by_rows), np.flatnonzero(chosen & ~by_rows)])
        is_row = by_rows[views]
        step_mm = np.where(is_row, along_x[views], along_y[views]) / PHASES
        slope = np.where(is_row, along_y[views], along_x[views]) / step_mm
        start = np.maximum(0.0, -slope * (np.where(is_row, n_y, n_x) - 1))
        first_mm = x_mm * cos[views] + y_mm * sin[views] - start * step_mm
        yield ViewBlock(views, int(is_row.sum()), start, slope, first_mm, step_mm, n_samples)


def _spread_over_cache(n_samples: int, itemsize: int) -> int:
    """At least ``n_samples``, an odd number of cache lines: phases do not compete for the same sets."""
    per_line = _LINE_BYTES // itemsize
    lines = -(-n_samples // per_line)
    return (lines | 1) * per_line
