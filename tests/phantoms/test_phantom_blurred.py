"""Blurred point, bars and disk: their pixels, and the transfer function that belongs to them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import ncx2

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredBars, BlurredDisk, BlurredEdge, BlurredPoint

GRID = ImageGrid(shape=(39, 44), spacing_mm=(0.35, 0.25), center_mm=(1.0, -0.8))


def pixel_mean(value, grid: ImageGrid) -> np.ndarray:
    """Mean over every pixel of ``value(y, x)`` by 100 Gauss-Legendre points."""
    nodes, weights = np.polynomial.legendre.leggauss(10)
    y, x = grid.coordinates_mm
    dy, dx = grid.spacing_mm
    points_y = (y[:, None] + nodes * dy / 2)[:, None, :, None]
    points_x = (x[:, None] + nodes * dx / 2)[None, :, None, :]
    return np.einsum("yxab,a,b->yx", value(points_y, points_x), weights / 2, weights / 2)


def test_point_is_the_mean_of_a_normal_density_over_each_pixel():
    point = BlurredPoint(position_mm=(1.3, -0.6), sigma_mm=(0.5, 0.3), total=7.0, background=-2.0)

    def density(y, x):
        exponent = ((y - 1.3) / 0.5) ** 2 + ((x + 0.6) / 0.3) ** 2
        return -2.0 + 7.0 * np.exp(-exponent / 2) / (2 * math.pi * 0.5 * 0.3)

    np.testing.assert_allclose(point.image(GRID, dtype=np.float64), pixel_mean(density, GRID), atol=1e-9)


def test_bead_summed_over_the_slices_is_the_point_in_the_plane():
    volume = ImageGrid(shape=(41, 39, 44), spacing_mm=(0.8, 0.35, 0.25), center_mm=(0.4, 1.0, -0.8))
    bead = BlurredPoint(position_mm=(1.1, 1.3, -0.6), sigma_mm=(1.7, 0.5, 0.3), total=7.0)
    flat = BlurredPoint(position_mm=(1.3, -0.6), sigma_mm=(0.5, 0.3), total=7.0)
    summed = bead.image(volume, dtype=np.float64).sum(axis=0) * 0.8
    np.testing.assert_allclose(summed, flat.image(GRID, dtype=np.float64), atol=1e-9)


@pytest.mark.parametrize("angle", [0.3, -1.2])
def test_bars_are_the_mean_of_their_profile_over_each_pixel(angle):
    bars = BlurredBars(angle_rad=angle, period_mm=1.6, n_bars=3, position_mm=0.4, low=2.0, high=5.0,
                       sigma_mm=0.3)  # fmt: skip

    def profile(y, x):
        d = x * math.cos(angle) + y * math.sin(angle) - 0.4
        ends = [(-2.0, -1.2), (-0.4, 0.4), (1.2, 2.0)]  # three bars of 0.8 mm around the middle
        return 2 + 3 * sum(ndtr((d - a) / 0.3) - ndtr((d - b) / 0.3) for a, b in ends)

    np.testing.assert_allclose(bars.image(GRID, dtype=np.float64), pixel_mean(profile, GRID), atol=3e-6)


@pytest.mark.parametrize(("radius", "sigma"), [(2.2, 0.3), (0.4, 0.5)])
def test_disk_is_the_chance_of_a_normal_point_to_lie_inside(radius, sigma):
    disk = BlurredDisk(center_mm=(1.3, -0.6), radius_mm=radius, sigma_mm=sigma, low=1.0, high=-3.0)

    def chance(y, x):
        square = ((y - 1.3) ** 2 + (x + 0.6) ** 2) / sigma**2
        return 1 - 4 * ncx2.cdf((radius / sigma) ** 2, 2, square)

    np.testing.assert_allclose(disk.image(GRID, dtype=np.float64), pixel_mean(chance, GRID), atol=4e-6)


def test_transfer_functions_are_one_and_the_same_in_one_direction():
    f = np.linspace(0, 2, 9)
    angle, spacing = 0.7, (0.35, 0.25)
    edge = BlurredEdge(angle_rad=angle, sigma_mm=0.3).mtf(f, spacing_mm=spacing)
    point = BlurredPoint(position_mm=(0, 0), sigma_mm=(0.3, 0.3))
    disk = BlurredDisk(center_mm=(0, 0), radius_mm=3.0, sigma_mm=0.3)
    bars = BlurredBars(angle_rad=angle, period_mm=1.0, n_bars=2, sigma_mm=0.3)
    assert bars.mtf(f, spacing_mm=spacing) == pytest.approx(edge)
    for thing in (point, disk):
        assert thing.mtf(f, spacing_mm=spacing, direction_rad=angle) == pytest.approx(edge)
        turned = [
            thing.mtf(f, spacing_mm=spacing, direction_rad=a) for a in np.linspace(0, np.pi, 200, False)
        ]
        assert thing.mtf(f, spacing_mm=spacing) == pytest.approx(np.mean(turned, axis=0), abs=1e-6)


def test_transfer_function_of_a_point_is_the_transform_of_its_pixels():
    """Dense overlapping pixels: the transform along x and along y, which have different blurs."""
    point = BlurredPoint(position_mm=(0.1, 0.2), sigma_mm=(0.5, 0.3))
    fine = ImageGrid(shape=(240, 241), spacing_mm=(0.05, 0.05))
    image = point.image(fine, dtype=np.float64)
    y, x = fine.coordinates_mm
    for f in (0.4, 0.9):
        along_x = abs(np.sum(image * np.exp(-2j * np.pi * f * x))) * 0.05**2
        along_y = abs(np.sum(image * np.exp(-2j * np.pi * f * y)[:, None])) * 0.05**2
        both = [point.mtf([f], spacing_mm=fine.spacing_mm, direction_rad=a)[0] for a in (0.0, math.pi / 2)]
        assert [along_x, along_y] == pytest.approx(both, abs=1e-6)


def test_what_is_wrong_is_named():
    with pytest.raises(ValueError, match="position_mm and sigma_mm must both have 2 or 3"):
        BlurredPoint(position_mm=(0, 0, 0), sigma_mm=(1, 1))
    with pytest.raises(ValueError, match="sigma_mm must be positive"):
        BlurredPoint(position_mm=(0, 0), sigma_mm=(1, 0))
    with pytest.raises(ValueError, match="grid must have 3 axes"):
        BlurredPoint(position_mm=(0, 0, 0), sigma_mm=(1, 1, 1)).image(GRID)
    with pytest.raises(ValueError, match="period_mm must be positive"):
        BlurredBars(angle_rad=0, period_mm=0, n_bars=2)
    with pytest.raises(ValueError, match="n_bars must be at least 1"):
        BlurredBars(angle_rad=0, period_mm=1, n_bars=0)
    with pytest.raises(ValueError, match="dtype must be"):
        BlurredBars(angle_rad=0, period_mm=1, n_bars=1).image(GRID, dtype=np.int32)
    with pytest.raises(ValueError, match="grid must not be coarser"):
        BlurredDisk(center_mm=(0, 0), radius_mm=1, sigma_mm=0.1).image(GRID)
    with pytest.raises(ValueError, match="radius_mm must be positive"):
        BlurredDisk(center_mm=(0, 0), radius_mm=-1, sigma_mm=0.1)
    with pytest.raises(ValueError, match="frequencies_per_mm must be finite"):
        BlurredPoint(position_mm=(0, 0), sigma_mm=(1, 1)).mtf([np.nan], spacing_mm=(1, 1))
