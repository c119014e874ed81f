"""Hounsfield units from what the image itself shows of air and water."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import FloatArray, real_image


@dataclass(frozen=True, kw_only=True)
class HounsfieldScale:
    """Two points of the scale as an image shows them.

    Parameters
    ----------
    air_per_mm, water_per_mm : float
        Mean attenuation in air (-1000 HU) and in water (0 HU).
    air_uncertainty_per_mm, water_uncertainty_per_mm : float
        Standard deviation over the region divided by the square root of its pixels; pixel noise of CT is
        correlated, so the true uncertainty is larger.
    """

    air_per_mm: float
    water_per_mm: float
    air_uncertainty_per_mm: float
    water_uncertainty_per_mm: float


def measure_hounsfield_scale(
    image_per_mm: npt.ArrayLike, *, air: npt.ArrayLike, water: npt.ArrayLike
) -> HounsfieldScale:
    """Measure attenuation in a region of air and in one of water.

    Parameters
    ----------
    image_per_mm : array_like
        Attenuation in 1/mm, 2 or 3 axes.
    air, water : array_like of bool
        Masks of the shape of the image, well inside the two materials.

    Returns
    -------
    HounsfieldScale
        Means and their statistical uncertainties, for :func:`apply_hounsfield_scale`.

    Raises
    ------
    ValueError
        If the image is not finite, a mask has another shape or fewer than 2 pixels, or water does not lie
        above air.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ct.corrections import apply_hounsfield_scale, measure_hounsfield_scale
    >>> image = np.array([[0.001, 0.001, 0.021, 0.021, 0.011]])
    >>> air, water = image < 0.005, image > 0.02
    >>> scale = measure_hounsfield_scale(image, air=air, water=water)
    >>> apply_hounsfield_scale(image, scale).round(6)
    array([[-1000., -1000.,     0.,     0.,  -500.]])
    """
    image = real_image("image_per_mm", image_per_mm, (2, 3))
    found = {}
    for name, mask in (("air", air), ("water", water)):
        chosen = np.asarray(mask, dtype=bool)
        if chosen.shape != image.shape:
            raise ValueError(f"{name} must have the shape {image.shape} of the image, got {chosen.shape}")
        values = image[chosen].astype(np.float64)
        if values.size < 2:
            raise ValueError(f"{name} must hold at least 2 pixels, got {values.size}")
        found[f"{name}_per_mm"] = float(values.mean())
        found[f"{name}_uncertainty_per_mm"] = float(values.std(ddof=1)) / math.sqrt(values.size)
    scale = HounsfieldScale(**found)
    if not scale.water_per_mm > scale.air_per_mm:
        raise ValueError(
            f"water must attenuate more than air, got {scale.water_per_mm:.4g} "
            f"and {scale.air_per_mm:.4g} per mm"
        )
    return scale


def apply_hounsfield_scale(image_per_mm: npt.ArrayLike, scale: HounsfieldScale) -> FloatArray:
    r"""Convert attenuation to HU so that the measured air is -1000 and the measured water 0.

    .. math:: 1000 \, (\mu - \mu_w) / (\mu_w - \mu_a)

    With no attenuation in air it is :func:`imgtech.recon.ct.to_hounsfield`; scatter and hardening lift air
    above zero.

    Parameters
    ----------
    image_per_mm : array_like
        Attenuation in 1/mm, 2 or 3 axes.
    scale : HounsfieldScale
        From :func:`measure_hounsfield_scale`.

    Returns
    -------
    numpy.ndarray
        Image in HU; float64 for float64, float32 otherwise.

    Raises
    ------
    ValueError
        If the image is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.ct.corrections import HounsfieldScale, apply_hounsfield_scale
    >>> scale = HounsfieldScale(air_per_mm=0.0, water_per_mm=0.02, air_uncertainty_per_mm=0.0,
    ...                         water_uncertainty_per_mm=0.0)
    >>> apply_hounsfield_scale(np.array([[0.03]]), scale)
    array([[500.]])
    """
    image = real_image("image_per_mm", image_per_mm, (2, 3))
    span = scale.water_per_mm - scale.air_per_mm
    return image * (1000.0 / span) - 1000.0 * scale.water_per_mm / span
