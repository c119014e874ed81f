"""Beam hardening of one material: a polynomial that makes line integrals proportional to thickness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from skimage.filters import threshold_otsu

from imgtech._core.validate import FloatArray, count, floats, positive, real_image
from imgtech.geometry import FanBeam, ImageGrid, ParallelBeam
from imgtech.recon.ct.corrections._project import project
from imgtech.recon.ct.fbp import fbp

_PASSES = 3
_LEAST_LENGTH = 0.02  # of the longest path: shorter rays graze the edge and say little


@dataclass(frozen=True, kw_only=True)
class HardeningFit:
    """A polynomial that takes the hardening out, and how well it fits.

    Parameters
    ----------
    coefficients : tuple of float
        :math:`c_1, c_2, ...` for :func:`linearize`.
    attenuation_per_mm : float
        Attenuation that the material has after the correction.
    rms_residual : float
        Root mean square of corrected line integral minus attenuation times length.
    """

    coefficients: tuple[float, ...]
    attenuation_per_mm: float
    rms_residual: float


def linearize(sinogram: npt.ArrayLike, coefficients: npt.ArrayLike) -> FloatArray:
    r"""Apply a polynomial without a constant to line integrals: :math:`\sum_k c_k p^k`, k from 1.

    Parameters
    ----------
    sinogram : array_like
        Line integrals of a polychromatic beam, 2 or 3 axes.
    coefficients : array_like of float
        :math:`c_1, c_2, ...`, from :func:`fit_water_polynomial` or :func:`fit_uniform_object`.

    Returns
    -------
    numpy.ndarray
        Corrected line integrals; float64 for float64, float32 otherwise.

    Raises
    ------
    ValueError
        If the sinogram or a coefficient is not finite.

    References
    ----------
    Herman 1979, https://doi.org/10.1088/0031-9155/24/1/008

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ct.corrections import linearize
    >>> linearize(np.array([[0.0, 1.0, 2.0]]), [1.0, 0.1])
    array([[0. , 1.1, 2.4]])
    """
    values = real_image("sinogram", sinogram, (2, 3))
    c = floats("coefficients", coefficients).astype(values.dtype)
    out = np.full_like(values, c[-1])
    for one in c[-2::-1]:
        out *= values
        out += one
    out *= values
    return out


def fit_water_polynomial(
    line_integrals: npt.ArrayLike,
    lengths_mm: npt.ArrayLike,
    *,
    attenuation_per_mm: float,
    degree: int = 4,
) -> HardeningFit:
    r"""Fit the polynomial of :func:`linearize` to line integrals behind known thicknesses.

    Least squares of :math:`\sum_{k=1}^{K} c_k p^k - \mu L`.

    Parameters
    ----------
    line_integrals : array_like
        Measured values p, one axis.
    lengths_mm : array_like
        Thickness L of water (or any one material) behind each of them.
    attenuation_per_mm : float
        Attenuation :math:`\mu` that the material shall have afterwards.
    degree : int, optional
        Degree K.

    Returns
    -------
    HardeningFit
        Coefficients and residual.

    Raises
    ------
    ValueError
        If the lists are not finite, of different lengths or too short for the degree, or the attenuation
        is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ct.corrections import fit_water_polynomial
    >>> lengths = np.linspace(0.0, 200.0, 21)
    >>> p = -np.log(0.5 * np.exp(-0.018 * lengths) + 0.5 * np.exp(-0.026 * lengths))
    >>> fit = fit_water_polynomial(p, lengths, attenuation_per_mm=0.02)
    >>> fit.rms_residual < 1e-3
    True
    """
    p = floats("line_integrals", line_integrals)
    lengths = floats("lengths_mm", lengths_mm)
    if p.shape != lengths.shape:
        raise ValueError(f"lengths_mm must have the {p.size} values of line_integrals, got {lengths.size}")
    order = count("degree", degree)
    if p.size < order:
        raise ValueError(f"degree must be at most the number of values {p.size}, got {order}")
    target = positive("attenuation_per_mm", attenuation_per_mm)
    powers = p[:, None] ** np.arange(1, order + 1)
    scale = np.maximum(np.abs(powers).max(axis=0), np.finfo(float).tiny)
    solved = np.linalg.lstsq(powers / scale, target * lengths, rcond=None)[0]
    residual = (powers / scale) @ solved - target * lengths
    return HardeningFit(
        coefficients=tuple(float(c) for c in solved / scale),
        attenuation_per_mm=target,
        rms_residual=float(np.sqrt(np.mean(residual**2))),
    )


def fit_uniform_object(
    sinogram: npt.ArrayLike,
    beam: ParallelBeam | FanBeam,
    grid: ImageGrid,
    *,
    attenuation_per_mm: float | None = None,
    degree: int = 4,
) -> HardeningFit:
    """Fit the polynomial of :func:`linearize` to the scan of an object of one material in air.

    The image is cut from the background at Otsu's threshold; the lengths of the rays in the cut-out are
    what the line integrals should be proportional to. After the fit, the corrected image is cut again, 3
    passes in all. Holes are welcome; a second material is not.

    Parameters
    ----------
    sinogram : array_like
        Line integrals of one slice, ``(view, channel)``.
    beam : ParallelBeam or FanBeam
        The rays.
    grid : ImageGrid
        Pixels that hold the whole object, fine enough for its edges.
    attenuation_per_mm : float, optional
        Attenuation of the material afterwards; the mean over the uncorrected image of the object if not
        given.
    degree : int, optional
        Degree of the polynomial.

    Returns
    -------
    HardeningFit
        Coefficients, attenuation and residual.

    Raises
    ------
    ValueError
        If the sinogram does not have the shape of the beam or is not finite, or there is no object in the
        image.

    References
    ----------
    Kachelriess, Sourbelle and Kalender 2006 (empirical cupping correction),
    https://doi.org/10.1118/1.2188076

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid, ParallelBeam
    >>> from imgtech.phantoms import uniform_disk
    >>> from imgtech.recon.ct.corrections import fit_uniform_object
    >>> beam = ParallelBeam.half_turn(n_views=90, n_channels=81, channel_spacing_mm=0.5)
    >>> lengths = uniform_disk(radius_mm=16.0, value=1.0).sinogram(beam)
    >>> p = -np.log(0.5 * np.exp(-0.03 * lengths) + 0.5 * np.exp(-0.06 * lengths))
    >>> fit = fit_uniform_object(p, beam, ImageGrid.square(80, fov_mm=40.0), attenuation_per_mm=0.04)
    >>> fit.rms_residual < 0.02
    True
    """
    measured = real_image("sinogram", sinogram, 2, beam.shape)
    fit: HardeningFit | None = None
    target = None if attenuation_per_mm is None else positive("attenuation_per_mm", attenuation_per_mm)
    for _ in range(_PASSES):
        corrected = measured if fit is None else linearize(measured, fit.coefficients)
        image = fbp(corrected, beam, grid, window="hann")
        if not float(np.ptp(image)) > 0:
            raise ValueError("sinogram must hold an object, got an image of one value")
        inside = image > threshold_otsu(image)
        if target is None:
            target = float(image[inside].mean())
        lengths = project(inside.astype(measured.dtype), beam, grid)
        used = lengths > _LEAST_LENGTH * lengths.max()
        fit = fit_water_polynomial(measured[used], lengths[used], attenuation_per_mm=target, degree=degree)
    assert fit is not None
    return fit
