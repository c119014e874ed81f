"""Find the bright object of an MR image, whatever its shape."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from imgtech.geometry import ImageGrid

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_HALF = 0.5
_SMALLEST_MM2 = 300.0
_CLEAR = 4.0
_MOST_ZERO = 0.2
_FINE_MM, _BROAD_MM = 1.5, 8.0
_STEP, _OVER_NOISE, _MOST_STEPPED = 0.08, 6.0, 0.02
_CLIPPED = 0.02
_BRIGHT, _BRIGHT_MM2 = 0.5, 30.0


@dataclass(frozen=True, kw_only=True, eq=False)
class MrObject:
    """The object of an image.

    Parameters
    ----------
    mask : numpy.ndarray
        Pixels above half of its signal, holes filled.
    depth_mm : numpy.ndarray
        Distance of every pixel inside from the edge.
    center_mm : tuple of float
        Centroid of the mask.
    area_mm2 : float
        Its area.
    signal : float
        Median signal inside.
    """

    mask: Bools
    depth_mm: Floats
    center_mm: tuple[float, float]
    area_mm2: float
    signal: float

    def inner(self, share: float) -> Floats:
        """Region of the pixels furthest from the edge that make up a share of the area."""
        inside = np.sort(self.depth_mm[self.mask])[::-1]
        least = inside[min(int(np.ceil(share * inside.size)), inside.size) - 1]
        return np.asarray(self.mask & (self.depth_mm >= least), dtype=np.float64)


def find_object(image: Floats, grid: ImageGrid) -> MrObject:
    """The largest piece above half of the bright level, counted from the air.

    Raises
    ------
    ValueError
        If nothing bright stands out, or it touches two opposite edges or fills a corner of the image.
    """
    smooth = ndimage.gaussian_filter(image, 1.0)
    low = float(np.percentile(smooth, 5))
    bright = float(np.percentile(smooth, 99.5))
    rough = smooth > low + 0.25 * (bright - low)
    level = float(np.median(smooth[rough])) if rough.any() else 0.0
    labels, n = ndimage.label(smooth > low + _HALF * (level - low))
    sizes = np.bincount(labels.ravel())[1:] if n else np.zeros(1)
    pixel = grid.spacing_mm[0] * grid.spacing_mm[1]
    if not n or sizes.max() * pixel < _SMALLEST_MM2:
        raise ValueError("no bright object was found in the image")
    mask = ndimage.binary_fill_holes(labels == 1 + int(np.argmax(sizes)))
    outside = image[~ndimage.binary_dilation(mask, iterations=3)]
    signal = float(np.median(image[mask]))
    if outside.size and signal < _CLEAR * max(float(np.median(outside)), 0.0):
        raise ValueError(
            f"the object ({signal:.3g}) does not stand out of what surrounds it ({np.median(outside):.3g})"
        )
    for axis, name in enumerate(("top and bottom", "left and right")):
        line = np.asarray(mask.any(axis=1 - axis))
        if line[0] and line[-1]:
            raise ValueError(f"the object must lie in the image, but reaches both {name} of it")
    if mask[0, 0] or mask[0, -1] or mask[-1, 0] or mask[-1, -1]:
        raise ValueError("the object must lie in the image, but fills a corner of it (padding?)")
    padded = np.pad(mask, 1)
    depth = ndimage.distance_transform_edt(padded, sampling=grid.spacing_mm)[1:-1, 1:-1]
    y, x = (c[i] for c, i in zip(grid.coordinates_mm, np.nonzero(mask), strict=True))
    return MrObject(
        mask=mask,
        depth_mm=depth,
        center_mm=(float(y.mean()), float(x.mean())),
        area_mm2=float(mask.sum()) * pixel,
        signal=signal,
    )


def check_even(image: Floats, grid: ImageGrid, found: MrObject, region: Floats) -> None:
    """Refuse an object with something inside: a signal that steps, not one that is shaded.

    Raises
    ------
    ValueError
        If more than 2 % of the region differ by 8 % from what lies around them. Bottles and floods of three
        coils have none, a bubble on top of a phantom 1 %, nine rods and two plates 4 %.
    """
    known = (found.depth_mm > 2.0).astype(np.float64)

    def mean(width_mm: float) -> Floats:
        sigma = [width_mm / d for d in grid.spacing_mm]
        share = ndimage.gaussian_filter(known, sigma)
        return np.asarray(ndimage.gaussian_filter(image * known, sigma) / np.maximum(share, 1e-6))

    inside = region > 0
    off = np.where(inside, mean(_FINE_MM) / np.maximum(mean(_BROAD_MM), 1e-12) - 1, 0.0)
    steps = np.diff(image, axis=1)[inside[:, 1:] & inside[:, :-1]]
    noise = 1.4826 * float(np.median(np.abs(steps))) / math.sqrt(2) / found.signal
    pixels = _FINE_MM**2 / (grid.spacing_mm[0] * grid.spacing_mm[1])
    stepped = np.abs(off) > max(_STEP, _OVER_NOISE * noise / math.sqrt(4 * math.pi * pixels))
    share = float(stepped[inside].mean())
    if share > _MOST_STEPPED:
        row, column = np.unravel_index(int(np.argmax(np.abs(off))), off.shape)
        y, x = (float(c[i]) for c, i in zip(grid.coordinates_mm, (row, column), strict=True))
        raise ValueError(
            f"the object must be uniform, but {100 * share:.0f} % of its inside differs from what lies "
            f"around, most at x = {x:.0f}, y = {y:.0f} mm from the middle of the image"
        )


def refuse_clipped(values: Floats, what: str) -> None:
    """Stop at grey values cut off at the top: many pixels share the highest one.

    Rounding alone gives fewer pixels at the highest value than at the one below it.

    Raises
    ------
    ValueError
        If twice as many pixels have the highest value as the next, and one in fifty has it.
    """
    different, counts = np.unique(values, return_counts=True)
    share = counts[-1] / counts.sum()
    if share > _CLIPPED and (len(counts) == 1 or counts[-1] > 2 * counts[-2]):
        raise ValueError(
            f"the grey values are clipped: {100 * share:.0f} % of {what} is at the highest value, "
            f"{different[-1]:g}"
        )


def refuse_bright(values: Floats, signal: float, grid: ImageGrid, what: str) -> None:
    """Stop at another object in the air: a ghost is fainter, noise far below.

    Raises
    ------
    ValueError
        If 30 mm2 or more are brighter than half of the signal of the object.
    """
    bright = float((values > _BRIGHT * signal).sum()) * grid.spacing_mm[0] * grid.spacing_mm[1]
    if bright > _BRIGHT_MM2:
        raise ValueError(
            f"{what} must hold air, but {bright:.0f} mm2 of it are brighter than half of the object"
        )


def air_of(found: MrObject, grid: ImageGrid, *, gap_mm: float = 15.0, edge_mm: float = 3.0) -> Floats:
    """Air in the four corners of the image, beside the strips along its axes where ghosts lie."""
    away = ndimage.distance_transform_edt(~found.mask, sampling=grid.spacing_mm)
    rows, columns = np.asarray(found.mask.any(axis=1)), np.asarray(found.mask.any(axis=0))
    strips = _widened(rows, 3)[:, None] | _widened(columns, 3)[None, :]
    air = (away > gap_mm) & ~strips
    for axis, d in enumerate(grid.spacing_mm):
        n = max(round(edge_mm / d), 1)
        air[(slice(None),) * axis + (slice(0, n),)] = False
        air[(slice(None),) * axis + (slice(-n, None),)] = False
    return air.astype(np.float64)


def rounding_step(values: Floats) -> float:
    """Step of the grey values of some air, or why they cannot tell the noise."""
    zero = float(np.mean(values == 0.0))
    if zero > _MOST_ZERO:
        raise ValueError(
            f"{100 * zero:.0f} % of the air is exactly zero: masked, or noise below the rounding"
        )
    different = np.unique(values)
    step = float(np.min(np.diff(different))) if len(different) > 1 else 0.0
    if values.std() < step:
        raise ValueError(f"the noise in the air is below one step of the grey values ({step:.3g})")
    return step


def _widened(line: Bools, by: int) -> Bools:
    return np.asarray(ndimage.binary_dilation(line, iterations=by))
