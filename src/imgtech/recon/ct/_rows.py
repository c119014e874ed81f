"""Where the pixel rows of a grid meet the detector: the arithmetic in front of the kernels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.recon.ct._kernels_parallel import PHASES, VIEWS_PER_PASS

FloatArray = npt.NDArray[np.floating[Any]]
_BLOCK_BYTES = 12 * 2**20  # fine samples of one block: few kernel launches, little memory


@dataclass(frozen=True)
class RowViews:
    """Views whose fine samples serve one orientation of the image, a block of them.

    Pixel ``column`` of pixel row ``row`` lies nearest to fine sample
    ``floor(start + slope * row + 1/2) + PHASES * column``; fine sample k lies on the detector at
    ``first_mm + k * step_mm``. ``transposed`` says that the rows are the columns of the image.
    """

    transposed: bool
    views: npt.NDArray[np.intp]
    start: npt.NDArray[np.float64]
    slope: npt.NDArray[np.float64]
    first_mm: npt.NDArray[np.float64]
    step_mm: npt.NDArray[np.float64]
    n_samples: int

    def fine_samples(self, dtype: np.dtype[Any]) -> FloatArray:
        """Room for the fine samples; views that fill up the last pass hold zeros."""
        fine = np.empty((len(self.start), PHASES, self.n_samples), dtype)
        fine[len(self.views) :] = 0
        return fine


def row_views(beam: ParallelBeam, grid: ImageGrid, dtype: np.dtype[Any]) -> Iterator[RowViews]:
    """Split the views by the axis along which the detector position changes fastest from pixel to pixel.

    Rows of the image serve views with ``|dx cos| >= |dy sin|``, columns serve the others; a row then
    moves by at most one pixel step against its neighbour. Blocks bound the memory of the fine samples.
    """
    assert grid.center_mm is not None
    y_mm, x_mm = (axis[0] for axis in grid.coordinates_mm)
    (n_y, n_x), (d_y, d_x) = grid.shape, grid.spacing_mm
    cos, sin = np.cos(beam.angles_rad), np.sin(beam.angles_rad)
    by_rows = np.abs(cos) * d_x >= np.abs(sin) * d_y
    for transposed in (False, True):
        views = np.flatnonzero(by_rows != transposed)
        along, across = (sin * d_y, cos * d_x) if transposed else (cos * d_x, sin * d_y)
        n_along, n_across = (n_y, n_x) if transposed else (n_x, n_y)
        n_samples = n_along + n_across + 2
        size = max(1, _BLOCK_BYTES // (PHASES * n_samples * dtype.itemsize * VIEWS_PER_PASS)) * VIEWS_PER_PASS
        for begin in range(0, len(views), size):
            block = views[begin : begin + size]
            padding = (0, -len(block) % VIEWS_PER_PASS)
            step_mm = along[block] / PHASES
            slope = across[block] / step_mm
            start = np.maximum(0.0, -slope * (n_across - 1))
            first_mm = x_mm * cos[block] + y_mm * sin[block] - start * step_mm
            yield RowViews(
                transposed,
                block,
                np.pad(start, padding),
                np.pad(slope, padding),
                first_mm,
                step_mm,
                n_samples,
            )
