"""Metal: the channels behind it replaced by what the rest of the scan suggests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation, gaussian_filter

from imgtech._core.validate import FloatArray, one_of, positive, real_image
from imgtech.geometry import FanBeam, ImageGrid, ParallelBeam
from imgtech.recon.ct.corrections._project import project
from imgtech.recon.ct.corrections.bad_pixels import fill_bad_pixels
from imgtech.recon.ct.fbp import fbp

_TRACE = 0.02  # of the longest path in metal: shorter ones count as outside
_AIR, _SOFT = 0.5, 1.4  # of water: below the first air, up to the second soft tissue, above bone
_SMOOTH_PIXELS = 1.0
_LEAST_PRIOR = 0.05  # of the largest line integral of the prior


@dataclass(frozen=True, kw_only=True, eq=False)
class MetalReduction:
    """A sinogram without metal, and where the metal is.

    Parameters
    ----------
    sinogram : numpy.ndarray
        Line integrals ``(view, channel)`` with the channels behind metal replaced.
    metal : numpy.ndarray
        Mask ``(y, x)`` of the metal, to put back into the image.
    trace : numpy.ndarray
        Mask ``(view, channel)`` of the replaced values.
    """

    sinogram: FloatArray
    metal: npt.NDArray[np.bool_]
    trace: npt.NDArray[np.bool_]


def reduce_metal(
    sinogram: npt.ArrayLike,
    beam: ParallelBeam | FanBeam,
    grid: ImageGrid,
    *,
    metal_above_per_mm: float,
    water_per_mm: float,
    method: Literal["linear", "normalized"] = "normalized",
) -> MetalReduction:
    """Replace the line integrals through metal.

    Pixels above ``metal_above_per_mm`` are metal; their projection, a pixel wider,
    marks the trace. ``"linear"`` fills it
    along the channels by straight lines between its rims (Kalender et al. 1987). ``"normalized"`` makes a
    prior from the image of the linear fill (air, water, and bone as it is, slightly smoothed), divides the
    scan by the projection of the prior, fills the now flat ratio and multiplies back (Meyer et al. 2010),
    which keeps edges of bone that the straight lines miss.

    Parameters
    ----------
    sinogram : array_like
        Line integrals of one slice, ``(view, channel)``.
    beam : ParallelBeam or FanBeam
        The rays.
    grid : ImageGrid
        Pixels that hold the whole object.
    metal_above_per_mm : float
        Attenuation from which a pixel is metal.
    water_per_mm : float
        Attenuation of water: below half of it a pixel of the prior is air, up to 1.4 times water.
    method : {"linear", "normalized"}, optional
        How to fill the trace.

    Returns
    -------
    MetalReduction
        The new sinogram, the metal and the trace.

    Raises
    ------
    ValueError
        If the sinogram does not have the shape of the beam or is not finite, no pixel is metal, a view lies
        in the trace from end to end, or the threshold does not lie above water.

    References
    ----------
    Kalender, Hebel and Ebersberger, Radiology 164 (1987) 576-577

    Meyer, Raupach, Lell, Schmidt and Kachelriess 2010, https://doi.org/10.1118/1.3484090

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid, ParallelBeam
    >>> from imgtech.phantoms import uniform_disk
    >>> from imgtech.recon.ct.corrections import reduce_metal
    >>> beam = ParallelBeam.half_turn(n_views=60, n_channels=61, channel_spacing_mm=1.0)
    >>> water = uniform_disk(radius_mm=25.0, value=0.02).sinogram(beam)
    >>> pin = uniform_disk(radius_mm=2.0, value=1.0, center_mm=(3.0, 8.0)).sinogram(beam)
    >>> found = reduce_metal(water + pin, beam, ImageGrid.square(60, fov_mm=60.0),
    ...                      metal_above_per_mm=0.2, water_per_mm=0.02)
    >>> bool(abs(found.sinogram - water).max() < 0.05)
    True
    """
    measured = real_image("sinogram", sinogram, 2, beam.shape)
    one_of("method", method, ("linear", "normalized"))
    water = positive("water_per_mm", water_per_mm)
    limit = positive("metal_above_per_mm", metal_above_per_mm)
    if limit <= water:
        raise ValueError(f"metal_above_per_mm must lie above water at {water:.4g}, got {limit:.4g}")
    metal = fbp(measured, beam, grid, window="hann") > limit
    if not metal.any():
        raise ValueError(
            f"metal_above_per_mm must be reached in the image, got {limit:.4g} and no such pixel"
        )
    path_mm = project(binary_dilation(metal).astype(measured.dtype), beam, grid)
    trace = path_mm > _TRACE * path_mm.max()
    if trace.all(axis=1).any():
        raise ValueError("metal_above_per_mm must leave rays beside the metal in every view, got none in one")
    filled = fill_bad_pixels(measured, trace)
    if method == "normalized":
        prior = _prior(fbp(filled, beam, grid, window="hann"), metal, water)
        expected = project(prior.astype(measured.dtype), beam, grid)
        expected = np.maximum(expected, measured.dtype.type(_LEAST_PRIOR) * expected.max())
        filled = np.where(trace, fill_bad_pixels(measured / expected, trace) * expected, measured)
    return MetalReduction(sinogram=filled, metal=metal, trace=trace)


def _prior(image: FloatArray, metal: npt.NDArray[np.bool_], water: float) -> FloatArray:
    smooth = gaussian_filter(image, _SMOOTH_PIXELS)
    prior = np.where(smooth < _AIR * water, 0.0, np.where(smooth < _SOFT * water, water, smooth))
    return np.where(metal, water, prior)
