"""The Fourier method of parallel beams: the spectra of all views on one fine grid, then one transform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from imgtech._core.jit import thread_count
from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.recon.ct._kernels_polar import PAD, STRIP, TAPS, fold, spread_rays
from imgtech.recon.gridding.window import correction, kaiser_bessel

FloatArray = npt.NDArray[np.floating[Any]]
ComplexArray = npt.NDArray[np.complexfloating[Any, Any]]
Floats = npt.NDArray[np.float64]
OVERSAMPLING = 1.5
_TABLE = 512  # places between two bins; weights between them are interpolated, to 1e-6
_GOLDEN = (np.sqrt(5.0) - 1) / 2


def by_fourier(
    stack: FloatArray,
    beam: ParallelBeam,
    grid: ImageGrid,
    weights: Floats,
    response: Floats,
    seen: npt.NDArray[np.int64],
) -> FloatArray:
    """Add the filtered views of every slice to its image, and clear columns that are not seen.

    ``response`` is that of the ramp under its window, at the frequencies of a zero-padded real FFT.
    """
    n_fft = 2 * (len(response) - 1)
    rays = Rays.of(beam, grid, n_fft, weights)
    both_signs = np.full(len(response), 2.0 / n_fft)
    both_signs[[0, -1]] = 1.0 / n_fft
    kept = int(np.flatnonzero(response)[-1]) + 1
    factors = (response * both_signs)[:kept].astype(stack.dtype)
    images = np.empty((len(stack), *grid.shape), stack.dtype)
    for projections, image in zip(stack, images, strict=True):
        spectra = scipy.fft.rfft(projections, n_fft, axis=-1, workers=thread_count())
        half = rays.half_spectrum(spectra, factors)
        del spectra
        image[:] = _to_image(half, rays.fine_shape, grid)
        for row, (first, stop) in zip(image, seen, strict=True):
            row[:first] = row[stop:] = 0
    return images


@dataclass(frozen=True, eq=False)
class Rays:
    """Where the samples of the spectrum of every view lie on the fine grid."""

    along: Floats
    down: Floats
    turn: Floats
    sign: Floats
    weights: Floats
    fine_shape: tuple[int, int]

    @classmethod
    def of(cls, beam: ParallelBeam, grid: ImageGrid, n_fft: int, weights: Floats) -> Rays:
        """Views whose samples would run upwards are conjugated and run downwards."""
        y_mm, x_mm = (axis[len(axis) // 2] for axis in grid.coordinates_mm)  # pixel 0 of the transform
        d_y, d_x = grid.spacing_mm
        n_y, n_x = _fine_size(grid.shape[0]), _fine_size(grid.shape[1])
        cos, sin = np.cos(beam.angles_rad), np.sin(beam.angles_rad)
        sign = np.where(sin < 0, -1.0, 1.0)
        step_per_mm = 1.0 / (n_fft * beam.channel_spacing_mm)
        return cls(
            along=sign * cos * step_per_mm * d_x * n_x,
            down=np.abs(sin) * step_per_mm * d_y * n_y,
            turn=sign * step_per_mm * (x_mm * cos + y_mm * sin - beam.channels_mm[0]),
            sign=sign,
            weights=weights,
            fine_shape=(n_y, n_x),
        )

    def half_spectrum(self, spectra: ComplexArray, factors: FloatArray) -> ComplexArray:
        """Spread all views and fold what lies beyond the period: rows 0 to at most half of the fine grid."""
        n_y, n_x = self.fine_shape
        n_rows = int(np.ceil(self.down.max() * (len(factors) - 1))) + TAPS + 1
        n_pairs = -(-n_rows // (2 * STRIP))
        order = np.argsort(np.mod(np.arange(n_pairs) * _GOLDEN, 1.0))
        upright = np.empty((n_rows, 2 * (n_x + PAD)), factors.dtype)
        spread_rays.sized(spectra.size * TAPS)(
            spectra.view(factors.dtype),
            factors,
            self.weights,
            self.along,
            self.down,
            self.turn,
            self.sign,
            weight_table(factors.dtype),
            order,
            upright,
        )
        half = np.empty((min(n_rows, n_y // 2 + 1), 2 * n_x), factors.dtype)
        fold.sized(half.size)(upright, n_y, half)
        return np.asarray(half.view(spectra.dtype))


def weight_table(dtype: np.dtype[Any]) -> FloatArray:
    """Weights of all taps of a sample, at ``_TABLE`` places between two bins and one beyond."""
    part = np.arange(_TABLE + 2)[:, None] / _TABLE
    table = np.zeros((_TABLE + 2, PAD), dtype)
    table[:, :TAPS] = kaiser_bessel(part - TAPS / 2 + np.arange(TAPS), TAPS, OVERSAMPLING)
    return table


def _to_image(half: ComplexArray, fine_shape: tuple[int, int], grid: ImageGrid) -> FloatArray:
    """Transform half a spectrum, keep the pixels of the grid and undo the window."""
    (n_y, n_x), (down, right) = fine_shape, (grid.shape[0] // 2, grid.shape[1] // 2)
    dtype = half.real.dtype
    rows = scipy.fft.ifft(half, axis=1, norm="forward", overwrite_x=True, workers=thread_count())
    columns = np.concatenate([rows[:, n_x - right :], rows[:, : grid.shape[1] - right]], axis=1)
    del rows, half
    columns *= correction(grid.shape[1], n_x, TAPS, OVERSAMPLING).astype(dtype)
    whole = scipy.fft.irfft(columns, n_y, axis=0, norm="forward", workers=thread_count())
    image = np.concatenate([whole[n_y - down :], whole[: grid.shape[0] - down]])
    image *= correction(grid.shape[0], n_y, TAPS, OVERSAMPLING)[:, None].astype(dtype)
    return image


def _fine_size(n: int) -> int:
    """An even size that an FFT likes, at least ``OVERSAMPLING`` times ``n`` and room for the taps."""
    return 2 * int(scipy.fft.next_fast_len(int(np.ceil(max(OVERSAMPLING * n, 2 * TAPS) / 2))))
