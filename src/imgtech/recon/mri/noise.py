"""Thermal noise of receive coils: its covariance, and data in which it is white."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular

from imgtech._core.validate import ComplexArray, complex_image


def noise_covariance(noise: npt.ArrayLike) -> npt.NDArray[np.complex128]:
    r"""Covariance of the coils' noise, :math:`\Psi_{cd} = \langle n_c\, n_d^* \rangle`.

    The mean of the noise is taken as zero. White noise whose real and imaginary parts have the standard
    deviation :math:`\sigma` each gives :math:`2 \sigma^2` on the diagonal.

    Parameters
    ----------
    noise : array_like
        Samples without signal, shape ``(coil, ...)``.

    Returns
    -------
    numpy.ndarray
        Hermitian matrix, shape ``(coil, coil)``, complex128, in the square of the samples' unit.

    Raises
    ------
    ValueError
        If a sample is not finite or there are fewer samples than coils.

    References
    ----------
    K. P. Pruessmann et al., Advances in sensitivity encoding with arbitrary k-space trajectories,
    Magnetic Resonance in Medicine 46 (2001) 638-651, doi:10.1002/mrm.1241.

    Examples
    --------
    >>> from imgtech.recon.mri import noise_covariance
    >>> noise_covariance([[1.0, -1.0, 1.0, -1.0], [2.0j, 2.0j, -2.0j, -2.0j]]).real
    array([[1., 0.],
           [0., 4.]])
    """
    array = complex_image("noise", noise, (2, 3, 4, 5))
    samples = array.reshape(len(array), -1).astype(np.complex128)
    n_coils, n_samples = samples.shape
    if n_samples < n_coils:
        raise ValueError(f"noise must have at least {n_coils} samples for {n_coils} coils, got {n_samples}")
    product = samples @ samples.conj().T / n_samples
    return np.asarray((product + product.conj().T) / 2)


def prewhiten(data: npt.ArrayLike, covariance: npt.ArrayLike) -> ComplexArray:
    r"""Combine coils linearly so that their noise is independent with variance one.

    With the Cholesky factor of :math:`\Psi = L L^H` the result is :math:`L^{-1} d`: its noise has the
    covariance :math:`\langle n\, n^H \rangle = 1`, so the real and the imaginary part have the variance
    1/2 each. Whiten k-space, calibration and noise with the same covariance.

    Parameters
    ----------
    data : array_like
        k-space or images, shape ``(coil, ...)``.
    covariance : array_like
        Shape ``(coil, coil)``, see :func:`noise_covariance`.

    Returns
    -------
    numpy.ndarray
        Same shape as ``data``; complex128 for double precision input, else complex64. The coils are
        virtual ones: coil c is a combination of the first c + 1 coils.

    Raises
    ------
    ValueError
        If a value is not finite or ``covariance`` is not a Hermitian, positive definite matrix with
        one row a coil.

    Examples
    --------
    >>> from imgtech.recon.mri import prewhiten
    >>> prewhiten([[4.0], [9.0]], [[4.0, 0.0], [0.0, 9.0]]).real.ravel()
    array([2., 3.])
    """
    return whitened(complex_image("data", data, (2, 3, 4, 5)), "covariance", covariance)


def whitened(array: ComplexArray, name: str, covariance: npt.ArrayLike) -> ComplexArray:
    """:func:`prewhiten` of checked data, with the name that the caller's argument has."""
    factor = cholesky_factor(name, covariance, len(array))
    white = solve_triangular(factor, array.reshape(len(array), -1), lower=True)
    return np.asarray(white.reshape(array.shape).astype(array.dtype))


def cholesky_factor(name: str, covariance: npt.ArrayLike, n_coils: int) -> npt.NDArray[np.complex128]:
    """Lower Cholesky factor of a checked covariance."""
    matrix = complex_image(name, covariance, 2, (n_coils, n_coils)).astype(np.complex128)
    if matrix.shape[0] != n_coils:
        raise ValueError(f"{name} must have shape {(n_coils, n_coils)}, got {matrix.shape}")
    if not np.allclose(matrix, matrix.conj().T, rtol=1e-5, atol=1e-6 * np.abs(matrix).max()):
        raise ValueError(f"{name} must be Hermitian")
    try:
        return np.asarray(np.linalg.cholesky(matrix))
    except np.linalg.LinAlgError as error:
        least = np.linalg.eigvalsh(matrix)[0]
        raise ValueError(f"{name} must be positive definite, its least eigenvalue is {least}") from error
