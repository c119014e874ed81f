"""Percent integral uniformity of objects with a known shading."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from imgtech.geometry import ImageGrid
from imgtech.qc.measurement import Measurement
from imgtech.qc.metrics import percent_integral_uniformity
from imgtech.qc.roi import disk_region

GRID = ImageGrid(shape=(161, 170), spacing_mm=(1.2, 1.1), center_mm=(3.0, -7.0))
CENTER, RADIUS = (5.3, -4.1), 80.0
REGION = disk_region(GRID, center_mm=CENTER, radius_mm=RADIUS)
REACH = RADIUS - math.sqrt(100 / math.pi)
Y, X = np.meshgrid(GRID.coordinates_mm[0] - CENTER[0], GRID.coordinates_mm[1] - CENTER[1], indexing="ij")


def measure(image: np.ndarray) -> Measurement:
    return percent_integral_uniformity(image, GRID, REGION)


def piu(high: float, low: float) -> float:
    return 100 * (1 - (high - low) / (high + low))


@pytest.mark.parametrize("angle", [0.0, 0.7, 2.9])
def test_a_linear_shading_gives_the_closed_form(angle: float) -> None:
    """The mean of a plane in a disk is its value at the centre of the disk, at most ``REACH`` away."""
    slope = 0.002
    m = measure(400 * (1 + slope * (X * math.cos(angle) + Y * math.sin(angle))))
    assert m.value == pytest.approx(piu(1 + slope * REACH, 1 - slope * REACH), abs=0.1)
    for name, along in (("highest", REACH), ("lowest", -REACH)):
        dy, dx = m.details[f"{name} y (mm)"] - CENTER[0], m.details[f"{name} x (mm)"] - CENTER[1]
        assert dx * math.cos(angle) + dy * math.sin(angle) == pytest.approx(along, abs=0.6)


def test_a_bowl_gives_the_closed_form() -> None:
    """The mean of ``1 - b rho^2`` in a disk at distance d is ``1 - b (d^2 + r^2 / 2)``."""
    b, r = 2e-5, math.sqrt(100 / math.pi)
    m = measure(70 * (1 - b * (X**2 + Y**2)))
    assert m.value == pytest.approx(piu(1 - b * r**2 / 2, 1 - b * (REACH**2 + r**2 / 2)), abs=0.05)
    assert math.hypot(m.details["highest y (mm)"] - 5.3, m.details["highest x (mm)"] + 4.1) < 1.0


def test_a_small_spot_counts_by_its_share_of_the_disk() -> None:
    """A spot of 20 mm2 and half the signal lowers one disk of 100 mm2 by a tenth."""
    spot = disk_region(GRID, center_mm=(30.0, 10.0), radius_mm=math.sqrt(20 / math.pi))
    m = measure(100 * (1 - 0.5 * spot))
    assert m.details["acr value"] == pytest.approx(piu(1.0, 0.9), abs=0.1)
    assert math.hypot(m.details["lowest y (mm)"] - 30.0, m.details["lowest x (mm)"] - 10.0) < 4.0


@pytest.mark.parametrize("snr", [20.0, 80.0])
def test_noise_leaves_a_uniform_object_at_one_hundred(rng: np.random.Generator, snr: float) -> None:
    found = [measure(1 + rng.standard_normal(GRID.shape) / snr) for _ in range(12)]
    values, spreads = np.array([(m.value, m.uncertainty) for m in found]).T
    assert abs(values.mean() - 100) < spreads.mean()
    assert spreads.mean() < 6 / snr
    assert all(m.details["acr value"] < 100 - 20 / snr for m in found)


def test_the_raw_number_can_be_the_value_and_then_its_bias_is_in_the_uncertainty(
    rng: np.random.Generator,
) -> None:
    image = 1 + rng.standard_normal(GRID.shape) / 20
    raw = percent_integral_uniformity(image, GRID, REGION, noise_corrected=False)
    corrected = measure(image)
    assert raw.value == corrected.details["acr value"] == raw.details["acr value"]
    assert corrected.value == raw.details["corrected value"]
    assert raw.value is not None
    assert corrected.value is not None
    assert raw.uncertainty is not None
    low, high = raw.interval(0.95)
    assert high > corrected.value > raw.value + 1
    bias = corrected.value - raw.value
    assert (high - low) / 2 == pytest.approx(bias + 1.96 * corrected.uncertainty, rel=0.01)
    assert raw.algorithm != corrected.algorithm


def test_turning_and_moving_the_object_changes_nothing_beyond_a_third_of_a_percent() -> None:
    def value(angle: float, shift: tuple[float, float]) -> float:
        center = (CENTER[0] + shift[0], CENTER[1] + shift[1])
        y, x = (p - c for p, c in zip(np.meshgrid(*GRID.coordinates_mm, indexing="ij"), center, strict=True))
        u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
        image = 1 + 0.08 * np.sin(u / 40) - 0.05 * np.cos((v - 10) / 25) + 1e-3 * u
        region = disk_region(GRID, center_mm=center, radius_mm=72.0)
        found = percent_integral_uniformity(image, GRID, region).value
        assert found is not None
        return found

    straight = value(0.0, (0.0, 0.0))
    poses = [(0.4, (0.3, 0.7)), (1.3, (-6.1, 5.2)), (2.2, (2.4, -3.3)), (math.pi / 2, (4.0, 1.0))]
    changes = [abs(value(*pose) - straight) for pose in poses]
    assert straight < 90
    assert max(changes) < 0.3


def test_correlated_noise_is_allowed_for(rng: np.random.Generator) -> None:
    """Interpolated images have smoother noise: their disk means scatter more than the pixels tell."""
    blur = 0.8
    found = []
    for _ in range(8):
        noise = ndimage.gaussian_filter(rng.standard_normal(GRID.shape), blur, mode="wrap")
        found.append(measure(1 + noise * math.sqrt(4 * math.pi) * blur / 40))
    values, spreads = np.array([(m.value, m.uncertainty) for m in found]).T
    assert abs(values.mean() - 100) < spreads.mean()


def test_the_same_image_gives_the_same_number_twice(rng: np.random.Generator) -> None:
    image = 1 + rng.standard_normal(GRID.shape) / 30
    assert measure(image) == measure(image)


def test_uniformity_refuses_what_it_cannot_measure() -> None:
    image = np.ones(GRID.shape)
    with pytest.raises(ValueError, match="image must end with shape"):
        percent_integral_uniformity(image.T, GRID, REGION)
    with pytest.raises(ValueError, match="region must hold the sliding disk"):
        percent_integral_uniformity(image, GRID, disk_region(GRID, center_mm=CENTER, radius_mm=5.0))
    with pytest.raises(ValueError, match="positive in every disk"):
        measure(X)
    with pytest.raises(ValueError, match="disk_area_mm2 must be positive"):
        percent_integral_uniformity(image, GRID, REGION, disk_area_mm2=0.0)
    with pytest.raises(ValueError, match="n_trials must be at least 20"):
        percent_integral_uniformity(image, GRID, REGION, n_trials=1)
    image[80, 80] = np.inf
    with pytest.raises(ValueError, match="image must be finite"):
        measure(image)
