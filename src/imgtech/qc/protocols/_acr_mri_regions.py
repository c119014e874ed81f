"""Regions of slice 7 of an ACR MRI phantom."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from imgtech.qc.protocols._acr_mri_drawing import (
    AIR_EDGE_MM,
    AIR_GAP_MM,
    AIR_RADIUS_MM,
    UNIFORM_SHIFT_MM,
)
from imgtech.qc.protocols._acr_mri_scan import Scan
from imgtech.qc.protocols._mr_object import rounding_step
from imgtech.qc.roi import disk_region

Floats = npt.NDArray[np.float64]

_MIN_CORNERS = 2
_SAME_AIR = 2.0
_NOISE = 1.4  # rectified noise has a mean of 1.9 standard deviations or more; part of an object less


def uniform_radius_mm(scan: Scan) -> float:
    """Radius of the large region."""
    return math.sqrt(scan.drawing.uniform_area_mm2 / math.pi)


def uniform_center_mm(scan: Scan) -> tuple[float, float]:
    """Centre of the large region: 5 mm away from the notch at the top of the phantom."""
    y, x = scan.pose_in(7).to_image_mm(UNIFORM_SHIFT_MM, 0.0)
    return float(y), float(x)


def uniform_region(scan: Scan) -> Floats:
    """The large region, a disk inside slice 7."""
    return disk_region(scan.grid, center_mm=uniform_center_mm(scan), radius_mm=uniform_radius_mm(scan))


def air_centers_mm(scan: Scan, role: int = 7) -> list[tuple[float, float]]:
    """Centres of the air disks in the corners of the image, where ghosts along its axes hardly reach.

    A ghost half a field of view away reaches far along the diagonals, but not into the corners.
    """
    rim = scan.disk(role)
    gap = AIR_RADIUS_MM + AIR_EDGE_MM
    found = []
    for sy, sx in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        center = tuple(s * (f / 2 - gap) for s, f in zip((sy, sx), scan.grid.fov_mm, strict=True))
        away = math.dist(center, rim.center_mm)
        if away >= rim.radius_mm + AIR_GAP_MM + AIR_RADIUS_MM:
            found.append((center[0], center[1]))
    return found


def air_disks(scan: Scan, role: int = 7) -> list[Floats]:
    """Disks in the air at the corners of the image."""
    return [
        disk_region(scan.grid, center_mm=center, radius_mm=AIR_RADIUS_MM)
        for center in air_centers_mm(scan, role)
    ]


def air_power(scan: Scan, role: int) -> float:
    """Mean square of the air in the corners of a slice, their median; 0 without a corner."""
    image, disks = scan.image(role), air_disks(scan, role)
    return float(np.median([np.vdot(disk, image**2) / disk.sum() for disk in disks])) if disks else 0.0


def air_region(scan: Scan) -> tuple[Floats, float]:
    """Disks in the air at the corners of the image, and the step of its grey values."""
    image, disks = scan.image(7), air_disks(scan)
    if len(disks) < _MIN_CORNERS:
        raise ValueError("the image leaves no room for air at two of its corners")
    means = np.array([np.vdot(disk, image) / disk.sum() for disk in disks])
    quiet = [disk for disk, mean in zip(disks, means, strict=True) if mean <= _SAME_AIR * means.min()]
    region = np.minimum(np.sum(quiet, axis=0), 1.0)
    step = rounding_step(image[region > 0.5])
    parts = [image[disk > 0.5] for disk in quiet]
    if len(quiet) < _MIN_CORNERS or any(part.mean() < _NOISE * part.std() for part in parts):
        raise ValueError("something other than noise lies in the corners of the image")
    return region, step
