"""ESPIRiT: coil sensitivities from the fully sampled centre of k-space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh, lapack

from imgtech._core.validate import ComplexArray, FloatArray, complex_image, count, positive
from imgtech.recon.mri._kernels_espirit import between_nodes, first_eigenvectors
from imgtech.recon.mri._windows import lines_of, window_products

COARSE = 3
"""Pixels between two nodes of the grid that the maps are computed on."""
NODES_PER_SAMPLE = 8
"""Least number of nodes for each sample of the kernel."""
SQUARINGS = 6
"""Squarings of the matrices: 64 steps of the power iteration."""
_ASKEW = 1e-9  # of vectors that are not good
_WORK = 8  # elementary updates a sample of the maps
KEPT_ENERGY = 0.995
"""Part of the calibration image's energy that the automatic crop keeps."""


def espirit_maps(
    calibration: npt.ArrayLike,
    shape: Sequence[int],
    *,
    kernel_size: int = 6,
    threshold: float = 0.02,
    crop: float | None = None,
) -> ComplexArray:
    r"""Coil sensitivities from the calibration data alone, one set of maps.

    All windows of ``kernel_size`` by ``kernel_size`` samples of the calibration span a subspace.
    Projecting the windows of any k-space of these coils onto it and putting the windows back together
    changes nothing; in the image this is, at each pixel, the product with a small Hermitian matrix
    (coil, coil), whose eigenvector of eigenvalue 1 is the vector of sensitivities. Where there is
    no signal, or where the object folds over itself, the largest eigenvalue is below 1.

    The matrices are evaluated on a grid of every third pixel, or finer for small images, their first
    eigenvectors found by repeated squaring, and the maps interpolated linearly between them.

    Parameters
    ----------
    calibration : array_like
        Fully sampled centre of k-space, ``(coil, y, x)``, with the spacing of the full raster. Its
        position in k-space does not matter for the maps.
    shape : sequence of int
        Size ``(ny, nx)`` of the full raster; pixels as in :func:`kspace_to_image`.
    kernel_size : int, optional
        Side of the windows.
    threshold : float, optional
        Singular values below this part of the largest one count as noise.
    crop : float, optional
        Maps are zero where the eigenvalue is below, 0 to 1. By default it is chosen such that
        99.5 % of the energy of the calibration's own image stays.

    Returns
    -------
    numpy.ndarray
        Maps, shape ``(coil, ny, nx)``; complex128 for double precision input, else complex64. At each
        pixel the sum of squared magnitudes is 1, or 0 where cropped.

    Raises
    ------
    ValueError
        If a sample is not finite, the calibration is all zero, has a single coil, is smaller than the
        kernel or larger than ``shape``, or no pixel lies above ``crop``.

    Notes
    -----
    Maps are known up to a common factor at each pixel: the length is set to 1, and the phase such that
    the combination of coils that carries most of the calibration's energy is real and positive. An
    image combined with these maps has the phase of that virtual coil.

    References
    ----------
    M. Uecker et al., ESPIRiT: an eigenvalue approach to autocalibrating parallel MRI, Magnetic
    Resonance in Medicine 71 (2014) 990-1001, doi:10.1002/mrm.24751.

    R. A. Lobos, C.-C. Chan, J. P. Haldar, New theory and faster computations for subspace-based
    sensitivity map estimation in multichannel MRI, arXiv:2302.13431 (coarse grids, power iteration).

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import espirit_maps
    >>> point = np.ones((1, 16, 16)) * np.array([0.6, 0.8j])[:, None, None]      # two flat coils
    >>> maps = espirit_maps(point, (32, 40))
    >>> maps.shape, np.abs(maps[:, 16, 20]).round(3)
    ((2, 32, 40), array([0.6, 0.8]))
    """
    array = complex_image("calibration", calibration, 3)
    n_coils, *acs = array.shape
    sizes = _raster(shape, acs)
    width = count("kernel_size", kernel_size, 2)
    if min(acs) < width:
        raise ValueError(f"calibration must hold windows of {width} samples, got shape {array.shape}")
    if n_coils < 2:
        raise ValueError(f"calibration must have at least 2 coils, got {n_coils}")
    if not 0 < positive("threshold", threshold) < 1:
        raise ValueError(f"threshold must be below 1, got {threshold!r}")
    if crop is not None and not 0 <= crop <= 1:
        raise ValueError(f"crop must lie between 0 and 1, got {crop!r}")
    peak = np.abs(array).max()
    if peak == 0:
        raise ValueError("calibration must not be all zero")
    scaled = array / peak
    lags = _lag_matrices(scaled, width, threshold)
    nodes = [_nodes(n, width) for n in sizes]
    flat = scaled.reshape(n_coils, -1)
    leading = np.linalg.eigh(flat @ flat.conj().T)[1][:, -1]
    vectors, values = _first_eigenvectors(lags, nodes, sizes, leading)
    rows, columns = (_between(at, n) for at, n in zip(nodes, sizes, strict=True))
    maps = np.empty((n_coils, *sizes), array.dtype)
    squares, limits = np.empty(sizes, array.real.dtype), np.empty(sizes)
    between_nodes.sized(_WORK * maps.size)(vectors, values, rows, columns, maps, squares, limits)
    length = np.sqrt(squares)
    level = _automatic_crop(scaled, values, nodes, sizes) if crop is None else crop
    inside = (limits >= level) & (length > 0)
    if not inside.any():
        raise ValueError(
            f"crop must leave pixels: the largest eigenvalue is {limits.max():.3g}, crop {level!r}"
        )
    maps *= np.where(inside, 1 / np.where(length > 0, length, 1), 0).astype(length.dtype)
    return np.asarray(maps)


def projection_residual(images: npt.ArrayLike, maps: npt.ArrayLike) -> float:
    r"""How much of the coil images the maps do not explain, relative to their norm.

    .. math:: \frac{\lVert d - s\,(s^H d) / (s^H s) \rVert}{\lVert d \rVert}

    over the pixels where maps are not all zero. It is 0 for exact maps without noise; with noise alone
    and C coils it is :math:`\sqrt{1 - 1/C}`.

    Parameters
    ----------
    images : array_like
        Coil images, shape ``(coil, ...)``.
    maps : array_like
        Sensitivities of any length and phase at each pixel, same shape.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If a value is not finite, the shapes differ, or images or maps are all zero there.

    Examples
    --------
    >>> from imgtech.recon.mri import projection_residual
    >>> projection_residual([[3.0], [4.0]], [[1.0], [0.0]])
    0.8
    """
    array = complex_image("images", images, (2, 3, 4, 5)).astype(np.complex128)
    weights = complex_image("maps", maps, array.ndim).astype(np.complex128)
    if weights.shape != array.shape:
        raise ValueError(f"maps must have shape {array.shape} like images, got {weights.shape}")
    power = np.sum(np.abs(weights) ** 2, axis=0)
    inside = power > 0
    seen, unit = array[:, inside], weights[:, inside] / np.sqrt(power[inside])
    norm = float(np.linalg.norm(seen))
    if norm == 0:
        raise ValueError("images must not be all zero where there are maps")
    return float(np.linalg.norm(seen - unit * np.sum(unit.conj() * seen, axis=0))) / norm


def _raster(shape: Sequence[int], acs: Sequence[int]) -> tuple[int, int]:
    sizes = tuple(count("shape", n) for n in shape)
    if len(sizes) != 2 or any(n < m for n, m in zip(sizes, acs, strict=True)):
        raise ValueError(f"shape must be two sizes of at least the calibration's {tuple(acs)}, got {sizes}")
    return sizes[0], sizes[1]


def _lag_matrices(calibration: ComplexArray, width: int, threshold: float) -> npt.NDArray[np.complex128]:
    """The projection on the subspace of windows, summed over equal lags: (lag y, lag x, coil, coil)."""
    n_coils = len(calibration)
    n_y, n_x = (n - width + 1 for n in calibration.shape[1:])
    lines = lines_of(calibration.astype(np.complex128), width, 1, n_y)
    gram = window_products(lines, width, 1, n_x).conj()
    signal = _signal_space(gram, threshold**2)
    parts = (signal @ signal.conj().T).reshape(n_coils, width, width, n_coils, width, width)
    lags = np.zeros((2 * width - 1, 2 * width - 1, n_coils, n_coils), dtype=np.complex128)
    for y in range(width):
        for x in range(width):
            # lag = own sample minus the other sample: the other one runs backwards
            lags[y : y + width, x : x + width] += parts[:, y, x, :, ::-1, ::-1].transpose(2, 3, 0, 1)
    return lags / width**2


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


def _nodes(n: int, width: int) -> npt.NDArray[np.float64]:
    """Pixel positions of the coarse grid, first and last pixel included."""
    return np.linspace(0, n - 1, min(n, max(-(-n // COARSE), NODES_PER_SAMPLE * width)))


def _first_eigenvectors(
    lags: npt.NDArray[np.complex128],
    nodes: list[npt.NDArray[np.float64]],
    sizes: tuple[int, int],
    leading: ComplexArray,
) -> tuple[ComplexArray, FloatArray]:
    """Unit eigenvectors (coil, y, x) of the largest eigenvalue, and that eigenvalue (y, x)."""
    n_lags, _, n_coils, _ = lags.shape
    grid = len(nodes[0]), len(nodes[1])
    waves = _waves(n_lags, nodes, sizes)
    rows = (waves[0] @ lags.reshape(n_lags, -1)).reshape(grid[0], n_lags, -1)
    matrices = rows.transpose(0, 2, 1).astype(np.complex64) @ waves[1].T.astype(np.complex64)
    vectors, values = np.empty((n_coils, *grid), np.complex64), np.empty(grid)
    first_eigenvectors.sized(SQUARINGS * n_coils * matrices.size)(
        matrices, SQUARINGS, leading.astype(np.complex64), vectors, values
    )
    return vectors, values


def _between(nodes: npt.NDArray[np.float64], n: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """For every pixel the node before it, never the last, and the part of the way to the next."""
    position = np.arange(n) * (len(nodes) - 1) / max(n - 1, 1)
    before = np.minimum(position.astype(np.int64), max(len(nodes) - 2, 0))
    return before, position - before


def _waves(
    n_samples: int, nodes: list[npt.NDArray[np.float64]], sizes: tuple[int, int]
) -> list[npt.NDArray[np.complex128]]:
    """Waves (node, sample) of each axis, from centred samples to the pixels at the nodes."""
    sample = np.arange(n_samples) - n_samples // 2
    return [
        np.exp(2j * np.pi * np.multiply.outer(at - n // 2, sample) / n)
        for at, n in zip(nodes, sizes, strict=True)
    ]


def _automatic_crop(
    calibration: ComplexArray,
    limits: FloatArray,
    nodes: list[npt.NDArray[np.float64]],
    sizes: tuple[int, int],
) -> float:
    """The highest eigenvalue that keeps the wanted part of the energy of the low-resolution image."""
    (_, ny, nx), kind = calibration.shape, calibration.dtype
    window = np.multiply.outer(np.hanning(ny + 2)[1:-1], np.hanning(nx + 2)[1:-1])
    along_y, along_x = _waves(ny, nodes, sizes)[0], _waves(nx, nodes, sizes)[1]
    image = along_y.astype(kind) @ (calibration * window).astype(kind) @ along_x.T.astype(kind)
    energy = np.sum(image.real**2 + image.imag**2, axis=0, dtype=np.float64).ravel()
    order = np.argsort(-limits, axis=None)
    kept = np.cumsum(energy[order])
    return float(limits.ravel()[order[np.searchsorted(kept, KEPT_ENERGY * kept[-1])]])
