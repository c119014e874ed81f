"""Scans of digital MR phantoms at drawn poses, with what a protocol should find in them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from scipy import special, stats

from imgtech.geometry import ImageGrid
from imgtech.io import Series, SeriesTags
from imgtech.phantoms import CoilSensitivities
from imgtech.phantoms.twins import MrTwin, Placement, acr_mri_drawing, cosine_shading

WATER = 1000.0
ROLES = (1, 5, 7, 8, 9, 10, 11)


@dataclass(frozen=True, kw_only=True)
class MrScan:
    """How an ACR MRI twin is scanned."""

    placement: Placement = field(default_factory=Placement)
    grid: ImageGrid = field(default_factory=lambda: ImageGrid.square(256, fov_mm=250.0))
    thickness_mm: float = 5.0
    off_mm: float = 0.0
    sigma: float = 10.0
    shading: float = 0.08
    shading_rad: float = 0.4
    period_mm: float = 420.0
    ghost: float = 0.0
    field_t: float = 1.5
    roles: tuple[int, ...] = ROLES

    @property
    def sensitivity(self) -> CoilSensitivities:
        """One coil that shades the image along one direction."""
        return cosine_shading(depth=self.shading, period_mm=self.period_mm, angle_rad=self.shading_rad)

    def positions_mm(self, roles_mm: dict[int, float]) -> np.ndarray:
        """Where the slices lie along the stack, ascending."""
        sign = -1.0 if self.placement.reversed else 1.0
        z = np.array([roles_mm[r] + self.off_mm for r in self.roles])
        return np.sort(self.placement.z_mm + sign * z)

    def series(self, twin: MrTwin, rng: np.random.Generator) -> Series:
        """Magnitude images with noise, as a reader would return them."""
        positions = self.positions_mm(acr_mri_drawing(twin.name.split()[-1]).roles_mm)
        pixels = twin.images(
            self.grid,
            positions,
            thickness_mm=self.thickness_mm,
            placement=self.placement,
            sensitivity=self.sensitivity,
            ghost=1j * self.ghost,
            sigma=self.sigma,
            rng=rng,
        )
        return as_series(pixels, self.grid, positions, self.field_t)


def as_series(pixels: np.ndarray, grid: ImageGrid, positions: Iterable[float], field_t: float) -> Series:
    """Images as an MR series with the place of its grid."""
    y, x = grid.coordinates_mm
    return Series(
        pixels=pixels,
        spacing_mm=grid.spacing_mm,
        positions_mm=np.asarray(positions),
        slice_thickness_mm=5.0,
        modality="MR",
        origin_mm=(float(x[0]), float(y[0]), float(np.min(positions))),
        tags=SeriesTags(
            field_strength_t=field_t,
            echo_time_ms=20.0,
            repetition_time_ms=500.0,
            bandwidth_hz_per_pixel=130.0,
            averages=1.0,
            series_description="digital twin",
            manufacturer="imgtech",
        ),
    )


def drawn_scan(rng: np.random.Generator, *, sigma: float, off_mm: float | None = None) -> MrScan:
    """Any rotation, +-20 mm, both mirror images and slice orders."""
    return MrScan(
        placement=Placement(
            center_mm=(rng.uniform(-20, 20), rng.uniform(-20, 20)),
            z_mm=rng.uniform(-50, 50),
            roll_rad=rng.uniform(-math.pi, math.pi),
            mirrored=bool(rng.integers(2)),
            reversed=bool(rng.integers(2)),
        ),
        grid=ImageGrid(shape=(288, 280), spacing_mm=(0.98, 0.98)),
        thickness_mm=rng.uniform(4.5, 5.6),
        off_mm=rng.uniform(-2, 2) if off_mm is None else off_mm,
        sigma=sigma,
        shading=rng.uniform(0.02, 0.15),
        shading_rad=rng.uniform(-math.pi, math.pi),
        ghost=rng.uniform(0.004, 0.02),
    )


def acr_truth(scan: MrScan, twin: MrTwin) -> dict[str, float]:
    """True value of every item; the signal-to-noise ratio by the noise that was added."""
    drawing = acr_mri_drawing(twin.name.split()[-1])
    high, wide = (twin.facts[f"{way} diameter"] / 2 for way in ("vertical", "horizontal"))
    truth = {"slice thickness": scan.thickness_mm}
    for role in (1, 5):
        truth[f"diameter slice {role} vertical"] = 2 * high
        truth[f"diameter slice {role} horizontal"] = 2 * wide
    diagonal = 2 / math.hypot(math.sqrt(0.5) / wide, math.sqrt(0.5) / high)
    truth["diameter slice 5 falling diagonal"] = truth["diameter slice 5 rising diagonal"] = diagonal
    for role in (1, 11):
        truth[f"bar length difference slice {role}"] = 2 * scan.off_mm
    for role in (8, 9, 10, 11):
        # the sheet is as thick as before in a slice of another thickness
        truth[f"contrast slice {role}"] = 100 * _contrast(
            twin.facts[f"contrast of slice {role}"] * 5.0 / scan.thickness_mm
        )
    truth["percent integral uniformity"] = shading_piu(scan, drawing.uniform_area_mm2)
    truth |= _ghosts(scan, high, drawing.uniform_area_mm2)
    truth["signal-to-noise ratio"] = WATER * _mean_shading(scan, drawing.uniform_area_mm2) / scan.sigma
    return truth


def _contrast(share: float) -> float:
    """Height over what lies beside it."""
    return share / (1 - share)


def _ghosts(scan: MrScan, radius_mm: float, area_mm2: float) -> dict[str, float]:
    """The number of the ACR text, with the noise floor of magnitudes, and the height of the ghost itself."""
    cy, cx = scan.placement.center_mm
    half, level = scan.grid.fov_mm[0] / 2, WATER * _shade(scan, (cy, cx), math.sqrt(area_mm2 / math.pi))
    heights = []
    for side in (-1, 1):
        y = cy + side * radius_mm + (side * half - cy - side * radius_mm) / 2
        heights.append(scan.ghost * WATER * _shade(scan, (y - side * half, cx), 15.0))
    means = [float(stats.rice.mean(h / scan.sigma, scale=scan.sigma)) for h in heights]
    floor = scan.sigma * math.sqrt(math.pi / 2)
    return {
        "percent signal ghosting": 50 * (sum(means) - 2 * floor) / level,
        "ghosting without the noise floor": 100 * math.sqrt(np.mean(np.square(heights))) / level,
    }


def _shade(scan: MrScan, at: tuple[float, float], radius_mm: float) -> float:
    s = at[1] * math.cos(scan.shading_rad) + at[0] * math.sin(scan.shading_rad)
    wave = math.sin(2 * math.pi * s / scan.period_mm)
    return 1 + scan.shading * wave * _jinc(radius_mm, scan.period_mm)


def _uniform_center(scan: MrScan) -> tuple[float, float]:
    return scan.placement.at(0.0, thickness_mm=1.0).to_image(5.0, 0.0)


def _jinc(radius_mm: float, period_mm: float) -> float:
    """Mean of a cosine over a disk, over its value in the middle."""
    a = 2 * math.pi * radius_mm / period_mm
    return float(2 * special.j1(a) / a)


def _mean_shading(scan: MrScan, area_mm2: float) -> float:
    return _shade(scan, _uniform_center(scan), math.sqrt(area_mm2 / math.pi))


def shading_piu(scan: MrScan, area_mm2: float, disk_mm2: float = 100.0) -> float:
    """PIU of the shading alone: the disk of 1 cm2 at all places along its direction."""
    cy, cx = _uniform_center(scan)
    s = cx * math.cos(scan.shading_rad) + cy * math.sin(scan.shading_rad)
    small = math.sqrt(disk_mm2 / math.pi)
    reach = math.sqrt(area_mm2 / math.pi) - small
    along = np.linspace(s - reach, s + reach, 4001)
    means = 1 + scan.shading * np.sin(2 * np.pi * along / scan.period_mm) * _jinc(small, scan.period_mm)
    return float(100 * (1 - np.ptp(means) / (means.max() + means.min())))
