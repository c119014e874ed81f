"""The CT number of a rod of a known material, with the uncertainty of its mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import special

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins import Insert, blurred_disk
from imgtech.qc.limit import Source
from imgtech.qc.measurement import Measurement
from imgtech.qc.protocols._ct_rods import find_rod, window
from imgtech.qc.protocols._ct_scan import CTScan, Indices
from imgtech.qc.protocols._ct_uniform import UniformField, scatter_in
from imgtech.qc.roi import disk_region, region_mean

Floats = npt.NDArray[np.float64]

SPILL_DOUBT = 0.3
_FEW_CLIPPED, _MOST_CLIPPED = 0.01, 0.6
_AROUND_MM = 5.0
_NOISELESS_HU = 0.5  # below, as in noiseless twins, many pixels of a rod are alike by nature
_ALGORITHM = "rod-mean-3"


def insert_mean(
    scan: CTScan,
    insert: Insert,
    indices: Indices,
    field: UniformField,
    *,
    region_mm: float,
    blur_mm: float,
    definition: Source,
) -> Measurement:
    """Mean of a region inside a rod.

    The uncertainty is what the means of disks of this size scatter by in the uniform module, by the ratio of
    the pixel noise here and there. What the blurred edge takes from the mean is added.
    """
    image, center = scan.image(indices), scan.place(indices, insert.center_mm)
    region = disk_region(scan.grid, center_mm=center, radius_mm=region_mm)
    box, y, x = window(scan.grid, center, region_mm)
    values = image[box][np.hypot(y - center[0], x - center[1]) <= region_mm]
    pixel = float(values.std(ddof=1))
    try:
        scatter = scatter_in(scan, field, region_mm)
        share = scatter.deviation_hu / max(scatter.pixel_hu, 1e-9)
        freedom = min(scatter.degrees_of_freedom, len(values) / 3)
    except ValueError:  # no uniform module in the scan: as if four neighbouring pixels were one
        share, freedom = 2.0 / math.sqrt(len(values)), max(len(values) / 4 - 1, 2.0)
    mean = region_mean(image, region)
    rod = find_rod(image, scan.grid, center, insert.radius_mm)
    clipped, doubt = _clipped(scan, indices, center, region_mm, mean, insert)
    mean -= clipped
    lost = lost_share(scan.grid, region, scan.places(indices, insert.center_mm), insert.radius_mm, blur_mm)
    spill = (mean - rod.around_hu) * lost / (1 - lost)
    return Measurement(
        name=insert.name,
        value=mean + spill,
        unit="HU",
        uncertainty=math.hypot(share * pixel, SPILL_DOUBT * spill, doubt),
        definition=definition,
        algorithm=_ALGORITHM,
        degrees_of_freedom=freedom,
        details={
            "nominal (HU)": insert.nominal_hu,
            "standard deviation (HU)": pixel,
            "added for the blurred edge (HU)": spill,
            "images": len(indices),
        },
    )


def check_top(scan: CTScan, indices: Indices, rod: Insert) -> None:
    """Refuse the rim of a rod that is cut off at the end of the scale.

    Raises
    ------
    ValueError
        If many pixels hold the highest value of the images.
    """
    box, _, _ = window(scan.grid, scan.place(indices, rod.center_mm), rod.radius_mm + _AROUND_MM)
    values, top = scan.pixels[indices][:, *box], float(scan.pixels.max())
    noise = float(np.median(np.abs(np.diff(values[0], axis=1))))
    if noise > _NOISELESS_HU and (values == top).mean() > _FEW_CLIPPED:
        raise ValueError(f"{rod.name} is cut off at {top:.0f} HU, the end of the scale of these images")


def _clipped(
    scan: CTScan,
    indices: Indices,
    center: tuple[float, float],
    region_mm: float,
    mean: float,
    insert: Insert,
) -> tuple[float, float]:
    """What the mean lies off because the noise is cut at the end of the scale, and a doubt of half of it.

    With the share p of pixels at the end c of the scale the mean of a normal distribution and its standard
    deviation follow from p and the mean of what is left, ``(M - c) / s = phi(a) - a (1 - p)``,
    ``p = Phi(a)`` for a lower end (Tobin's model).

    Raises
    ------
    ValueError
        If more than half of the pixels are at the end.
    """
    around, _, _ = window(scan.grid, center, insert.radius_mm + _AROUND_MM)
    noise = float(np.median(np.abs(np.diff(scan.pixels[indices[0]][around], axis=1))))
    if noise < _NOISELESS_HU:
        return 0.0, 0.0
    box, y, x = window(scan.grid, center, region_mm)
    inside = np.hypot(y - center[0], x - center[1]) <= region_mm
    values = scan.pixels[indices][:, *box][:, inside]
    for sign, end in ((1.0, float(scan.pixels.min())), (-1.0, float(scan.pixels.max()))):
        p = float((values == end).mean())
        if p < _FEW_CLIPPED:
            continue
        if p > _MOST_CLIPPED:
            raise ValueError(
                f"{100 * p:.0f} % of the pixels of {insert.name} hold {end:.0f} HU, the end of the scale of "
                "these images: its CT number is cut off"
            )
        a = float(special.ndtri(p))
        bell = math.exp(-a * a / 2) / math.sqrt(2 * math.pi)
        spread = abs(mean - end) / (bell - a * (1 - p))
        return sign * spread * (bell + a * p), 0.5 * spread * (bell + a * p)
    return 0.0, 0.0


def lost_share(
    grid: ImageGrid,
    region: Floats,
    centers_mm: Sequence[tuple[float, float]],
    radius_mm: float,
    blur_mm: float,
) -> float:
    """Share of the contrast of a rod that its blurred edge takes from the mean of a region inside.

    At the very pixels of the region, as the edge falls steeply within one of them, and for every slice of the
    mean, as a tilted rod wanders.
    """
    if blur_mm <= 0:
        return 0.0
    row, column = np.nonzero(region)
    y, x = grid.coordinates_mm
    held = [blurred_disk(np.hypot(y[row] - cy, x[column] - cx), radius_mm, blur_mm) for cy, cx in centers_mm]
    return max(1 - float(np.average(np.mean(held, axis=0), weights=region[row, column])), 0.0)
