"""ESPIRiT: coil sensitivities from the fully sampled centre of k-space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import ComplexArray, FloatArray, complex_image
from imgtech.recon.mri._espirit_parts import (
    Threshold,
    automatic_crop,
    checked_calibration,
    grid_nodes,
    lag_matrices,
    waves_at,
)
from imgtech.recon.mri._kernels_espirit import between_nodes, first_eigenvectors

SQUARINGS = 6
"""Squarings of the matrices: 64 steps of the power iteration."""
_WORK = 8  # elementary updates a sample of the maps


def espirit_maps(
    calibration: npt.ArrayLike,
    shape: Sequence[int],
    *,
    kernel_size: int = 6,
    threshold: Threshold = 0.02,
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
    threshold : float or "noise", optional
        Singular values below this part of the largest one count as noise. ``"noise"`` finds it: the
        lowest quarter of the singular values is matched to those of white noise in windows of the same
        size, whose largest one is then the limit (but not below 0.001). The data's noise must be
        white (:func:`prewhiten`) and the signal fill less than three quarters of the windows' space.
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
        kernel or larger than ``shape``, nothing stands out of the noise, or no pixel lies above ``crop``.

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
    scaled, sizes, width = checked_calibration(calibration, shape, kernel_size, threshold, crop)
    n_coils = len(scaled)
    lags = lag_matrices(scaled, width, threshold)
    nodes = [grid_nodes(n, width) for n in sizes]
    flat = scaled.reshape(n_coils, -1)
    leading = np.linalg.eigh(flat @ flat.conj().T)[1][:, -1]
    vectors, values = _first_eigenvectors(lags, nodes, sizes, leading)
    rows, columns = (_between(at, n) for at, n in zip(nodes, sizes, strict=True))
    maps = np.empty((n_coils, *sizes), scaled.dtype)
    squares, limits = np.empty(sizes, scaled.real.dtype), np.empty(sizes)
    between_nodes.sized(_WORK * maps.size)(vectors, values, rows, columns, maps, squares, limits)
    length = np.sqrt(squares)
    level = automatic_crop(scaled, values, nodes, sizes) if crop is None else crop
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


def _first_eigenvectors(
    lags: npt.NDArray[np.complex128],
    nodes: list[npt.NDArray[np.float64]],
    sizes: tuple[int, int],
    leading: ComplexArray,
) -> tuple[ComplexArray, FloatArray]:
    """Unit eigenvectors (coil, y, x) of the largest eigenvalue, and that eigenvalue (y, x)."""
    n_lags, _, n_coils, _ = lags.shape
    grid = len(nodes[0]), len(nodes[1])
    waves = waves_at(n_lags, nodes, sizes)
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
