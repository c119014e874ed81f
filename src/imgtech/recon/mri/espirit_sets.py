"""ESPIRiT with several sets of maps, for a field of view smaller than the object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import ComplexArray, FloatArray, count
from imgtech.recon.mri._espirit_parts import (
    Threshold,
    checked_calibration,
    lag_matrices,
    level_that_keeps,
    low_resolution,
    waves_at,
)

HIGHEST_LEVEL = 0.9
"""Highest automatic crop: the energy of a small folded part is little, its eigenvalue is still near 1."""


@dataclass(frozen=True, eq=False)
class EspiritSets(ArrayValue):
    """Sets of maps of :func:`espirit_map_sets`.

    Parameters
    ----------
    maps : numpy.ndarray
        Orthonormal at each pixel, zero where cropped, shape ``(set, coil, y, x)``.
    eigenvalues : numpy.ndarray
        Eigenvalue of every set before the crop, in falling order, shape ``(set, y, x)``.
    """

    maps: ComplexArray
    eigenvalues: FloatArray


def espirit_map_sets(
    calibration: npt.ArrayLike,
    shape: Sequence[int],
    *,
    n_sets: int = 2,
    kernel_size: int = 6,
    threshold: Threshold = 0.02,
    crop: float | None = None,
) -> EspiritSets:
    r"""Several sets of coil sensitivities at each pixel, from the calibration data alone.

    Where the object is larger than the field of view, pixels show two places at once, already in the
    calibration: :math:`d = s(r)\, m(r) + s(r + L)\, m(r + L)`. No single map explains this, but the matrix of
    :func:`espirit_maps` has two eigenvalues near 1 there, whose eigenvectors span both sensitivities.
    They are computed at every pixel, without interpolation.

    Parameters
    ----------
    calibration : array_like
        As for :func:`espirit_maps`.
    shape : sequence of int
        As for :func:`espirit_maps`.
    n_sets : int, optional
        Number of sets, at most the number of coils.
    kernel_size : int, optional
        As for :func:`espirit_maps`.
    threshold : float or "noise", optional
        As for :func:`espirit_maps`.
    crop : float, optional
        Each set is zero where its own eigenvalue is below, 0 to 1. By default it is chosen such that
        99.5 % of the energy stays that all sets together explain of the calibration's own image, but
        not above 0.9, as a small folded part has little energy.

    Returns
    -------
    EspiritSets
        ``.maps`` and ``.eigenvalues``.

    Raises
    ------
    ValueError
        As :func:`espirit_maps`, or if there are fewer coils than ``n_sets``.

    Notes
    -----
    Where eigenvalues are equal the vectors are any orthonormal basis of their space: the sets together
    explain the data, a set alone is not one of the two places. As sets are orthonormal, the
    least-squares images of all sets are ``roemer_combine(images, maps[j])``, of white noise, and the
    root sum of their squares shows what the coils saw. The phase of each is as in :func:`espirit_maps`.

    References
    ----------
    M. Uecker et al., ESPIRiT: an eigenvalue approach to autocalibrating parallel MRI, Magnetic
    Resonance in Medicine 71 (2014) 990-1001, doi:10.1002/mrm.24751.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import espirit_map_sets
    >>> point = np.ones((1, 16, 16)) * np.array([0.6, 0.8j])[:, None, None]      # two flat coils
    >>> sets = espirit_map_sets(point, (20, 24))
    >>> sets.maps.shape, sets.eigenvalues[:, 10, 12].round(3) + 0.0
    ((2, 2, 20, 24), array([1., 0.]))
    """
    scaled, sizes, width = checked_calibration(calibration, shape, kernel_size, threshold, crop)
    n_coils, (ny, nx) = len(scaled), sizes
    if count("n_sets", n_sets) > n_coils:
        raise ValueError(f"n_sets must be at most the {n_coils} coils of calibration, got {n_sets}")
    lags = lag_matrices(scaled, width, threshold)
    pixels = [np.arange(n, dtype=np.float64) for n in sizes]
    along_y, along_x = waves_at(len(lags), pixels, sizes)
    maps = np.empty((n_sets, n_coils, ny, nx), np.complex128)
    values = np.empty((n_sets, ny, nx))
    for y in range(ny):
        row = np.tensordot(along_y[y], lags, axes=1)
        matrices = np.tensordot(along_x, row, axes=1)
        found, vectors = np.linalg.eigh(matrices)
        values[:, y] = found[:, : -n_sets - 1 : -1].T
        maps[:, :, y] = vectors[:, :, : -n_sets - 1 : -1].transpose(2, 1, 0)
    flat = scaled.reshape(n_coils, -1)
    leading = np.linalg.eigh(flat @ flat.conj().T)[1][:, -1]
    virtual = np.einsum("c,scyx->syx", leading.conj(), maps)
    size = np.abs(virtual)
    phase = np.where(size > 0, virtual.conj() / np.where(size > 0, size, 1), 1)
    level = crop
    if level is None:
        parts = np.einsum("scyx,cyx->syx", maps.conj(), low_resolution(scaled, pixels, sizes))
        level = min(level_that_keeps(np.abs(parts) ** 2, values), HIGHEST_LEVEL)
    if values.max() < level:
        raise ValueError(
            f"crop must leave pixels: the largest eigenvalue is {values.max():.3g}, crop {level!r}"
        )
    maps *= (phase * (values >= level))[:, None]
    return EspiritSets(maps=maps.astype(scaled.dtype), eigenvalues=values)
