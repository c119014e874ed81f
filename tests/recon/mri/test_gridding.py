"""Gridding of closed-form radial k-space: values, places and the areas of the samples."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import Ellipse, Phantom
from imgtech.recon.mri import gridding, radial_density

GRID = ImageGrid(shape=(110, 127), spacing_mm=(1.1, 0.9), center_mm=(3.0, -4.5))


def disk(radius_mm, center_mm, value):
    return Phantom(shapes=(Ellipse(value=value, center_mm=center_mm, semi_axes_mm=(radius_mm, radius_mm)),))


@pytest.mark.parametrize("golden", [False, True])
@pytest.mark.parametrize("n_samples", [256, 255])
@pytest.mark.parametrize("radius_mm", [12.0, 45.0])
def test_a_uniform_disk_keeps_its_value_within_one_percent(golden, n_samples, radius_mm):
    spokes = Trajectory.radial(377, n_samples, spacing_mm=1.0, golden=golden)
    centre = (7.0, -9.0)
    image = gridding(disk(radius_mm, centre, 2.5).kspace(spokes), spokes, GRID)
    y, x = np.meshgrid(*GRID.coordinates_mm, indexing="ij")
    radius = np.hypot(y - centre[0], x - centre[1])
    # a spectrum cut at a circle rings at the edge of a disk and again at its centre (Pinsky 1994)
    inside = (radius < radius_mm - 5) & (radius > 2.5)
    inside &= (np.abs(y - 3.0) < 45) & (np.abs(x + 4.5) < 45)
    assert abs(image[inside].mean() / 2.5 - 1) < 0.01
    assert np.abs(image[inside] / 2.5 - 1).max() < 0.05


def test_objects_stand_at_their_place():
    spokes = Trajectory.radial(301, 300, spacing_mm=1.0, golden=True)
    centre = np.array([-13.2, 17.6])
    image = np.abs(gridding(disk(6.0, tuple(centre), 1.0).kspace(spokes), spokes, GRID))
    y, x = np.meshgrid(*GRID.coordinates_mm, indexing="ij")
    near = np.where(np.hypot(y - centre[0], x - centre[1]) < 12, image, 0)
    found = [(near * axis).sum() / near.sum() for axis in (y, x)]
    np.testing.assert_allclose(found, centre, atol=0.05)


def test_weights_add_up_to_the_area_that_the_spokes_cover():
    for golden, n in [(False, 64), (True, 65)]:
        weights = radial_density(Trajectory.radial(55, n, spacing_mm=1.7, golden=golden))
        assert weights.sum() == pytest.approx(np.pi * (0.5 / 1.7) ** 2, rel=2e-3)


def test_weights_follow_the_formula_on_shifted_spokes():
    step, theta, n_spokes = 0.01, 0.3, 6
    radii = (np.arange(9) - 4 + theta) * step
    angles = np.arange(n_spokes) * np.pi / n_spokes
    spokes = Trajectory(
        positions_per_mm=np.stack([np.outer(np.sin(angles), radii), np.outer(np.cos(angles), radii)], -1)
    )
    weights = radial_density(spokes) / (np.pi / n_spokes * step**2)
    kink = theta**2 - theta + 1 / 6
    expected = np.abs(np.arange(9) - 4 + theta)
    expected[4] += (1 - theta) * kink
    expected[3] += theta * kink
    np.testing.assert_allclose(weights, np.tile(expected, (n_spokes, 1)), rtol=1e-9)


def test_a_full_raster_with_equal_areas_gives_the_values_of_a_gaussian():
    grid = ImageGrid.fft((45, 50), spacing_mm=(1.1, 0.9))
    raster = Trajectory.of_grid(grid)
    centre, sigma = np.array([3.1, -4.7]), 2.4
    k = raster.positions_per_mm
    decay = np.exp(-2 * (np.pi * sigma) ** 2 * (k**2).sum(-1))
    kspace = 2 * np.pi * sigma**2 * decay * np.exp(-2j * np.pi * (k @ centre))
    area = np.full(raster.shape, 1 / (45 * 1.1 * 50 * 0.9))
    image = gridding(kspace, raster, grid, density=area, tolerance=1e-7)
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    truth = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * sigma**2))
    np.testing.assert_allclose(image, truth, atol=1e-5)


def test_coils_keep_their_axis_and_precision():
    spokes = Trajectory.radial(20, 32, spacing_mm=4.0)
    kspace = disk(20.0, (3.0, 2.0), 1.0).kspace(spokes)
    both = gridding(np.stack([kspace, 2j * kspace]), spokes, GRID)
    assert both.shape == (2, 110, 127)
    assert both.dtype == np.complex64
    np.testing.assert_allclose(both[1], 2j * both[0], atol=1e-5)


def test_what_is_not_radial_is_refused():
    raster = Trajectory.cartesian((8, 9), spacing_mm=(1.2, 0.8))
    with pytest.raises(ValueError, match="trajectory must have straight even spokes"):
        radial_density(raster)
    with pytest.raises(ValueError, match=r"trajectory must have the shape \(spoke, sample\)"):
        radial_density(Trajectory(positions_per_mm=np.ones((4, 2))))
    with pytest.raises(ValueError, match="spokes with an extent"):
        radial_density(Trajectory(positions_per_mm=np.ones((2, 4, 2))))
    with pytest.raises(ValueError, match=r"density must have the shape \(8, 9\), got \(9, 8\)"):
        gridding(np.ones((8, 9)), raster, GRID, density=np.ones((9, 8)))
