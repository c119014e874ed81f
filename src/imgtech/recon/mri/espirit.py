"""ESPIRiT: coil sensitivities from the fully sampled centre of k-space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import eigh

from imgtech._core.validate import ComplexArray, FloatArray, complex_image, count, positive

COARSE = 3
"""Pixels between two nodes of the grid that the maps are computed on."""
NODES_PER_SAMPLE = 8
"""Least number of nodes for each sample of the kernel."""
SQUARINGS = 6
"""Squarings of the matrices: 64 steps of the power iteration."""
_POWER_STEPS = 40
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
    vectors, values = _first_eigenvectors(lags, nodes, sizes)
    flat = scaled.reshape(n_coils, -1)
    leading = np.linalg.eigh(flat @ flat.conj().T)[1][:, -1]
    vectors = vectors * _unit_phase(np.einsum("c,yxc->yx", leading.conj(), vectors)).conj()[..., None]
    across = [_between(at, n) for at, n in zip(nodes, sizes, strict=True)]
    kind = array.dtype
    steps = [a.astype(array.real.dtype) for a in across]
    maps = steps[0] @ vectors.transpose(2, 0, 1).astype(kind) @ steps[1].T
    length = np.sqrt(
        np.einsum("cyx,cyx->yx", maps.real, maps.real) + np.einsum("cyx,cyx->yx", maps.imag, maps.imag)
    )
    limits = across[0] @ values @ across[1].T
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
    windows = sliding_window_view(calibration, (width, width), axis=(1, 2))
    rows = windows.transpose(1, 2, 3, 4, 0).reshape(-1, width * width * n_coils).astype(np.complex128)
    gram = rows.T @ rows.conj()
    least = threshold**2 * _largest_eigenvalue(gram)
    signal = eigh(gram, subset_by_value=(least, np.inf), driver="evr", check_finite=False)[1]
    parts = (signal @ signal.conj().T).reshape(width, width, n_coils, width, width, n_coils)
    lags = np.zeros((2 * width - 1, 2 * width - 1, n_coils, n_coils), dtype=np.complex128)
    for y in range(width):
        for x in range(width):
            # lag = own sample minus the other sample: the other one runs backwards
            lags[y : y + width, x : x + width] += parts[y, x][:, ::-1, ::-1].transpose(1, 2, 0, 3)
    return lags / width**2


def _largest_eigenvalue(matrix: npt.NDArray[np.complex128]) -> float:
    """By power iteration from the column of the largest diagonal; good to far more than a threshold needs."""
    vector = matrix[:, np.diagonal(matrix).real.argmax()]
    for _ in range(_POWER_STEPS):
        vector = matrix @ (vector / np.linalg.norm(vector))
    return float(np.linalg.norm(vector))


def _nodes(n: int, width: int) -> npt.NDArray[np.float64]:
    """Pixel positions of the coarse grid, first and last pixel included."""
    return np.linspace(0, n - 1, min(n, max(-(-n // COARSE), NODES_PER_SAMPLE * width)))


def _first_eigenvectors(
    lags: npt.NDArray[np.complex128], nodes: list[npt.NDArray[np.float64]], sizes: tuple[int, int]
) -> tuple[ComplexArray, FloatArray]:
    """Unit eigenvectors (y, x, coil) of the largest eigenvalue, and that eigenvalue (y, x)."""
    n_lags, _, n_coils, _ = lags.shape
    waves = _waves(n_lags, nodes, sizes)
    rows = waves[0] @ lags.reshape(n_lags, -1)
    rows = rows.reshape(len(nodes[0]), n_lags, -1).astype(np.complex64)
    matrices = (waves[1].astype(np.complex64) @ rows).reshape(-1, n_coils, n_coils)
    power = _unit_trace(matrices)
    for _ in range(SQUARINGS):
        power = _unit_trace(power @ power)
    diagonal = np.diagonal(power, axis1=1, axis2=2).real
    chosen = np.take_along_axis(power, diagonal.argmax(axis=1)[:, None, None], axis=2)
    length = np.linalg.norm(chosen, axis=1, keepdims=True)
    chosen = chosen / np.where(length > 0, length, 1)
    values = (chosen.conj().transpose(0, 2, 1) @ (matrices @ chosen))[:, 0, 0].real
    grid = (len(nodes[0]), len(nodes[1]))
    return chosen[..., 0].reshape(*grid, n_coils), values.reshape(grid).astype(np.float64)


def _unit_trace(matrices: ComplexArray) -> ComplexArray:
    """Matrices divided by their trace; those without signal are zero."""
    trace = np.trace(matrices, axis1=1, axis2=2).real[:, None, None]
    signal = trace > np.finfo(np.float32).eps
    return np.asarray(matrices * np.where(signal, 1 / np.where(signal, trace, 1), 0))


def _between(nodes: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.float64]:
    """Weights (pixel, node) of linear interpolation."""
    position = np.arange(n) * (len(nodes) - 1) / max(n - 1, 1)
    return np.asarray(np.maximum(0, 1 - np.abs(position[:, None] - np.arange(len(nodes)))))


def _unit_phase(values: ComplexArray) -> ComplexArray:
    size = np.abs(values)
    return np.asarray(np.where(size > 0, values / np.where(size > 0, size, 1), 1))


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
