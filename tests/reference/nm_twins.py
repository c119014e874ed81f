"""Images of digital nuclear medicine phantoms at drawn poses, with what a protocol should find in them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.phantoms.twins import (
    Placement,
    blurred_ball,
    four_slits,
    gamma_counts,
    gamma_field,
    jaszczak,
    nema_body,
    quadrant_bars,
)
from imgtech.phantoms.twins.emission import JASZCZAK_SPHERES_MM, NEMA_SPHERES_MM
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


def _sphere_series(volume: np.ndarray, grid: ImageGrid, z: np.ndarray, modality: str) -> Series:
    return Series(
        pixels=volume,
        spacing_mm=grid.spacing_mm,
        positions_mm=z,
        slice_thickness_mm=float(z[1] - z[0]),
        modality=modality,
    )


def ball_disk_mean(diameter: float, sigma: float, height: float) -> float:
    """Mean of a blurred ball over a disk of its diameter, ``height`` above its middle."""
    r = (np.arange(400) + 0.5) / 400 * diameter / 2
    return float(np.average(blurred_ball(np.hypot(r, height), diameter / 2, sigma), weights=r))


def drawn_pet(rng: np.random.Generator, noise: float):
    """NEMA body phantom with noise of a share of the background; truth needs the slice used.

    The variance grows with the activity, as that of counts does.
    """
    place, sigma, ratio = drawn_placement(rng), 2.6, 4.0
    place = dataclasses.replace(place, z_mm=float(rng.uniform(-8, 8)))
    grid, z = ImageGrid(shape=(170, 174), spacing_mm=(2.2, 2.3)), np.arange(-62.0, 66.0, 2.9)
    volume = nema_body(grid, z, ratio=ratio, sigma_mm=sigma, placement=place)
    height = noise * np.sqrt(1000.0 * np.maximum(volume, 0.0))
    volume = volume + height * rng.standard_normal(volume.shape)

    def truth(report) -> dict[str, float]:
        out = {"roll": math.degrees(place.roll_rad), "background": 1000.0}
        if place.mirrored:
            out["roll"] += 180.0
        index = int(report.notes[-1].split("image ")[1].split(" ")[0]) - 1
        for d in NEMA_SPHERES_MM:
            share = ball_disk_mean(d, sigma, float(z[index] - place.z_mm))
            out[f"sphere to background {d:g} mm"] = 1 + (ratio - 1) * share
        return out

    return _sphere_series(volume, grid, z, "PT"), truth


def drawn_jaszczak(rng: np.random.Generator, noise: float):
    """Jaszczak cylinder with white noise of a share of the background."""
    place, sigma = drawn_placement(rng), 4.6
    place = dataclasses.replace(place, z_mm=float(rng.uniform(-8, 8)))
    grid, z = ImageGrid(shape=(84, 90), spacing_mm=(3.9, 4.1)), np.arange(-70.0, 74.0, 4.0)
    volume = jaszczak(grid, z, sigma_mm=sigma, placement=place)
    volume = volume + 1000.0 * noise * rng.standard_normal(volume.shape) * (volume > 100.0)

    def truth(report) -> dict[str, float]:
        roll = math.degrees(place.roll_rad)
        out = {"roll": 180.0 + roll if place.mirrored else roll, "background": 1000.0}
        index = int(report.notes[-1].split("image ")[1].split(" ")[0]) - 1
        for d in JASZCZAK_SPHERES_MM:
            out[f"contrast {d:g} mm"] = 100 * ball_disk_mean(d, sigma, float(z[index] - place.z_mm))
        return out

    return _sphere_series(volume, grid, z, "NM"), truth
