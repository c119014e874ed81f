"""Images of digital nuclear medicine phantoms at drawn poses, with what a protocol should find in them."""

from __future__ import annotations

import math

import numpy as np

from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.phantoms.twins import Placement, four_slits, gamma_counts, gamma_field, quadrant_bars
from imgtech.qc.metrics import flood_uniformity

BAR_GRID = ImageGrid(shape=(500, 530), spacing_mm=(1.05, 1.10))
FLOOD_GRID = ImageGrid(shape=(250, 262), spacing_mm=(2.05, 2.2))
_FWHM = math.sqrt(8 * math.log(2))


def one_image(counts: np.ndarray, grid: ImageGrid) -> Series:
    """A static image as a reader would return it."""
    return Series(
        pixels=np.asarray(counts, dtype=np.float64)[None],
        spacing_mm=grid.spacing_mm,
        positions_mm=np.zeros(1),
        slice_thickness_mm=None,
        modality="NM",
    )


def drawn_placement(rng: np.random.Generator) -> Placement:
    """Any rotation, up to 20 mm off the middle, mirrored or not."""
    y, x = rng.uniform(-20, 20, size=2)
    return Placement(
        center_mm=(float(y), float(x)),
        roll_rad=float(rng.uniform(-math.pi, math.pi)),
        mirrored=bool(rng.integers(2)),
    )


def drawn_flood(rng: np.random.Generator, counts: float) -> tuple[Series, dict[str, float]]:
    """A field with a slope and a broad spot; truth: the indices of the mean counts without noise."""
    slope = tuple(float(v) for v in rng.uniform(-0.02, 0.02, size=2))
    bump = float(rng.uniform(-0.04, 0.04))
    field = gamma_field(FLOOD_GRID, counts=counts, slope=slope, bump=bump)
    for axis in (0, 1):
        if rng.integers(2):
            field = np.flip(field, axis)
    field = np.roll(field, rng.integers(-8, 9, size=2), axis=(0, 1))
    truth = {"variance over mean": 1.0}
    for label in ("UFOV", "CFOV"):
        for m in flood_uniformity(field, FLOOD_GRID.spacing_mm, field=label.lower(), n_trials=20):
            truth[f"{m.name} {label}, noise taken off"] = float(m.details["index at these counts (%)"])
    return one_image(rng.poisson(field), FLOOD_GRID), truth


def drawn_bars(
    rng: np.random.Generator, counts: float, fwhm_mm: float = 3.4
) -> tuple[Series, dict[str, float]]:
    """Quadrant bars at a drawn pose."""
    place, twin = drawn_placement(rng), quadrant_bars()
    field = gamma_field(BAR_GRID, counts=counts, size_mm=(470.0, 540.0))
    image = gamma_counts(twin, BAR_GRID, field, fwhm_mm=fwhm_mm, placement=place, rng=rng)
    truth = {"FWHM all bars": fwhm_mm, "angle of the bars": math.degrees(place.roll_rad)}
    for k in range(1, 5):
        width = twin.facts[f"bar width {k}"]
        mtf = bar_modulation(width, fwhm_mm / _FWHM)
        truth[f"width bars {k}"] = width
        truth[f"MTF bars {k}"] = mtf
        truth[f"FWHM bars {k}"] = width * math.sqrt(16 * math.log(2) / math.pi**2 * math.log(1 / mtf))
    return one_image(image, BAR_GRID), truth


def bar_modulation(width_mm: float, sigma_mm: float) -> float:
    """Root of twice the variance over the mean of opaque bars behind a Gaussian blur, by numbers.

    A period is filled with error functions, not with harmonics.
    """
    from scipy.special import ndtr

    x = (np.arange(4000) + 0.5) / 4000 * 2 * width_mm
    wave = np.zeros(len(x))
    for k in range(-6, 7):
        wave += ndtr((x - 2 * k * width_mm) / sigma_mm) - ndtr((x - (2 * k + 1) * width_mm) / sigma_mm)
    return math.sqrt(2 * float(wave.var())) / float(wave.mean())


def drawn_slits(
    rng: np.random.Generator, counts: float, fwhm_mm: float = 3.6
) -> tuple[Series, dict[str, float]]:
    """Four slits of 1 mm, 100 mm apart, at a drawn pose."""
    place = drawn_placement(rng)
    field = gamma_field(BAR_GRID, counts=counts)
    image = gamma_counts(four_slits(), BAR_GRID, field, fwhm_mm=fwhm_mm, placement=place, rng=rng)
    truth = {}
    wide = _FWHM * math.sqrt((fwhm_mm / _FWHM) ** 2 + 1 / 12)
    for axis in ("x", "y"):
        truth |= {
            f"FWHM {axis}": wide,
            f"FWTM {axis}": wide * math.sqrt(math.log(10) / math.log(2)),
            f"separation {axis}": 100.0,
            f"pixel size difference {axis}": 0.0,
        }
    return one_image(image, BAR_GRID), truth
