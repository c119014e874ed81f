"""Many coils to few, and many coils to one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import ComplexArray, complex_image, count
from imgtech.recon.mri.noise import whitened


@dataclass(frozen=True, eq=False)
class CompressedCoils(ArrayValue):
    """Virtual coils of :func:`compress_coils`.

    Parameters
    ----------
    kspace : numpy.ndarray
        Data of the virtual coils, strongest first, shape ``(virtual, ...)``.
    matrix : numpy.ndarray
        Orthonormal rows, shape ``(virtual, coil)``: ``kspace`` is ``matrix`` times the coils' data.
    energy : float
        Part of the calibration's energy that the virtual coils keep, 0 to 1.
    """

    kspace: ComplexArray
    matrix: ComplexArray
    energy: float


def compress_coils(
    kspace: npt.ArrayLike, n_virtual: int, *, calibration: npt.ArrayLike | None = None
) -> CompressedCoils:
    r"""Combine coils to the few virtual coils that keep the most energy.

    The rows of the matrix are the first left singular vectors of the calibration data, written as a
    matrix (coil, sample). They are orthonormal: white noise stays white (:func:`prewhiten` first).
    The phase of each row makes its largest element real and positive.

    Parameters
    ----------
    kspace : array_like
        Shape ``(coil, ...)``.
    n_virtual : int
        Number of virtual coils, at most the number of coils.
    calibration : array_like, optional
        Data of the same coils to find the combination from; all of ``kspace`` by default.

    Returns
    -------
    CompressedCoils
        ``.kspace``, ``.matrix`` and ``.energy``.

    Raises
    ------
    ValueError
        If a sample is not finite, the calibration is zero or has other coils, or there are fewer
        coils than ``n_virtual``.

    References
    ----------
    F. Huang et al., A software channel compression technique for faster reconstruction with many
    channels, Magnetic Resonance Imaging 26 (2008) 133-141, doi:10.1016/j.mri.2007.04.010.

    Examples
    --------
    >>> from imgtech.recon.mri import compress_coils
    >>> few = compress_coils([[3.0, 3.0], [4.0, 4.0]], 1)
    >>> few.kspace.real.round(6), round(few.energy, 6)
    (array([[5., 5.]]), 1.0)
    """
    array = complex_image("kspace", kspace, (2, 3, 4, 5))
    n_coils = len(array)
    if count("n_virtual", n_virtual) > n_coils:
        raise ValueError(f"n_virtual must be at most the {n_coils} coils of kspace, got {n_virtual}")
    source = array if calibration is None else complex_image("calibration", calibration, (2, 3, 4, 5))
    if len(source) != n_coils:
        raise ValueError(f"calibration must have {n_coils} coils like kspace, got {len(source)}")
    samples = source.reshape(n_coils, -1).astype(np.complex128)
    peak = np.abs(samples).max()
    if peak == 0:
        raise ValueError(f"{'kspace' if calibration is None else 'calibration'} must not be all zero")
    energies, vectors = np.linalg.eigh((samples / peak) @ (samples / peak).conj().T)
    rows = vectors[:, ::-1][:, :n_virtual].conj().T
    largest = rows[np.arange(n_virtual), np.abs(rows).argmax(axis=1)]
    matrix = (rows * (largest.conj() / np.abs(largest))[:, None]).astype(array.dtype)
    virtual = (matrix @ array.reshape(n_coils, -1)).reshape(n_virtual, *array.shape[1:])
    energy = float(energies[::-1][:n_virtual].sum() / energies.sum())
    return CompressedCoils(kspace=virtual, matrix=matrix, energy=energy)


def roemer_combine(
    images: npt.ArrayLike, maps: npt.ArrayLike, *, noise_covariance: npt.ArrayLike | None = None
) -> ComplexArray:
    r"""Combine coil images with known sensitivities, for the largest signal-to-noise ratio.

    .. math:: m = \frac{s^H \Psi^{-1} d}{s^H \Psi^{-1} s}

    at every pixel: coil images :math:`d_c = s_c\, m` give the object :math:`m` itself. Pixels where all
    maps are zero are zero.

    Parameters
    ----------
    images : array_like
        Coil images, shape ``(coil, ...)``.
    maps : array_like
        Sensitivities, same shape.
    noise_covariance : array_like, optional
        Shape ``(coil, coil)``; without it the coils' noise is independent and equal.

    Returns
    -------
    numpy.ndarray
        Complex image without the coil axis; complex128 for double precision ``images``, else complex64.

    Raises
    ------
    ValueError
        If a value is not finite, the shapes differ or the covariance is not positive definite.

    References
    ----------
    P. B. Roemer et al., The NMR phased array, Magnetic Resonance in Medicine 16 (1990) 192-225,
    doi:10.1002/mrm.1910160203.

    Examples
    --------
    >>> from imgtech.recon.mri import roemer_combine
    >>> roemer_combine([[2.0, 3.0j]], [[1.0, 1.0j]]).real
    array([2., 3.])
    """
    array = complex_image("images", images, (2, 3, 4, 5))
    weights = complex_image("maps", maps, array.ndim)
    if weights.shape != array.shape:
        raise ValueError(f"maps must have shape {array.shape} like images, got {weights.shape}")
    kind = array.dtype
    if noise_covariance is not None:
        array, weights = (
            whitened(array, "noise_covariance", noise_covariance),
            whitened(weights, "noise_covariance", noise_covariance),
        )
    power = np.sum(weights.real**2 + weights.imag**2, axis=0)
    signal = np.sum(weights.conj() * array, axis=0)
    seen = power > 0
    return np.asarray(np.where(seen, signal / np.where(seen, power, 1), 0).astype(kind))
