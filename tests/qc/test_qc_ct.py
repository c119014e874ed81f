"""CT noise, contrast to noise and edge-centre uniformity of images with known numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from imgtech.geometry import ImageGrid
from imgtech.qc.metrics import cnr, ct_noise, edge_centre_uniformity
from imgtech.qc.roi import disk_region

GRID = ImageGrid(shape=(103, 118), spacing_mm=(0.8, 0.7), center_mm=(3.0, -7.0))
CENTRE = disk_region(GRID, center_mm=(5.0, -8.0), radius_mm=14.0)
ROD = disk_region(GRID, center_mm=(4.0, 13.0), radius_mm=5.0)
LEFT = disk_region(GRID, center_mm=(5.0, -36.0), radius_mm=8.0)
LOW = disk_region(GRID, center_mm=(31.0, -6.0), radius_mm=7.0)


def noise(rng: np.random.Generator, blur_px: float = 0.0) -> np.ndarray:
    """White or Gaussian-blurred noise of variance 1."""
    white = rng.standard_normal(GRID.shape)
    if blur_px == 0:
        return white
    return ndimage.gaussian_filter(white, blur_px, mode="wrap") * math.sqrt(4 * math.pi) * blur_px


def test_noise_of_whole_pixels_is_their_standard_deviation(rng) -> None:
    region = np.zeros(GRID.shape)
    region[7:40, 11:60] = 1
    image = 3 + 5 * noise(rng)
    m = ct_noise(image, region)
    assert m.value == pytest.approx(image[7:40, 11:60].std(ddof=1), rel=0.005)
    assert m.uncertainty == pytest.approx(5 / math.sqrt(2 * 33 * 49), rel=0.1)
    assert m.details["mean (HU)"] == pytest.approx(image[7:40, 11:60].mean())
    assert (m.unit, m.definition.verified) == ("HU", False)


def test_correlated_noise_has_fewer_independent_pixels(rng) -> None:
    """Gaussian blur of s pixels: the squared autocorrelation sums to 2 pi s^2, the plain one to 4 pi s^2."""
    blur, region = 1.1, np.zeros(GRID.shape)
    region[3:100, 4:110] = 1
    found = [ct_noise(9 * noise(rng, blur), region) for _ in range(20)]
    independent = region.sum() / (2 * math.pi * blur**2)
    assert np.mean([m.details["independent pixels"] for m in found]) == pytest.approx(independent, rel=0.05)
    assert np.mean([m.value for m in found]) == pytest.approx(9, rel=0.01)
    assert np.mean([m.uncertainty for m in found]) == pytest.approx(9 / math.sqrt(2 * independent), rel=0.05)


def test_cnr_is_the_contrast_over_the_noise_of_the_background(rng) -> None:
    for contrast in (15.0, -15.0):
        image = 40 + contrast * (ROD > 0) + noise(rng) * np.where(ROD > 0, 1.0, 6.0)
        m = cnr(image, ROD, CENTRE)
        assert m.value == pytest.approx(2.5, abs=3 * m.uncertainty)
        assert m.details["difference"] == pytest.approx(contrast, abs=2)
        assert m.details["noise"] == pytest.approx(6, rel=0.1)


def test_cnr_uncertainty_follows_both_means_and_the_noise(rng) -> None:
    image = 2 + 18 * (ROD > 0) + 6 * noise(rng)
    m = cnr(image, ROD, CENTRE)
    pixels = [math.pi * r**2 / 0.56 for r in (5.0, 14.0)]
    truth = math.sqrt(1 / pixels[0] + 1 / pixels[1] + 9 / (2 * pixels[1]))
    assert m.uncertainty == pytest.approx(truth, rel=0.15)


def test_edge_minus_centre_keeps_sign_order_and_offset(rng) -> None:
    clean = -8 + 4.0 * (LEFT > 0) - 2.5 * (LOW > 0)
    found = edge_centre_uniformity(clean + 1e-3 * noise(rng), CENTRE, np.stack([LEFT, LOW]))
    assert [m.value for m in found] == pytest.approx([4.0, -2.5], abs=1e-3)
    assert [m.name for m in found] == ["edge 1 minus centre", "edge 2 minus centre"]
    noisy = edge_centre_uniformity(clean + 6 * noise(rng), CENTRE, np.stack([LEFT, LOW]))
    for m, truth, radius in zip(noisy, (4.0, -2.5), (8.0, 7.0), strict=True):
        assert m.value == pytest.approx(truth, abs=3 * m.uncertainty)
        closed = 6 * math.sqrt(0.56 / math.pi * (1 / radius**2 + 1 / 14**2))
        assert m.uncertainty == pytest.approx(closed, rel=0.2)


def test_what_cannot_be_measured_is_refused_with_the_reason(rng) -> None:
    image = noise(rng)
    with pytest.raises(ValueError, match="must hold noise"):
        ct_noise(np.ones(GRID.shape), CENTRE)
    with pytest.raises(ValueError, match="background_region must not be empty"):
        cnr(image, ROD, 0 * ROD)
    with pytest.raises(ValueError, match="edge_regions must have 3 axes"):
        edge_centre_uniformity(image, CENTRE, LEFT)
    with pytest.raises(ValueError, match="region must have the shape"):
        ct_noise(image, CENTRE[:-1])
    image[4, 5] = np.nan
    with pytest.raises(ValueError, match="image must be finite"):
        ct_noise(image, CENTRE)
