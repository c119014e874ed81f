"""The CT number of a rod of a known material, with the uncertainty of its mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

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
_ALGORITHM = "rod-mean-2"


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
    lost = lost_share(scan.grid, region, scan.places(indices, insert.center_mm), insert.radius_mm, blur_mm)
    around = find_rod(image, scan.grid, center, insert.radius_mm).around_hu
    spill = (mean - around) * lost / (1 - lost)
    return Measurement(
        name=insert.name,
        value=mean + spill,
        unit="HU",
        uncertainty=math.hypot(share * pixel, SPILL_DOUBT * spill),
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
