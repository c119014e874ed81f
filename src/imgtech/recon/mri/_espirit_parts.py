"""Steps that one and several sets of ESPIRiT maps share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh, lapack

from imgtech._core.validate import ComplexArray, FloatArray, complex_image, count, positive
from imgtech.recon.mri._windows import lines_of, window_products

Threshold = float | Literal["noise"]
COARSE = 3
"""Pixels between two nodes of the grid that the maps are computed on."""
NODES_PER_SAMPLE = 8
"""Least number of nodes for each sample of the kernel."""
KEPT_ENERGY = 0.995
"""Part of the calibration image's energy that the automatic crop keeps."""
LEAST_THRESHOLD = 0.001
"""Lowest threshold that is found from noise: data without any noise are not of low rank either."""
_ASKEW = 1e-9  # of vectors that are not good


def checked_calibration(
    calibration: npt.ArrayLike,
    shape: Sequence[int],
    kernel_size: int,
    threshold: Threshold,
    crop: float | None,
) -> tuple[ComplexArray, tuple[int, int], int]:
    """The calibration with largest magnitude 1, the sizes of the raster and of the kernel."""
    array = complex_image("calibration", calibration, 3)
    n_coils, *acs = array.shape
    sizes = raster_sizes(shape, acs)
    width = count("kernel_size", kernel_size, 2)
    if min(acs) < width:
        raise ValueError(f"calibration must hold windows of {width} samples, got shape {array.shape}")
    if n_coils < 2:
        raise ValueError(f"calibration must have at least 2 coils, got {n_coils}")
    if isinstance(threshold, str):
        if threshold != "noise":
            raise ValueError(f"threshold must be a number or 'noise', got {threshold!r}")
    elif not 0 < positive("threshold", threshold) < 1:
        raise ValueError(f"threshold must be below 1, got {threshold!r}")
    if crop is not None and not 0 <= crop <= 1:
        raise ValueError(f"crop must lie between 0 and 1, got {crop!r}")
    peak = np.abs(array).max()
    if peak == 0:
        raise ValueError("calibration must not be all zero")
    return array / peak, sizes, width


def raster_sizes(shape: Sequence[int], acs: Sequence[int]) -> tuple[int, int]:
    """The checked size of the full raster."""
    sizes = tuple(count("shape", n) for n in shape)
    if len(sizes) != 2 or any(n < m for n, m in zip(sizes, acs, strict=True)):
        raise ValueError(f"shape must be two sizes of at least the calibration's {tuple(acs)}, got {sizes}")
    return sizes[0], sizes[1]


def lag_matrices(calibration: ComplexArray, width: int, threshold: Threshold) -> npt.NDArray[np.complex128]:
    """The projection on the subspace of windows, summed over equal lags: (lag y, lag x, coil, coil)."""
    n_coils = len(calibration)
    gram = window_gram(calibration, width)
    part = noise_threshold(gram, calibration.shape, width) if isinstance(threshold, str) else threshold
    signal = _signal_space(gram, part**2)
    parts = (signal @ signal.conj().T).reshape(n_coils, width, width, n_coils, width, width)
    lags = np.zeros((2 * width - 1, 2 * width - 1, n_coils, n_coils), dtype=np.complex128)
    for y in range(width):
        for x in range(width):
            # lag = own sample minus the other sample: the other one runs backwards
            lags[y : y + width, x : x + width] += parts[:, y, x, :, ::-1, ::-1].transpose(2, 3, 0, 1)
    return lags / width**2


def noise_threshold(gram: npt.NDArray[np.complex128], shape: tuple[int, ...], width: int) -> float:
    """The largest singular value of the windows' noise, as part of the largest one of the data.

    The size of the noise is that which gives the data's lowest singular values; the spectrum of white noise
    in overlapping windows is that of an example, always the same one.
    """
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(2, *shape))
    data, white = (np.linalg.eigvalsh(m) for m in (gram, window_gram(noise[0] + 1j * noise[1], width)))
    empty = max(0, len(gram) - (shape[1] - width + 1) * (shape[2] - width + 1))
    lowest = slice(empty, empty + max(1, (len(gram) - empty) // 4))
    variance = max(float(np.median(data[lowest] / white[lowest])), 0.0)
    part = float(np.sqrt(variance * white[-1] / data[-1]))
    if part >= 1:
        raise ValueError("calibration must hold signal that stands out of its noise for threshold 'noise'")
    return max(part, LEAST_THRESHOLD)


def window_gram(calibration: ComplexArray, width: int) -> npt.NDArray[np.complex128]:
    """Products of all windows, summed: (coil and sample, coil and sample)."""
    n_y, n_x = (n - width + 1 for n in calibration.shape[1:])
    lines = lines_of(calibration.astype(np.complex128), width, 1, n_y)
    return np.asarray(window_products(lines, width, 1, n_x).conj())


def _signal_space(gram: npt.NDArray[np.complex128], part: float) -> npt.NDArray[np.complex128]:
    """Unit eigenvectors, as columns, of the eigenvalues above a part of the largest one.

    All eigenvalues and the wanted vectors of the tridiagonal form take less time than LAPACK's drivers for an
    interval, which find the eigenvalues one by one. Vectors that are not what they should be are not used.
    """
    n = len(gram)
    reduced, diagonal, beside, factors, _ = lapack.zhetrd(
        gram, lower=1, lwork=int(lapack.zhetrd_lwork(n, lower=1)[0].real)
    )
    values, _ = lapack.dsterf(diagonal, beside)
    wanted = values[values > part * values[-1]]
    one_block, its_end = np.ones(n, np.int32), np.zeros(n, np.int32)
    its_end[0] = n
    vectors, _ = lapack.dstein(diagonal, beside, wanted, one_block, its_end)
    images = diagonal[:, None] * vectors
    images[1:] += beside[:, None] * vectors[:-1]
    images[:-1] += beside[:, None] * vectors[1:]
    wrong = np.abs(images - wanted * vectors).max() / values[-1]
    askew = np.abs(vectors.T @ vectors - np.eye(len(wanted))).max()
    if not max(wrong, askew) < _ASKEW:
        return np.asarray(
            eigh(gram, subset_by_value=(part * values[-1], np.inf), driver="evr", check_finite=False)[1]
        )
    found = np.asfortranarray(vectors, np.complex128)
    found[1:], _, _ = lapack.zunmqr("L", "N", reduced[1:, :-1], factors, found[1:], 64 * len(wanted))
    return np.asarray(found)


def grid_nodes(n: int, width: int) -> npt.NDArray[np.float64]:
    """Pixel positions of the coarse grid, first and last pixel included."""
    return np.linspace(0, n - 1, min(n, max(-(-n // COARSE), NODES_PER_SAMPLE * width)))


def waves_at(
    n_samples: int, nodes: list[npt.NDArray[np.float64]], sizes: tuple[int, int]
) -> list[npt.NDArray[np.complex128]]:
    """Waves (node, sample) of each axis, from centred samples to the pixels at the nodes."""
    sample = np.arange(n_samples) - n_samples // 2
    return [
        np.exp(2j * np.pi * np.multiply.outer(at - n // 2, sample) / n)
        for at, n in zip(nodes, sizes, strict=True)
    ]


def automatic_crop(
    calibration: ComplexArray,
    limits: FloatArray,
    nodes: list[npt.NDArray[np.float64]],
    sizes: tuple[int, int],
) -> float:
    """The highest eigenvalue that keeps the wanted part of the energy of the low-resolution image."""
    image = low_resolution(calibration, nodes, sizes)
    return level_that_keeps(np.sum(image.real**2 + image.imag**2, axis=0, dtype=np.float64), limits)


def low_resolution(
    calibration: ComplexArray, nodes: list[npt.NDArray[np.float64]], sizes: tuple[int, int]
) -> ComplexArray:
    """Coil images of the calibration alone, with a window against ringing, at the nodes."""
    (_, ny, nx), kind = calibration.shape, calibration.dtype
    window = np.multiply.outer(np.hanning(ny + 2)[1:-1], np.hanning(nx + 2)[1:-1])
    along_y, along_x = waves_at(ny, nodes, sizes)[0], waves_at(nx, nodes, sizes)[1]
    return np.asarray(along_y.astype(kind) @ (calibration * window).astype(kind) @ along_x.T.astype(kind))


def level_that_keeps(energy: FloatArray, limits: FloatArray) -> float:
    """The highest of the eigenvalues such that those not below hold the wanted part of the energy."""
    order = np.argsort(-limits, axis=None)
    kept = np.cumsum(energy.ravel()[order])
    return float(limits.ravel()[order[np.searchsorted(kept, KEPT_ENERGY * kept[-1])]])
