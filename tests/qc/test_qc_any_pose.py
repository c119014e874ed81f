"""Ghosts, slice widths and distances at drawn poses equal what was put in, within the stated uncertainty."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import special

from imgtech.geometry import ImageGrid
from imgtech.qc import Measurement
from imgtech.qc.metrics import (
    distance,
    find_points,
    ghost_ratio,
    percent_signal_ghosting,
    plate_signal,
    slice_width,
)
from imgtech.qc.roi import disk_region, rectangle_region

Draw = Callable[[np.random.Generator], tuple[Measurement, float]]


def ghost_beside_a_turned_object(rng: np.random.Generator) -> tuple[Measurement, float]:
    """A rectangle at any angle with its complex ghost of 2 to 6 %; noise of a 1/60 of it."""
    grid = ImageGrid(shape=(110, 124), spacing_mm=(1.2, 0.9), center_mm=(4.0, -2.0))
    angle, shift = rng.uniform(0, math.pi), rng.uniform(-4, 4, 2)
    ratio, snr = rng.uniform(2, 6), 60.0

    def box(y: float, x: float, share: float) -> np.ndarray:
        center = (4.0 + shift[0] + y, -2.0 + shift[1] + x)
        return rectangle_region(grid, center_mm=center, size_mm=(22 * share, 30 * share), angle_rad=angle)

    field = box(-20, -20, 1.0) + ratio / 100 * np.exp(2j) * box(22, 20, 1.0)
    noise = rng.standard_normal((2, *grid.shape))
    image = np.abs(snr * field + noise[0] + 1j * noise[1])
    air = disk_region(grid, center_mm=(38.0, -36.0), radius_mm=15.0)
    return ghost_ratio(image, box(-20, -20, 0.8), box(22, 20, 0.8), air), ratio


def ghost_of_the_large_phantom(rng: np.random.Generator) -> tuple[Measurement, float]:
    """Ghosts above and below a disk wherever it lies, drowned in noise of two thirds of their height."""
    grid = ImageGrid(shape=(250, 256), spacing_mm=(1.0, 0.98), center_mm=(2.0, -3.0))
    center = tuple(rng.uniform(-8, 8, 2) + np.array([2.0, -3.0]))
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    across, along = x - center[1], y - center[0]
    ghost = (np.abs(along) > np.abs(across)) & (np.hypot(across, along) > 97)
    phantom = disk_region(grid, center_mm=center, radius_mm=95.0)
    noise = rng.standard_normal((2, *grid.shape))
    image = np.abs(400 * phantom + 12 * ghost + 8 * (noise[0] + 1j * noise[1]))
    m = percent_signal_ghosting(image, grid, center_mm=center, radius_mm=95.0, noise_corrected=True)
    return m, 3.0


def crossed_plates(rng: np.random.Generator) -> tuple[Measurement, float]:
    """A slice of 3 to 8 mm through plates at 11.3 degrees, tilted up to 4 degrees, anywhere along them."""
    width, alpha = rng.uniform(3, 8), math.radians(11.3)
    tilt, middle = math.radians(rng.uniform(-4, 4)), rng.uniform(-8, 8)
    x = np.arange(-70.0, 70.0, 0.9)
    traces = []
    for side in (tilt, -tilt):
        length = width / math.tan(alpha + side)
        dark = special.ndtr((x - middle + length / 2) / 3) * special.ndtr((middle + length / 2 - x) / 3)
        profile = (550 + 0.8 * x + 0.03 * x**2) * (1 - 0.25 * dark) + rng.standard_normal(len(x))
        traces.append(plate_signal(x, profile, expected_mm=width / math.tan(alpha)))
    return slice_width(*traces), width


def two_markers(rng: np.random.Generator) -> tuple[Measurement, float]:
    """Blurred markers at any distance, direction and place between the pixels, with noise of 1/30."""
    grid = ImageGrid(shape=(120, 134), spacing_mm=(0.7, 0.6), center_mm=(-3.0, 5.0))
    angle, apart = rng.uniform(0, 2 * math.pi), rng.uniform(20, 55)
    middle = rng.uniform(-3, 3, 2) + np.array([-3.0, 5.0])
    places = [middle + side * apart / 2 * np.array([math.sin(angle), math.cos(angle)]) for side in (-1, 1)]
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    image = 40 + sum(90 * np.exp(-((y - b) ** 2 + (x - a) ** 2) / 2 / 1.1**2) for b, a in places)
    image = image + 3 * rng.standard_normal(grid.shape)
    guess = [tuple(place + rng.uniform(-0.8, 0.8, 2)) for place in places]
    return distance(find_points(image, grid, guess, radius_mm=4.0), 0, 1), apart


@pytest.mark.parametrize(
    ("draw", "most"),
    [
        (ghost_beside_a_turned_object, 0.2),
        (ghost_of_the_large_phantom, 0.2),
        (crossed_plates, 0.1),
        (two_markers, 0.1),
    ],
)
def test_what_was_put_in_comes_out_at_any_pose(rng: np.random.Generator, draw: Draw, most: float) -> None:
    found = [draw(rng) for _ in range(24)]
    pulls = np.array([(m.value - truth) / m.uncertainty for m, truth in found])
    # 95 % of pulls lie within two; of 24 at least 20 do in 99.7 % of all draws
    assert (np.abs(pulls) < 2).sum() >= 20
    assert np.abs(pulls).max() < 4.5
    # the root mean square of 24 pulls is known to 14 %
    assert 0.55 < np.sqrt(np.mean(pulls**2)) < 1.45
    assert abs(pulls.mean()) < 0.7
    assert all(m.uncertainty < most for m, _ in found)
