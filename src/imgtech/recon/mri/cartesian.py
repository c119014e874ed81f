"""Images from k-space on a full Cartesian raster."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import (
    Array,
    ComplexArray,
    FloatArray,
    complex_image,
    count,
    one_of,
    positive,
)
from imgtech.recon.mri.adaptive import adaptive_combine
from imgtech.recon.mri.fft import kspace_to_image
from imgtech.recon.mri.windows import Window, kspace_window


def cartesian(
    kspace: npt.ArrayLike,
    *,
    spacing_mm: Sequence[float] | None = None,
    window: Window = "none",
    zero_fill: Sequence[int] | None = None,
    crop: Sequence[int] | None = None,
    combine: str = "none",
    n_axes: int = 2,
    workers: int | None = None,
) -> Array:
    r"""Reconstruct k-space that was sampled on a full Cartesian raster.

    In this order: weight the samples with ``window`` (a product over the axes), pad them with zeros to
    ``zero_fill``, transform, cut the image to ``crop`` and combine the coils. Every step keeps the
    centre at sample ``n // 2``, so nothing moves: pixel (i, j) of the result shows the position
    ``(i - ny // 2, j - nx // 2)`` times the pixel spacing, the grid :meth:`imgtech.geometry.ImageGrid.fft`.

    Without ``spacing_mm`` the transform is orthonormal (:func:`kspace_to_image`). With it the result is
    the Riemann sum of the Fourier integral,

    .. math:: m(r) = \sum_k S(k)\, e^{2 \pi i\, k \cdot r}\, \prod_a \Delta k_a,
              \qquad \Delta k_a = \frac{1}{n_a\, \text{spacing}_a},

    so the k-space :math:`S(k) = \int m\, e^{-2 \pi i\, k \cdot r}\, dr` of
    :class:`imgtech.geometry.Trajectory`, in units of value times mm\ :sup:`2`, gives the values of the
    object, with any zero filling.

    Parameters
    ----------
    kspace : array_like
        Shape ``(..., y, x)``, with the coils first where there are any: ``(coil, ..., y, x)``.
    spacing_mm : sequence of float, optional
        Pixel spacing ``(dy, dx)`` that belongs to the acquired raster: field of view over number of
        samples, before ``zero_fill`` and before ``crop``.
    window : str or callable, optional
        See :func:`kspace_window`.
    zero_fill : sequence of int, optional
        Size ``(ny, nx)`` to pad k-space to; the field of view stays and pixels become smaller.
    crop : sequence of int, optional
        Size ``(ny, nx)`` to cut the image to, which removes oversampling: a readout that was sampled
        twofold keeps ``nx / 2`` of its pixels. Pixels keep their size.
    combine : str, optional
        ``"none"`` for complex coil images, ``"rss"`` for the root sum of squares over the first axis,
        ``"adaptive"`` for the complex image of :func:`adaptive_combine`, plane by plane.
    n_axes : int, optional
        Number of k-space axes, 2 or 3, counted from the last.
    workers : int, optional
        Number of threads of the transform; one by default.

    Returns
    -------
    numpy.ndarray
        Complex images with the leading axes of ``kspace``; combined ones, real of ``"rss"``, without the
        first axis.
        Single precision input gives single precision.

    Raises
    ------
    ValueError
        If a sample is not finite, a name is unknown, ``zero_fill`` is smaller than k-space, ``crop``
        is larger than the image, or there is no coil axis to combine.

    Notes
    -----
    The operation is linear up to ``combine``: k-space full of zeros gives an image full of zeros.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import cartesian
    >>> kspace = np.ones((1, 4, 8), dtype=np.complex64)          # the spectrum of a point
    >>> image = cartesian(kspace, spacing_mm=(2.0, 0.5), zero_fill=(8, 8), crop=(8, 4), combine="rss")
    >>> image.shape, float(image[4, 2])                          # 1 / (dy * dx) at the centre
    ((8, 4), 1.0)
    """
    if n_axes not in (2, 3):
        raise ValueError(f"n_axes must be 2 or 3, got {n_axes!r}")
    one_of("combine", combine, ("none", "rss", "adaptive"))
    array = complex_image("kspace", kspace, tuple(range(n_axes, 9)))
    if combine != "none" and array.ndim == n_axes:
        raise ValueError(f"kspace must have a coil axis to combine, got shape {array.shape}")
    acquired = array.shape[-n_axes:]
    filled = _sizes("zero_fill", zero_fill, acquired, at_least=acquired)
    wanted = _sizes("crop", crop, filled, at_most=filled)
    scale = 1.0 if spacing_mm is None else _riemann(acquired, filled, spacing_mm)
    for axis, n in enumerate(acquired, start=-n_axes):
        weights = kspace_window(n, window).astype(array.real.dtype)
        array = array * weights.reshape((n,) + (1,) * (-axis - 1))
    axes = tuple(range(-n_axes, 0))
    image = _cropped(kspace_to_image(_padded(array, filled), axes, workers=workers), wanted)
    image = image * image.real.dtype.type(scale)
    if combine == "adaptive":
        return adaptive_combine(image)
    return root_sum_of_squares(image) if combine == "rss" else image


def root_sum_of_squares(images: npt.ArrayLike, axis: int = 0) -> FloatArray:
    r"""Combine coil images without knowing the coils: :math:`\sqrt{\sum_c |m_c|^2}`.

    Parameters
    ----------
    images : array_like
        Coil images, complex or real.
    axis : int, optional
        The coil axis; the first by default.

    Returns
    -------
    numpy.ndarray
        Real image without the coil axis; float64 for double precision input, else float32.

    Raises
    ------
    ValueError
        If a value is not finite, the array is empty or the axis does not exist.

    References
    ----------
    P. B. Roemer et al., The NMR phased array, Magnetic Resonance in Medicine 16 (1990) 192-225,
    doi:10.1002/mrm.1910160203.

    Examples
    --------
    >>> from imgtech.recon.mri import root_sum_of_squares
    >>> root_sum_of_squares([[3.0, 0.0], [4.0j, 2.0]])
    array([5., 2.])
    """
    array = complex_image("images", images, np.ndim(images))
    if not -array.ndim <= axis < array.ndim:
        raise ValueError(f"axis must lie within the {array.ndim} axes of images, got {axis!r}")
    return np.asarray(np.sqrt(np.sum(array.real**2 + array.imag**2, axis=axis)))


def _sizes(
    name: str,
    sizes: Sequence[int] | None,
    default: tuple[int, ...],
    at_least: tuple[int, ...] | None = None,
    at_most: tuple[int, ...] | None = None,
) -> tuple[int, ...]:
    if sizes is None:
        return default
    chosen = tuple(count(name, n) for n in sizes)
    if len(chosen) != len(default):
        raise ValueError(f"{name} must have {len(default)} sizes, got {chosen}")
    if at_least is not None and any(n < m for n, m in zip(chosen, at_least, strict=True)):
        raise ValueError(f"{name} must be at least {at_least}, got {chosen}")
    if at_most is not None and any(n > m for n, m in zip(chosen, at_most, strict=True)):
        raise ValueError(f"{name} must be at most {at_most}, got {chosen}")
    return chosen


def _riemann(acquired: tuple[int, ...], filled: tuple[int, ...], spacing_mm: Sequence[float]) -> float:
    """Factor from the orthonormal transform of the padded raster to the sum times the cell of k-space."""
    spacing = tuple(positive("spacing_mm", d) for d in spacing_mm)
    if len(spacing) != len(acquired):
        raise ValueError(f"spacing_mm must have {len(acquired)} values, got {spacing}")
    cell = math.prod(1 / (n * d) for n, d in zip(acquired, spacing, strict=True))
    return math.sqrt(math.prod(filled)) * cell


def _padded(array: ComplexArray, sizes: tuple[int, ...]) -> ComplexArray:
    out = np.zeros(array.shape[: -len(sizes)] + sizes, dtype=array.dtype)
    inner: tuple[Any, ...] = tuple(
        slice(m // 2 - n // 2, m // 2 - n // 2 + n)
        for n, m in zip(array.shape[-len(sizes) :], sizes, strict=True)
    )
    out[(..., *inner)] = array
    return out


def _cropped(image: ComplexArray, sizes: tuple[int, ...]) -> ComplexArray:
    inner: tuple[Any, ...] = tuple(
        slice(n // 2 - m // 2, n // 2 - m // 2 + m)
        for n, m in zip(image.shape[-len(sizes) :], sizes, strict=True)
    )
    return np.asarray(image[(..., *inner)])
