"""Images of the ultrasound twin at drawn poses, with what the protocol should find in them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from imgtech.geometry import ImageGrid
from imgtech.io import Series, series_from_grid
from imgtech.phantoms.twins import Placement, UsTwin
from imgtech.qc import Report
from imgtech.qc.protocols import us_multipurpose

GRID = ImageGrid(shape=(851, 261), spacing_mm=(0.1, 0.23), center_mm=(43.0, 0.0))
RATIO = 1.4


@dataclass(frozen=True)
class UsScan:
    """Two images of one phantom and what the user tells."""

    series: Series
    repeat: Series | None
    phantom_speed_m_s: float = 1540.0
    db_per_level: float | None = None
    scanner_speed_m_s: float = 1540.0

    def measured(self, **more) -> Report:
        """The report of the protocol."""
        return us_multipurpose(
            self.series,
            repeat=self.repeat,
            phantom_speed_m_s=self.phantom_speed_m_s,
            scanner_speed_m_s=self.scanner_speed_m_s,
            db_per_level=self.db_per_level,
            **more,
        )


def us_placement(rng: np.random.Generator, *, shift_mm: float = 20.0) -> Placement:
    """Up to 5 degrees and ``shift_mm`` off the middle, mirrored or not; 2.5 mm up or down."""
    mirrored = bool(rng.integers(2))
    return Placement(
        center_mm=(
            float(rng.uniform(-1.5, 3.5)),
            (5.0 if mirrored else -5.0) + float(rng.uniform(-1, 1)) * shift_mm,
        ),
        roll_rad=math.radians(float(rng.uniform(-5, 5))),
        mirrored=mirrored,
    )


def us_twin(rng: np.random.Generator, noise_depth_mm: float, speed_m_s: float) -> UsTwin:
    """Scales off by up to 2 %, and depths by the speeds of sound."""
    off = 1 + rng.uniform(-0.02, 0.02, 2)
    return UsTwin(noise_depth_mm=noise_depth_mm, scale=(float(off[0]) * 1540.0 / speed_m_s, float(off[1])))


def drawn_us(rng: np.random.Generator, noise_depth_mm: float) -> tuple[UsScan, dict[str, float]]:
    """Two envelopes."""
    speed = float(rng.uniform(1500.0, 1560.0))
    place, twin = us_placement(rng), us_twin(rng, noise_depth_mm, speed)
    images = twin.images(GRID, placement=place, rng=rng, n_images=2)
    one, two = (series_from_grid(image, GRID, modality="US") for image in images)
    return UsScan(one, two, speed), us_truth(twin, place, speed)


def grey(envelope: np.ndarray, span_db: float, largest: float) -> np.ndarray:
    """Grey levels of a logarithmic scale, as a scanner rounds them."""
    decibels = 20 * np.log10(np.maximum(envelope / largest, 1e-9))
    return np.clip(np.rint(255 * (1 + decibels / span_db)), 0, 255)


def drawn_us_grey(
    rng: np.random.Generator, noise_depth_mm: float, told: bool
) -> tuple[UsScan, dict[str, float]]:
    """Two images of grey levels, whose scale the user tells or not."""
    scan, truth = drawn_us(rng, noise_depth_mm)
    span = float(rng.uniform(60.0, 80.0))
    largest = 1.05 * max(float(s.pixels.max()) for s in (scan.series, scan.repeat))
    one, two = (
        series_from_grid(grey(s.pixels[0], span, largest), GRID, modality="US")
        for s in (scan.series, scan.repeat)
    )
    if not told:
        truth = {k: v for k, v in truth.items() if not k.startswith("CNR") and k != "speckle SNR"}
    return UsScan(one, two, scan.phantom_speed_m_s, span / 255 if told else None), truth


def us_truth(twin: UsTwin, place: Placement, speed_m_s: float, grid: ImageGrid = GRID) -> dict[str, float]:
    """True values by item."""
    drawing, power = twin.drawing, twin.power(grid, placement=place)
    widths, z_of = {}, {}
    for (v, u), (y, _) in zip(drawing.wires_mm, twin.places_mm(drawing.wires_mm, place), strict=True):
        if u == 0:
            z_of[v] = y
            widths[f"axial width at {v:g} mm"] = twin.axial_fwhm_mm
            widths[f"lateral width at {v:g} mm"] = float(twin.lateral_width_mm(y))
    slope = twin.noise_slope_db_per_mm
    truth = {
        "roll": math.degrees(place.roll_rad),
        "vertical distance error": 100 * (twin.scale[0] * speed_m_s / 1540.0 - 1),
        "horizontal distance error at 20 mm": 100 * (twin.scale[1] - 1),
        "horizontal distance error at 50 mm": 100 * (twin.scale[1] - 1),
        **widths,
        "lateral non-uniformity": 0.0,
        "shadows": 0.0,
        "depth of penetration": twin.noise_depth_mm - 10 * math.log10(RATIO**2 - 1) / slope,
    }
    y, x = grid.coordinates_mm
    plain = np.ones(grid.shape, dtype=bool)
    for cy, cx in twin.places_mm(drawing.wires_mm, place):
        plain &= ((y - cy) / 2.5)[:, None] ** 2 + ((x - cx) / 4.0) ** 2 > 1
    distances = []
    for target in drawing.targets:
        ((cy, cx),) = twin.places_mm([target.center_mm], place)
        distances.append(np.hypot((y[:, None] - cy) / twin.scale[0], (x - cx) / twin.scale[1]))
        plain &= distances[-1] > target.radius_mm + 1.4
    number = {"cyst": 0, "target": 0}
    for target, away in zip(drawing.targets, distances, strict=True):
        number[target.kind] += 1
        label = f"{target.kind} {number[target.kind]}"
        label += f" ({target.contrast_db:+g} dB)" if target.kind == "target" else ""
        disk = power[away <= 0.7 * target.radius_mm]
        ring = power[(away > target.radius_mm + 1.4) & (away <= target.radius_mm + 4.0) & plain]
        if disk.size and ring.size:
            truth[f"contrast {label}"] = 10 * math.log10(disk.mean() / ring.mean())
            truth[f"CNR {label}"], truth[f"gCNR {label}"] = rayleigh_contrast(disk, ring)
    v, u, height, width = drawing.uniform_mm
    ((cy, cx),) = twin.places_mm([(v, u)], place)
    dy, dx = (y[:, None] - cy) / twin.scale[0], (x - cx) / twin.scale[1]
    c, s = math.cos(place.roll_rad), math.sin(place.roll_rad)
    box = (np.abs(dy * c - dx * s) <= height / 2) & (np.abs(dy * s + dx * c) <= width / 2)
    if (box & plain).any():
        mean, square = moments(power[box & plain])
        truth["speckle SNR"] = mean / math.sqrt(square - mean**2)
    return truth


def moments(power: np.ndarray) -> tuple[float, float]:
    """Mean and mean square of envelopes that are Rayleigh distributed with these powers."""
    return float(np.sqrt(math.pi * power / 4).mean()), float(power.mean())


def rayleigh_contrast(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """CNR and gCNR of two regions of Rayleigh envelopes with these powers; gCNR by integration."""
    (m1, s1), (m2, s2) = moments(first), moments(second)
    cnr = abs(m1 - m2) / math.sqrt(s1 - m1**2 + s2 - m2**2)
    x = np.linspace(0, 5 * math.sqrt(max(first.max(), second.max())), 1500)[1:]
    densities = [
        np.mean(
            [2 * x / p * np.exp(-(x**2) / p) for p in np.quantile(part, (np.arange(40) + 0.5) / 40)], axis=0
        )
        for part in (first, second)
    ]
    return cnr, 1 - float(np.minimum(*densities).sum() * (x[1] - x[0]))
