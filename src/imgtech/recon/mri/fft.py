"""The centred orthonormal Fourier transform between image and k-space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import fft as scipy_fft

from imgtech._core.validate import ComplexArray, complex_image


def image_to_kspace(
    image: npt.ArrayLike, axes: Sequence[int] = (-2, -1), *, workers: int | None = None
) -> ComplexArray:
    r"""Centred orthonormal Fourier transform over ``axes``.

    .. math:: S_k = \frac{1}{\sqrt{N}} \sum_n m_n\, e^{-2 \pi i\, (k - c)(n - c) / N},
              \qquad c = \lfloor N / 2 \rfloor

    for each axis of N samples: image and k-space both have their centre at sample ``N // 2``, for even
    and for odd N, as in :meth:`imgtech.geometry.ImageGrid.fft` and
    :meth:`imgtech.geometry.Trajectory.cartesian`. The energy is kept (Parseval), so the adjoint is the
    inverse, :func:`kspace_to_image`.

    Parameters
    ----------
    image : array_like
        Image of any number of axes, real or complex.
    axes : sequence of int, optional
        Axes to transform; the last two by default.
    workers : int, optional
        Number of threads (see :mod:`scipy.fft`); one by default.

    Returns
    -------
    numpy.ndarray
        k-space of the same shape; complex128 for double precision input, else complex64.

    Raises
    ------
    ValueError
        If a value is not finite, the array is empty, or ``axes`` names no axis, a missing one or one
        twice.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import image_to_kspace
    >>> image_to_kspace(np.ones((4, 4))).real.round(12)[2]
    array([0., 0., 4., 0.])
    """
    array, chosen = _prepare("image", image, axes)
    shifted = scipy_fft.ifftshift(array, axes=chosen)
    return np.asarray(
        scipy_fft.fftshift(
            scipy_fft.fftn(shifted, axes=chosen, norm="ortho", workers=workers, overwrite_x=True), axes=chosen
        )
    )


def kspace_to_image(
    kspace: npt.ArrayLike, axes: Sequence[int] = (-2, -1), *, workers: int | None = None
) -> ComplexArray:
    r"""Centred orthonormal inverse Fourier transform over ``axes``; undoes :func:`image_to_kspace`.

    .. math:: m_n = \frac{1}{\sqrt{N}} \sum_k S_k\, e^{+2 \pi i\, (k - c)(n - c) / N},
              \qquad c = \lfloor N / 2 \rfloor

    Parameters
    ----------
    kspace : array_like
        Samples of a full Cartesian raster, centre at sample ``N // 2`` of each axis.
    axes : sequence of int, optional
        Axes to transform; the last two by default.
    workers : int, optional
        Number of threads (see :mod:`scipy.fft`); one by default.

    Returns
    -------
    numpy.ndarray
        Image of the same shape; complex128 for double precision input, else complex64.

    Raises
    ------
    ValueError
        If a value is not finite, the array is empty, or ``axes`` names no axis, a missing one or one
        twice.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import image_to_kspace, kspace_to_image
    >>> image = np.arange(15.0).reshape(3, 5)
    >>> bool(np.allclose(kspace_to_image(image_to_kspace(image)), image))
    True
    """
    array, chosen = _prepare("kspace", kspace, axes)
    shifted = scipy_fft.ifftshift(array, axes=chosen)
    return np.asarray(
        scipy_fft.fftshift(
            scipy_fft.ifftn(shifted, axes=chosen, norm="ortho", workers=workers, overwrite_x=True),
            axes=chosen,
        )
    )


def _prepare(name: str, values: npt.ArrayLike, axes: Sequence[int]) -> tuple[ComplexArray, tuple[int, ...]]:
    array = complex_image(name, values, np.ndim(values))
    if len(axes) == 0:
        raise ValueError("axes must name at least one axis")
    if any(not -array.ndim <= axis < array.ndim for axis in axes):
        raise ValueError(f"axes must lie within the {array.ndim} axes of {name}, got {tuple(axes)}")
    chosen = tuple(axis % array.ndim for axis in axes)
    if len(set(chosen)) != len(chosen):
        raise ValueError(f"axes must not name an axis twice, got {tuple(axes)}")
    return array, chosen
