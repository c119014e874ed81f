"""Readouts with uneven samples, brought to the even raster of a Fourier transform."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import ComplexArray, complex_image, count, floats, positive

_SMALLEST_SINGULAR = 0.02  # relative; what the samples say less about than this is left out


def regrid_readout(
    samples: npt.ArrayLike, positions_per_mm: npt.ArrayLike, *, n_pixels: int, spacing_mm: float
) -> ComplexArray:
    r"""Find the even k-space samples of an object in a field from uneven ones along the readout.

    The object is described by ``n_pixels`` pixels of ``spacing_mm`` along the readout, the grid of
    :meth:`imgtech.geometry.ImageGrid.fft`. The pixel values that fit the samples best in the least-squares
    sense,

    .. math:: \min_m \sum_j \Big| S(k_j) - \sum_p m_p\, e^{-2 \pi i\, k_j x_p} \Big|^2 ,

    are found with the pseudo-inverse, whose singular values below 2 % of the largest are left out, and
    evaluated on the raster :math:`k_q = (q - \lfloor n/2 \rfloor) / (n\, \text{spacing})`. Samples beyond
    the band :math:`1 / (2\, \text{spacing})` of the pixels, which they cannot describe, are left out. One
    matrix does both; it is the same for every line of an echo-planar readout of one direction.

    Parameters
    ----------
    samples : array_like
        Complex samples, shape ``(..., sample)``.
    positions_per_mm : array_like of float
        Position in k-space of every sample, in cycles/mm, shape ``(sample,)``, in any order.
    n_pixels : int
        Number of even samples, and of pixels of the field.
    spacing_mm : float
        Pixel spacing. The field ``n_pixels * spacing_mm`` must hold the whole object.

    Returns
    -------
    numpy.ndarray
        Samples on the raster, shape ``(..., n_pixels)``, in the unit of ``samples``; complex128 for double
        precision, else complex64.

    Raises
    ------
    ValueError
        If shapes do not fit, a value is not finite, the field is wider than the inverse of the largest gap
        between two positions, or the raster reaches further than one step beyond the outermost samples.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import regrid_readout
    >>> k = np.array([-0.24, -0.17, -0.11, 0.0, 0.05, 0.13, 0.19, 0.24])  # a point at x = 2 mm
    >>> line = regrid_readout(np.exp(-2j * np.pi * k * 2.0), k, n_pixels=4, spacing_mm=2.0)
    >>> bool(np.allclose(line, [-1, 1j, 1, -1j]))
    True
    """
    k = floats("positions_per_mm", positions_per_mm)
    array = complex_image("samples", samples, tuple(range(1, 9)), k.shape)
    n, spacing = count("n_pixels", n_pixels), positive("spacing_mm", spacing_mm)
    field_mm = n * spacing
    gap = float(np.diff(np.sort(k)).max()) if len(k) > 1 else np.inf
    if field_mm * gap > 1 + 1e-6:
        raise ValueError(
            f"the field n_pixels * spacing_mm must not exceed 1 / {gap:.6g} per mm, the inverse of the "
            f"largest gap between positions_per_mm, got {field_mm:.6g} mm"
        )
    raster = (np.arange(n) - n // 2) / field_mm
    step = 1 / field_mm
    if raster[0] < k.min() - step or raster[-1] > k.max() + step:
        raise ValueError(
            f"positions_per_mm must reach over the raster {raster[0]:.6g} to {raster[-1]:.6g} per mm, "
            f"got {k.min():.6g} to {k.max():.6g}"
        )
    x_mm = (np.arange(n) - n // 2) * spacing
    within = np.abs(k) <= 0.5 / spacing + 1e-9 * step
    from_pixels = np.exp(-2j * np.pi * np.outer(k[within], x_mm))
    to_raster = np.exp(-2j * np.pi * np.outer(raster, x_mm))
    matrix = to_raster @ np.linalg.pinv(from_pixels, rcond=_SMALLEST_SINGULAR)
    return np.asarray(array[..., within] @ matrix.T.astype(array.dtype))
