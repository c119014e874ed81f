"""Weights of any trajectory: areas by hand and by counting, and the values of uniform objects."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, Trajectory, kooshball, spiral
from imgtech.io.raw import read_pulseq, read_siemens
from imgtech.phantoms import Ellipse, Phantom
from imgtech.recon.gridding.overlap import sample_overlap
from imgtech.recon.mri import (
    gridding,
    kspace_to_image,
    pipe_menon_density,
    regrid_readout,
    root_sum_of_squares,
    voronoi_density,
)
from imgtech.recon.mri._cells import cell_areas

FOV = 180.0
LIMITS = {"dwell_s": 4e-6, "max_gradient_mt_per_m": 28.0, "max_slew_t_per_m_s": 110.0}
SCANS = {
    "radial": Trajectory.radial(211, 120, spacing_mm=1.5),
    "golden": Trajectory.radial(211, 121, spacing_mm=1.5, golden=True),
    "tiny golden": Trajectory.radial(211, 120, spacing_mm=1.5, golden=7),
    "spiral": spiral(12, fov_mm=FOV, spacing_mm=1.5, **LIMITS),
    "variable spiral": spiral(16, fov_mm=240.0, edge_fov_mm=150.0, spacing_mm=1.5, **LIMITS),
}
GRID = ImageGrid(shape=(74, 93), spacing_mm=(1.4, 1.1), center_mm=(3.0, -4.5))
CENTER = (6.0, -8.0)
Y, X = np.meshgrid(*GRID.coordinates_mm, indexing="ij")


@cache
def weights_of(method, scan):
    return method(SCANS[scan], FOV)


def image_of_disk(radius_mm, trajectory, weights):
    disk = Phantom(shapes=(Ellipse(value=2.5, center_mm=CENTER, semi_axes_mm=(radius_mm, radius_mm)),))
    return gridding(disk.kspace(trajectory), trajectory, GRID, density=weights) / 2.5


@pytest.mark.parametrize("method", [voronoi_density, pipe_menon_density])
@pytest.mark.parametrize("scan", SCANS)
def test_a_uniform_object_keeps_its_value_within_one_percent(method, scan):
    weights = weights_of(method, scan)
    radius = np.hypot(Y - CENTER[0], X - CENTER[1])
    for radius_mm in (13.0, 35.0, 60.0):
        # a spectrum cut at a circle rings at the edge of a disk and again at its centre (Pinsky 1994)
        inside = (radius < radius_mm - 6) & (radius > 4)
        image = image_of_disk(radius_mm, SCANS[scan], weights)
        assert abs(image[inside].mean() - 1) < 0.01
        assert np.abs(image[inside] - 1).max() < 0.06


@pytest.mark.parametrize("method", [voronoi_density, pipe_menon_density])
@pytest.mark.parametrize("scan", ["golden", "spiral"])
def test_weighted_samples_are_equally_dense_in_the_centre(method, scan):
    k = SCANS[scan].positions_per_mm
    weights = weights_of(method, scan)
    # the sum with a window of another shape: a Gaussian of integral 1, wide enough to fill the field
    sigma = 0.9 / FOV
    near = np.argwhere(np.hypot(k[..., 0], k[..., 1]) < 1.5 / FOV)[::97]
    for i in map(tuple, near):
        square = ((k - k[i]) ** 2).sum(axis=-1)
        found = (weights * np.exp(-square / (2 * sigma**2))).sum() / (2 * np.pi * sigma**2)
        assert found == pytest.approx(1, abs=0.01)


def test_every_sample_of_a_raster_has_the_same_area():
    raster = Trajectory.cartesian((7, 10), spacing_mm=(1.3, 2.1))
    areas = cell_areas(raster.positions_per_mm.reshape(-1, 2))
    np.testing.assert_allclose(areas, 1 / (7 * 1.3 * 10 * 2.1), rtol=1e-9)
    weights = voronoi_density(raster, (7 * 1.3, 10 * 2.1))
    np.testing.assert_allclose(weights, 1 / (7 * 1.3 * 10 * 2.1), rtol=0.05)


def test_areas_are_those_of_the_nearest_points_counted(rng):
    points = rng.uniform(-1, 1, (24, 2)) * np.array([0.3, 0.5]) + np.array([0.7, -0.2])
    corners = np.array([[0.3, -0.9], [0.3, 0.4], [1.2, 0.4], [1.2, -0.9]])
    points = np.concatenate([points, corners, [[0.8, 0.4]]])
    y, x = (np.linspace(*ends, n, endpoint=False) for ends, n in (((0.3, 1.2), 900), ((-0.9, 0.4), 1300)))
    y, x = np.meshgrid(y + 0.0005, x + 0.0005, indexing="ij")
    square = [(y - p[0]) ** 2 + (x - p[1]) ** 2 for p in points]
    counted = np.bincount(np.argmin(square, axis=0).ravel(), minlength=len(points)) * 1e-6
    counted[24:28] *= 4  # a quarter of a turn lies in the hull
    counted[28] *= 2
    np.testing.assert_allclose(cell_areas(points), counted, rtol=0.01, atol=2e-4)


def test_coincident_samples_share_their_area():
    points = np.array([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [2.0, 2.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    # the middle cell is a square of half the area of the hull; the corners have 1/8 of it, times 4
    np.testing.assert_allclose(cell_areas(points), [2, 2, 2, 2, 2 / 3, 2 / 3, 2 / 3])


def test_the_order_and_the_shape_of_the_samples_do_not_matter(rng):
    spokes = Trajectory.radial(21, 30, spacing_mm=2.0)
    order = rng.permutation(630)
    mixed = Trajectory(positions_per_mm=spokes.positions_per_mm.reshape(-1, 2)[order])
    for method in (voronoi_density, pipe_menon_density):
        np.testing.assert_allclose(method(mixed, 60.0), method(spokes, 60.0).ravel()[order], rtol=1e-6)


@pytest.mark.parametrize("method", [voronoi_density, pipe_menon_density])
def test_weights_are_areas_in_inverse_square_millimetres(method):
    spokes = Trajectory.radial(90, 64, spacing_mm=2.0, golden=True)
    coarser = Trajectory(positions_per_mm=spokes.positions_per_mm / 3)
    weights = method(spokes, 128.0)
    assert weights.sum() == pytest.approx(np.pi / 16, rel=0.02)
    np.testing.assert_allclose(method(coarser, 3 * 128.0), weights / 9, rtol=1e-9)


def test_overlap_is_the_sum_over_a_window_of_integral_one():
    step = 1 / (3 * FOV)
    dense = np.arange(-60, 61) * step
    k = np.stack(np.meshgrid(dense, 1.3 * dense, indexing="ij"), axis=-1)
    weights = np.full(k.shape[:-1], 1.3 * step**2)
    found = sample_overlap(Trajectory(positions_per_mm=k), (FOV, FOV))(weights)
    np.testing.assert_allclose(found[40:80, 40:80], 1, rtol=2e-4)  # two windows, each right to 1e-4
    assert found[0, 60] == pytest.approx(0.5, abs=0.1)


def test_a_real_echo_planar_scan_needs_no_regridding(data):
    folder = data("mri_raw/siemens_pulseq")
    sequence = read_pulseq(folder / "05_EPI.seq")
    scan = read_siemens(folder / "05_EPI.dat", sequence)
    lines, _, backwards = scan.lines_of({})
    even = np.empty((4, 128, 128), np.complex64)
    for sign, chosen in ((1, ~backwards), (-1, backwards)):
        even[:, chosen] = regrid_readout(
            lines[:, chosen], sign * scan.readout_positions_per_mm, n_pixels=128, spacing_mm=2.0
        )
    expected = root_sum_of_squares(kspace_to_image(even))
    # the sequence's own positions, in the order of time: the last line of the raster first
    trajectory = Trajectory(positions_per_mm=sequence.positions_per_mm[..., 1:])
    weights = voronoi_density(trajectory, 256.0)
    assert weights.sum() == pytest.approx(0.5**2, rel=0.01)
    grid = ImageGrid.fft((128, 128), spacing_mm=(2.0, 2.0))
    found = root_sum_of_squares(gridding(lines[:, ::-1], trajectory, grid, density=weights))
    scale = (found * expected).sum() / (found**2).sum()
    assert np.linalg.norm(scale * found - expected) / np.linalg.norm(expected) < 0.01


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: voronoi_density(kooshball(3, 4, spacing_mm=1.0), 9.0), "trajectory must have 2 axes, got 3"),
        (lambda: voronoi_density(SCANS["golden"], -1.0), "fov_mm must be positive, got -1.0"),
        (lambda: voronoi_density(SCANS["golden"], (1.0, 2.0, 3.0)), "fov_mm must have 2 numbers"),
        (lambda: voronoi_density(Trajectory.radial(1, 9, spacing_mm=1.0), 9.0), "not all lie on one line"),
        (
            lambda: voronoi_density(Trajectory(positions_per_mm=np.ones((5, 2))), 9.0),
            "not all lie on one line",
        ),
        (lambda: voronoi_density(np.ones((5, 2)), 9.0), "trajectory must be of kind Trajectory"),
        (lambda: pipe_menon_density(None, 9.0), "trajectory must be of kind Trajectory, got None"),
        (lambda: pipe_menon_density(SCANS["golden"], np.nan), "fov_mm must be finite, got nan"),
        (lambda: pipe_menon_density(SCANS["golden"], 0.0), "fov_mm must be positive, got 0.0"),
        (lambda: pipe_menon_density(SCANS["golden"], FOV, n_iter=0), "n_iter must be at least 1, got 0"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
