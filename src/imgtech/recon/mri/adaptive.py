"""Coil images to one image without known sensitivities: Walsh's adaptive combination."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import ComplexArray, complex_image, count
from imgtech.recon.mri._kernels_espirit import first_eigenvectors
from imgtech.recon.mri.combine import roemer_combine
from imgtech.recon.mri.noise import whitened

SQUARINGS = 6
"""Squarings of the covariances: 64 steps of the power iteration."""
_STRIP_VALUES = 2**22  # complex numbers of the covariances held at once


def adaptive_maps(
    images: npt.ArrayLike,
    *,
    block: int = 7,
    reference_coil: int | None = None,
    noise_covariance: npt.ArrayLike | None = None,
) -> ComplexArray:
    r"""Coil sensitivities from the coil images themselves, up to a factor at each pixel.

    At each pixel the covariance of the coils over the block about it,

    .. math:: R = \sum_{p \in \text{block}} d_p\, d_p^H, \qquad
              s = \Psi^{1/2}\, v, \quad
              \Psi^{-1/2} R\, \Psi^{-H/2}\, v = \lambda_{\max} v, \quad |v| = 1,

    is close to the product of the sensitivities with their own conjugate, as long as they change little
    within the block; :math:`\Psi^{1/2}` is the Cholesky factor. Its first eigenvector maximises the
    signal-to-noise ratio of :func:`roemer_combine`. It is found by power iteration (repeated squaring)
    in single precision.

    Parameters
    ----------
    images : array_like
        Complex coil images, shape ``(coil, ..., y, x)``; axes between are treated one by one.
    block : int, optional
        Side of the square block in pixels, odd. At the borders it is cut.
    reference_coil : int, optional
        Coil whose map is real and not negative; by default the one with the most energy. The phase
        is unknown where that coil sees nothing.
    noise_covariance : array_like, optional
        Shape ``(coil, coil)``; without it the coils' noise is independent and equal.

    Returns
    -------
    numpy.ndarray
        Maps, same shape and precision as ``images``, with :math:`s^H \Psi^{-1} s = 1` at each pixel, or 0
        where the whole block is zero.

    Raises
    ------
    ValueError
        If a value is not finite, ``block`` is even or larger than the image, there is no such coil, or
        the covariance is not positive definite.

    References
    ----------
    D. O. Walsh, A. F. Gmitro, M. W. Marcellin, Adaptive reconstruction of phased array MR imagery,
    Magnetic Resonance in Medicine 43 (2000) 682-690,
    doi:10.1002/(SICI)1522-2594(200005)43:5<682::AID-MRM10>3.0.CO;2-G.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import adaptive_maps
    >>> coils = np.array([0.6, 0.8j])[:, None, None]
    >>> np.abs(adaptive_maps(coils * np.ones((9, 8)), block=3)[:, 4, 3]).round(3)
    array([0.6, 0.8])
    """
    array = complex_image("images", images, (3, 4, 5))
    side = count("block", block)
    n_coils, *_, ny, nx = array.shape
    if side % 2 == 0 or side > min(ny, nx):
        raise ValueError(f"block must be odd and at most the image's {(ny, nx)}, got {block!r}")
    if reference_coil is None:
        reference = int(np.linalg.norm(array.reshape(n_coils, -1).astype(np.complex128), axis=1).argmax())
    else:
        reference = count("reference_coil", reference_coil, 0)
    if reference >= n_coils:
        raise ValueError(
            f"reference_coil must be below the {n_coils} coils of images, got {reference_coil!r}"
        )
    mixing: ComplexArray = np.eye(n_coils, dtype=np.complex128)  # of white noise to the coils' noise
    white = array
    if noise_covariance is not None:
        white = whitened(array, "noise_covariance", noise_covariance)
        mixing = np.linalg.inv(whitened(mixing, "noise_covariance", noise_covariance))
    peak = np.abs(white).max()
    planes = (white / (peak if peak > 0 else 1)).astype(np.complex64).reshape(n_coils, -1, ny, nx)
    leading = mixing[reference].conj().astype(np.complex64)  # makes the reference coil's map real
    vectors = np.empty_like(planes)
    for plane in range(planes.shape[1]):
        _plane_vectors(planes[:, plane], side, leading, vectors[:, plane])
    maps = vectors if noise_covariance is None else np.tensordot(mixing, vectors, axes=1)
    return np.asarray(maps.reshape(array.shape).astype(array.dtype))


def adaptive_combine(
    images: npt.ArrayLike,
    *,
    block: int = 7,
    reference_coil: int | None = None,
    noise_covariance: npt.ArrayLike | None = None,
) -> ComplexArray:
    r"""Combine coil images whose sensitivities are not known, by :func:`adaptive_maps`.

    The magnitude is that of the root sum of squares without the bias of its noise; the phase is that of
    the reference coil.

    Parameters
    ----------
    images : array_like
        Complex images of the coils, as for :func:`adaptive_maps`.
    block, reference_coil : int, optional
        As for :func:`adaptive_maps`.
    noise_covariance : array_like, optional
        As for :func:`adaptive_maps`.

    Returns
    -------
    numpy.ndarray
        Complex image without the coil axis; complex128 for double precision ``images``, else complex64.

    Raises
    ------
    ValueError
        As :func:`adaptive_maps`.

    References
    ----------
    D. O. Walsh, A. F. Gmitro, M. W. Marcellin, Adaptive reconstruction of phased array MR imagery,
    Magnetic Resonance in Medicine 43 (2000) 682-690,
    doi:10.1002/(SICI)1522-2594(200005)43:5<682::AID-MRM10>3.0.CO;2-G.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import adaptive_combine
    >>> images = np.array([3.0, 4.0j])[:, None, None] * np.ones((9, 8))
    >>> abs(adaptive_combine(images, block=3)[4, 3]).round(3)
    np.float64(5.0)
    """
    maps = adaptive_maps(
        images, block=block, reference_coil=reference_coil, noise_covariance=noise_covariance
    )
    return roemer_combine(images, maps, noise_covariance=noise_covariance)


def _plane_vectors(plane: ComplexArray, side: int, leading: ComplexArray, vectors: ComplexArray) -> None:
    """Fill the first eigenvectors (coil, y, x) of one plane, a strip of rows at a time."""
    n_coils, ny, nx = plane.shape
    half = side // 2
    padded = np.pad(plane, ((0, 0), (half, half), (half, half)))
    rows = max(1, _STRIP_VALUES // (n_coils**2 * nx))
    for first in range(0, ny, rows):
        n = min(rows, ny - first)
        strip = padded[:, first : first + n + 2 * half].transpose(1, 0, 2)
        products = strip[:, :, None] * strip[:, None].conj()  # (y, coil, coil, x)
        along_x, covariance = products[..., :nx].copy(), np.zeros((n, n_coils, n_coils, nx), np.complex64)
        for i in range(1, side):
            along_x += products[..., i : i + nx]
        for i in range(side):
            covariance += along_x[i : i + n]
        trace = np.einsum("yccx->yx", covariance).real[:, None, None]
        covariance /= np.where(trace > 0, trace, 1)
        found, values = np.empty((n_coils, n, nx), np.complex64), np.empty((n, nx))
        matrices = np.ascontiguousarray(covariance.reshape(n, -1, nx))
        first_eigenvectors.sized(SQUARINGS * n_coils * matrices.size)(
            matrices, SQUARINGS, leading, found, values
        )
        vectors[:, first : first + n] = found
