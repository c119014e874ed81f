"""Bands, rings, streaks, ghosts and flat fields against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from imgtech.geometry import ImageGrid
from imgtech.qc.metrics import (
    flat_field_uniformity,
    ghost_ratio,
    line_artefact,
    nyquist_ghost,
    ring_artefact,
    streak_artefact,
)

GRID = ImageGrid(shape=(121, 130), spacing_mm=(0.8, 0.8), center_mm=(3.0, -5.0))
CENTER = (4.0, -6.0)
DY, DX = GRID.coordinates_mm[0][:, None] - CENTER[0], GRID.coordinates_mm[1] - CENTER[1]
RADIUS, TURN = np.hypot(DY, DX), np.arctan2(DY, DX)


@pytest.mark.parametrize("along", ["y", "x"])
def test_a_dead_line_is_named_and_has_its_share(along: str, rng: np.random.Generator) -> None:
    image = 200 + 0.05 * DX + 1e-3 * RADIUS**2 + 2 * rng.standard_normal(GRID.shape)
    region = np.zeros(GRID.shape)
    region[10:110, 15:125] = 1
    if along == "y":
        image[:, 77] -= 9.0
    else:
        image[33] -= 9.0
    m = line_artefact(image, region, along=along)
    line, n = (77, 110) if along == "y" else (33, 100)
    assert m.details["largest at line"] == line
    assert m.details["clear at line"] == str(line)
    assert m.details["largest"] == pytest.approx(-9.0, abs=0.8)
    assert abs(m.value - 9 / math.sqrt(n)) < 3 * m.uncertainty
    other = line_artefact(image, region, along="x" if along == "y" else "y")
    assert other.value < 2.5 * other.uncertainty


@pytest.mark.parametrize("blur", [0.0, 0.9])
def test_noise_alone_is_no_artefact(blur: float, rng: np.random.Generator) -> None:
    held = np.zeros(3)
    for _ in range(40):
        noise = rng.standard_normal(GRID.shape)
        image = 50 + 3 * (ndimage.gaussian_filter(noise, blur, mode="wrap") if blur else noise)
        found = (
            line_artefact(image, np.ones(GRID.shape)),
            ring_artefact(image, GRID, center_mm=CENTER, radii_mm=(6.0, 42.0)),
            streak_artefact(image, GRID, center_mm=CENTER, radii_mm=(12.0, 44.0)),
        )
        held += [m.interval()[0] <= 1e-9 for m in found]
    assert (held >= 34).all(), held


def test_rings_and_streaks_are_told_apart(rng: np.random.Generator) -> None:
    noise = rng.standard_normal(GRID.shape)
    ring = 100 + 3.0 * (np.abs(RADIUS - 25.2) < 0.8) + noise
    ray = 100 + 3.0 * ((np.abs(TURN - 0.7) < 0.03) & (RADIUS > 5)) + noise
    of_ring = ring_artefact(ring, GRID, center_mm=CENTER, radii_mm=(5.0, 42.0))
    assert of_ring.details["largest at radius (mm)"] == pytest.approx(25.2, abs=0.8)
    assert of_ring.details["largest over its noise"] > 15
    assert ring_artefact(ray, GRID, center_mm=CENTER, radii_mm=(5.0, 42.0)).value < 0.1
    of_ray = streak_artefact(ray, GRID, center_mm=CENTER, radii_mm=(12.0, 44.0))
    assert of_ray.details["largest at direction (rad)"] == pytest.approx(0.7, abs=0.03)
    assert streak_artefact(ring, GRID, center_mm=CENTER, radii_mm=(12.0, 44.0)).value < 0.15


def test_a_ghost_below_the_noise_has_its_height_and_means_would_not(rng: np.random.Generator) -> None:
    object_, ghost, air = (np.zeros((100, 92)) for _ in range(3))
    object_[30:60, 20:70], ghost[2:26, 22:66], air[:, :17] = 1, 1, 1
    found = []
    for _ in range(60):
        field = 70 * (object_ + 0.01 * np.exp(2j) * ghost) + rng.standard_normal((100, 92))
        m = ghost_ratio(np.abs(field + 1j * rng.standard_normal((100, 92))), object_, ghost, air)
        found.append((m.value**2, m.details["ratio of means (%)"]))
    power, means = np.mean(found, axis=0)
    assert math.sqrt(power) == pytest.approx(1.0, abs=0.06)
    assert means < 0.8


@pytest.mark.parametrize("axis", ["y", "x"])
def test_half_field_ghosts_of_large_objects_are_read_beside_the_object(axis, rng) -> None:
    object_, air = np.zeros((96, 96)), np.zeros((96, 96))
    object_[14:80, 20:76], air[:, :15] = 1, 1
    field = 150 * (object_ + 0.03 * np.roll(object_, 48, axis=0)) + rng.standard_normal((96, 96))
    image = np.abs(field + 1j * rng.standard_normal((96, 96)))
    if axis == "x":
        image, object_, air = image.T, object_.T, air.T
    m = nyquist_ghost(image, object_, air, phase_axis=axis)
    assert abs(m.value - 3) < 3 * m.uncertainty
    assert m.uncertainty < 0.1


def test_flat_field_indices_are_those_written_out() -> None:
    y, x = np.mgrid[0:160, 0:210]
    clean = 500 + 0.3 * x - 0.1 * y
    clean[73:83, 105:115] += 15  # one tile of 10 by 10 pixels, of which the corners lie at odd places
    whole, local = flat_field_uniformity(clean, (1.0, 1.0), tile_mm=10.0, margin_mm=10.0)
    tiles = clean[10:150, 10:200].reshape(14, 10, 19, 10).mean(axis=(1, 3))
    worst = max(
        abs(tiles[i, j] - (box.sum() - tiles[i, j]) / (box.size - 1))
        for i in range(14)
        for j in range(19)
        for box in [tiles[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]]
    )
    mean = tiles.mean()
    assert whole.details["as seen (%)"] == pytest.approx(100 * np.ptp(tiles) / mean)
    assert local.details["as seen (%)"] == pytest.approx(100 * worst / mean)
    assert whole.value == pytest.approx(100 * np.ptp(tiles) / mean, rel=0.01)


def test_tiles_are_square_in_millimetres_for_pixels_that_are_not() -> None:
    """Lines of 0.5 mm and columns of 1.25 mm: tiles of 20 by 8 pixels, seven by seven between the margins."""
    clean = np.full((180, 72), 300.0)
    clean[20 + 40 : 20 + 60, 8 + 24 : 8 + 32] = 330.0
    whole, _ = flat_field_uniformity(clean, (0.5, 1.25), tile_mm=10.0, margin_mm=10.0)
    assert whole.details["tiles"] == 49
    mean = (48 * 300 + 330) / 49
    assert whole.details["as seen (%)"] == pytest.approx(100 * 30 / mean)


def test_what_cannot_be_measured_is_refused_with_the_reason(rng: np.random.Generator) -> None:
    image = np.abs(100 + rng.standard_normal(GRID.shape))
    whole = np.ones(GRID.shape)
    with pytest.raises(ValueError, match="along must be one of"):
        line_artefact(image, whole, along="z")
    small = np.zeros(GRID.shape)
    small[:20, :8] = 1
    with pytest.raises(ValueError, match="at least 11 lines"):
        line_artefact(image, small)
    with pytest.raises(ValueError, match="inside the image along y"):
        ring_artefact(image, GRID, center_mm=CENTER, radii_mm=(5.0, 60.0))
    with pytest.raises(ValueError, match="radii_mm must rise"):
        streak_artefact(image, GRID, center_mm=CENTER, radii_mm=(20.0, 10.0))
    with pytest.raises(ValueError, match="not negative"):
        ghost_ratio(-image, whole, whole, whole)
    with pytest.raises(ValueError, match="stand above the noise"):
        ghost_ratio(image, whole, whole, whole)
    with pytest.raises(ValueError, match="even number"):
        nyquist_ghost(image, whole, whole)
    with pytest.raises(ValueError, match="5 by 5 tiles"):
        flat_field_uniformity(image, (0.8, 0.8), tile_mm=30.0)
    with pytest.raises(ValueError, match="positive mean"):
        flat_field_uniformity(-image, (0.8, 0.8))
    image[3, 4] = np.nan
    with pytest.raises(ValueError, match="image must be finite"):
        line_artefact(image, whole)
