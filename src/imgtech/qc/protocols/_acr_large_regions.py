"""Regions of slice 7 of the ACR large MRI phantom."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from imgtech.qc.protocols._acr_large_drawing import (
    AIR_GAP_MM,
    AIR_RADIUS_MM,
    UNIFORM_AREA_MM2,
    UNIFORM_SHIFT_MM,
)
from imgtech.qc.protocols._acr_large_scan import Scan
from imgtech.qc.roi import disk_region

Floats = npt.NDArray[np.float64]

UNIFORM_RADIUS_MM = math.sqrt(UNIFORM_AREA_MM2 / math.pi)
_MIN_CORNERS = 2
_MOST_ZERO = 0.2


def uniform_center_mm(scan: Scan) -> tuple[float, float]:
    """Centre of the large region: 5 mm away from the notch at the top of the phantom."""
    y, x = scan.pose_in(7).to_image_mm(UNIFORM_SHIFT_MM, 0.0)
    return float(y), float(x)


def uniform_region(scan: Scan) -> Floats:
    """Disk of 200 cm2 inside slice 7."""
    return disk_region(scan.grid, center_mm=uniform_center_mm(scan), radius_mm=UNIFORM_RADIUS_MM)


def air_centers_mm(scan: Scan) -> list[tuple[float, float]]:
    """Centres of the air disks along the diagonals of the image, where ghosts along its axes do not lie."""
    rim = scan.disk(7)
    away = (rim.radius_mm + AIR_GAP_MM + AIR_RADIUS_MM) / math.sqrt(2)
    half = [f / 2 for f in scan.grid.fov_mm]
    found = []
    for sy, sx in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        center = rim.center_mm[0] + sy * away, rim.center_mm[1] + sx * away
        if all(abs(c) + AIR_RADIUS_MM <= h for c, h in zip(center, half, strict=True)):
            found.append(center)
    return found


def air_region(scan: Scan) -> tuple[Floats, float]:
    """Disks in the air at the corners of the image, and the step of its grey values."""
    centers = air_centers_mm(scan)
    if len(centers) < _MIN_CORNERS:
        raise ValueError("the image leaves no room for air at two of its corners")
    region = np.zeros(scan.grid.shape)
    for center in centers:
        region += disk_region(scan.grid, center_mm=center, radius_mm=AIR_RADIUS_MM)
    values = scan.image(7)[region > 0.5]
    zero = float(np.mean(values == 0.0))
    if zero > _MOST_ZERO:
        raise ValueError(
            f"{100 * zero:.0f} % of the air is exactly zero: masked, or noise below the rounding"
        )
    different = np.unique(values)
    step = float(np.min(np.diff(different))) if len(different) > 1 else 0.0
    if values.std() < step:
        raise ValueError(f"the noise in the air is below one step of the grey values ({step:.3g})")
    return np.minimum(region, 1.0), step
