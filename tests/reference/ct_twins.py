"""Scans of digital CT phantoms at drawn poses, with what a protocol should find in them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from imgtech.geometry import ImageGrid
from imgtech.io import Series, SeriesTags
from imgtech.phantoms.twins import (
    Placement,
    Twin,
    acr_ct_drawing,
    catphan,
    catphan_drawing,
    ct_noise_images,
    ct_noise_spectrum,
    disk_mean_deviation,
)


@dataclass(frozen=True, kw_only=True)
class Scan:
    """How a twin is scanned."""

    placement: Placement = field(default_factory=Placement)
    grid: ImageGrid = field(default_factory=lambda: ImageGrid(shape=(300, 290), spacing_mm=(0.84, 0.88)))
    thickness_mm: float = 2.5
    increment_mm: float = 2.5
    labelled_thickness_mm: float | None = None
    labelled_increment_mm: float | None = None
    reach_mm: tuple[float, float] = (-95.0, 60.0)
    sigma_mm: float = 0.7
    noise_hu: float = 10.0
    peak_per_mm: float = 0.28

    @property
    def positions_mm(self) -> np.ndarray:
        """Where the slices lie."""
        low, high = self.reach_mm
        ends = (-high, -low) if self.placement.reversed else (low, high)
        n = math.ceil((ends[1] - ends[0]) / self.increment_mm)
        return self.placement.z_mm + ends[0] + self.increment_mm * np.arange(n + 1)

    def series(self, twin: Twin, rng: np.random.Generator) -> Series:
        """Images with noise, as a reader would return them."""
        z = self.positions_mm
        pixels = twin.slices(
            self.grid, z, thickness_mm=self.thickness_mm, sigma_mm=self.sigma_mm, placement=self.placement
        )
        if self.noise_hu > 0:
            pixels = pixels + ct_noise_images(
                len(z), self.grid, sigma_hu=self.noise_hu, peak_per_mm=self.peak_per_mm, rng=rng
            )
        stretch = (self.labelled_increment_mm or self.increment_mm) / self.increment_mm
        return Series(
            pixels=pixels,
            spacing_mm=self.grid.spacing_mm,
            positions_mm=z[0] + stretch * (z - z[0]),
            slice_thickness_mm=self.labelled_thickness_mm or self.thickness_mm,
            modality="CT",
            tags=SeriesTags(tube_voltage_kv=120.0),
        )


def drawn_scan(rng: np.random.Generator, *, noise_hu: float, **changes: object) -> Scan:
    """Any rotation, up to 20 mm off the middle, up to 1 degree of tilt, either way round."""
    y, x = rng.uniform(-20, 20, size=2)
    placement = Placement(
        center_mm=(float(y), float(x)),
        z_mm=float(rng.uniform(-15, 15)),
        roll_rad=float(rng.uniform(-math.pi, math.pi)),
        tilt=tuple(float(t) for t in np.tan(np.deg2rad(rng.uniform(-1, 1, size=2)))),
        mirrored=bool(rng.integers(2)),
        reversed=bool(rng.integers(2)),
    )
    return Scan(placement=placement, noise_hu=noise_hu, **changes)


def catphan_truth(scan: Scan, twin: Twin, model: str = "504") -> dict[str, float]:
    """True values by the names of the items."""
    drawing, p = catphan_drawing(model), scan.placement
    truth = {f"CT number {insert.name}": twin.facts[insert.name] for insert in drawing.inserts}
    truth["roll"] = math.degrees(p.roll_rad)
    truth |= uniform_truth(scan, twin.facts[drawing.uniformity.name])
    if drawing.ramps:
        truth["slice thickness"] = scan.thickness_mm
        truth["slice increment"] = scan.increment_mm
        truth |= dict.fromkeys(("line top", "line right", "line bottom", "line left"), 50.0)
    truth["MTF50 Teflon rod"], truth["MTF10 Teflon rod"] = (frequency(scan, c) for c in (0.5, 0.1))
    for rod in drawing.rods:
        if rod.percent == 1.0 and rod.diameter_mm >= 5.0:
            truth[f"contrast 1 % rod {rod.diameter_mm:g} mm"] = 10.0
    return truth


def acr_ct_truth(scan: Scan, twin: Twin) -> dict[str, float]:
    """True values by the names of the items."""
    drawing = acr_ct_drawing()
    truth = {f"CT number {insert.name}": twin.facts[insert.name] for insert in drawing.inserts}
    truth["roll"] = math.degrees(scan.placement.roll_rad)
    truth |= uniform_truth(scan, twin.facts[drawing.uniformity.name], square_mm=54.0)
    truth["CNR"] = twin.facts["25 mm rod contrast"] / scan.noise_hu
    truth["distance of the beads"] = 100.0
    truth["MTF50 bone rod"], truth["MTF10 bone rod"] = (frequency(scan, c) for c in (0.5, 0.1))
    for group in drawing.bars:
        f = group.per_cm / 10
        truth[f"MTF {group.per_cm} lp/cm bars"] = math.exp(-2 * (math.pi * scan.sigma_mm * f) ** 2)
    return truth


def uniform_truth(
    scan: Scan, value_hu: float, square_mm: float = 44.0, highest_per_mm: float = 0.0
) -> dict[str, float]:
    """Of a uniform module, and of the tilt."""
    truth = {"CT number centre": value_hu, "noise": scan.noise_hu, "NPS peak frequency": scan.peak_per_mm}
    truth["ring artefact"] = 0.0
    truth |= {f"{side} minus centre": 0.0 for side in ("top", "right", "bottom", "left")}
    for name, slope in zip(("tilt up-down", "tilt left-right"), scan.placement.tilt, strict=True):
        truth[name] = math.degrees(math.atan(slope))
    f = np.linspace(0, highest_per_mm or _highest_ring(scan, square_mm), 4001)
    nps = ct_noise_spectrum(f, sigma_hu=1.0, peak_per_mm=scan.peak_per_mm)
    truth["NPS mean frequency"] = float((f * nps).sum() / nps.sum())
    scatter = disk_mean_deviation(
        scan.grid, radius_mm=2.5, sigma_hu=scan.noise_hu, peak_per_mm=scan.peak_per_mm
    )
    truth["lowest detectable contrast 5 mm"] = 2 * 1.645 * scatter
    return truth


def frequency(scan: Scan, level: float) -> float:
    """Where the MTF falls to a level."""
    return math.sqrt(math.log(1 / level) / 2) / math.pi / scan.sigma_mm


def _highest_ring(scan: Scan, square_mm: float = 44.0) -> float:
    """Where the mean frequency ends: the last whole ring of a square."""
    sizes = [round(square_mm / d) for d in scan.grid.spacing_mm]
    steps = [1 / (n * d) for n, d in zip(sizes, scan.grid.spacing_mm, strict=True)]
    lowest = min(n // 2 * step for n, step in zip(sizes, steps, strict=True))
    return (int(lowest / max(steps) + 1e-9) - 1) * max(steps)


__all__ = ["Scan", "acr_ct_truth", "catphan", "catphan_truth", "drawn_scan", "uniform_truth"]
