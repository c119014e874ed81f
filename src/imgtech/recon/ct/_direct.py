"""Direct back-projection of parallel beams: filter, evaluate at fine samples, add pixel by pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from imgtech._core.jit import thread_count
from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.recon.ct._kernels_parallel import add_rows, columns_seen, join, resample
from imgtech.recon.ct._rows import view_blocks

FloatArray = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]
OVERSAMPLING = 4


def smear(
    stack: FloatArray,
    beam: ParallelBeam,
    grid: ImageGrid,
    weights: Floats,
    response: Floats | None,
    seen: npt.NDArray[np.int64],
) -> FloatArray:
    """Add the views of every slice to its image, filtered if asked to, and clear columns that are not seen.

    ``response`` is that of the ramp under its window, at the frequencies of a zero-padded real FFT.
    """
    images = np.zeros((len(stack), *grid.shape), stack.dtype)
    density = 1 if response is None else OVERSAMPLING
    spacing_mm = beam.channel_spacing_mm / density
    margin_mm = beam.channels_mm[0] - beam.channel_spacing_mm  # dense sample 0 is one channel outside
    low, high = 0.5 * density, (beam.n_channels + 0.5) * density
    blocks = list(view_blocks(beam, grid, stack.dtype))
    largest = max(blocks, key=lambda block: len(block.views))
    room = largest.fine_samples(stack.dtype)
    densely = None if response is None else DenseFilter(response, len(largest.views), stack.dtype)
    for projections, image in zip(stack, images, strict=True):
        lying = np.zeros(grid.shape[::-1], stack.dtype)
        for block in blocks:
            views = projections[block.views]
            dense = _edges_repeated(views) if densely is None else densely(views)
            fine = room[: len(views)]
            start, step = block.on_detector(margin_mm, spacing_mm)
            resample.sized(fine.size)(dense, start, step, weights[block.views], low, high, fine)
            add_rows.sized(fine.size * len(image))(
                fine, block.start, block.slope, block.n_by_rows, image, lying
            )
        join.sized(image.size * beam.n_views)(lying, seen, image)  # the threads of the views are awake
    return images


class DenseFilter:
    """Filters projections and evaluates them at ``OVERSAMPLING`` times the channel density, in one pass.

    The padded FFT that filters is transformed back at a longer length. Linear interpolation of the result
    would multiply the spectrum by ``sinc^2``; the filter divides by it beforehand.
    """

    def __init__(self, response: Floats, n_views: int, dtype: np.dtype[Any]) -> None:
        response = response * OVERSAMPLING
        response /= np.sinc(np.linspace(0.0, 0.5, len(response)) / OVERSAMPLING) ** 2
        response[-1] /= 2  # the Nyquist sample stands for both of its signs once the spectrum is longer
        self.response = response.astype(dtype)
        self.n_fft = 2 * (len(response) - 1)
        n_long = OVERSAMPLING * self.n_fft // 2 + 1
        self.spectrum = np.zeros((n_views, n_long), np.result_type(dtype, np.complex64))

    def __call__(self, projections: FloatArray) -> FloatArray:
        """Shape ``(view, channel)`` to ``(view, dense sample)``; sample 0 is one channel before the first."""
        n_views, n_channels = projections.shape
        padded = np.zeros((n_views, self.n_fft), projections.dtype)
        padded[:, 1 : n_channels + 1] = projections
        spectrum, workers = self.spectrum[:n_views], thread_count()
        np.multiply(
            scipy.fft.rfft(padded, axis=-1, workers=workers),
            self.response,
            out=spectrum[:, : len(self.response)],
        )
        return np.asarray(scipy.fft.irfft(spectrum, OVERSAMPLING * self.n_fft, axis=-1, workers=workers))


def _edges_repeated(projections: FloatArray) -> FloatArray:
    n = projections.shape[1]
    padded = np.empty((len(projections), n + 3), projections.dtype)
    padded[:, 1 : n + 1] = projections
    padded[:, 0] = projections[:, 0]
    padded[:, n + 1 :] = projections[:, -1:]
    return padded


def all_columns(grid: ImageGrid) -> npt.NDArray[np.int64]:
    """Every column of every row, in the form of :func:`columns_seen_by_all_views`."""
    return np.repeat(np.array([[0, grid.shape[1]]]), grid.shape[0], axis=0)


def columns_seen_by_all_views(beam: ParallelBeam, grid: ImageGrid) -> npt.NDArray[np.int64]:
    """First column of every row that all views see, and the one after the last."""
    y_mm, x_mm = grid.coordinates_mm
    half_mm = (1 + 1e-9) * beam.n_channels * beam.channel_spacing_mm / 2
    low_mm, high_mm = beam.detector_offset_mm - half_mm, beam.detector_offset_mm + half_mm
    ranges_mm = np.empty((len(y_mm), 2))
    columns_seen.sized(4 * len(y_mm) * beam.n_views)(
        y_mm, np.cos(beam.angles_rad), np.sin(beam.angles_rad), low_mm, high_mm, ranges_mm
    )
    first = np.searchsorted(x_mm, ranges_mm[:, 0], side="left")
    stop = np.searchsorted(x_mm, ranges_mm[:, 1], side="right")
    return np.stack([first, stop], axis=-1).astype(np.int64)
