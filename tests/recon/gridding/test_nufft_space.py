"""The NUFFT in space against direct sums and closed forms, and its convolution."""

from __future__ import annotations

import numba
import numpy as np
import pytest

import imgtech
from imgtech._core.jit import SERIAL_BELOW
from imgtech.geometry import ImageGrid, Trajectory, kooshball, stacked
from imgtech.phantoms import Ellipsoid, Phantom
from imgtech.recon import dot_test
from imgtech.recon.gridding import Nufft, ToeplitzNormal
from imgtech.recon.mri import gridding, pipe_menon_density

GRIDS = [
    ImageGrid(shape=(13, 22, 17), spacing_mm=(1.3, 0.7, 1.9), center_mm=(5.0, -3.0, 8.0)),
    ImageGrid(shape=(20, 9, 34), spacing_mm=(0.8, 1.9, 0.5), center_mm=(-11.0, 40.3, 2.0)),
]


def scattered(grid, rng, n=900, reach=0.5):
    positions = rng.uniform(-reach, reach, (2, n // 2, 3)) / np.array(grid.spacing_mm)
    return Trajectory(positions_per_mm=positions)


def white(shape, rng):
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def distance(found, truth):
    return np.linalg.norm(found - truth) / np.linalg.norm(truth)


def waves(trajectory, grid):
    k = trajectory.positions_per_mm.reshape(-1, 3)
    return [np.exp(-2j * np.pi * np.outer(k[:, a], grid.coordinates_mm[a])) for a in range(3)]


def direct(image, trajectory, grid):
    sums = np.einsum("pz,py,px,zyx->p", *waves(trajectory, grid), image, optimize=True)
    return np.prod(grid.spacing_mm) * sums.reshape(trajectory.shape)


def direct_adjoint(samples, trajectory, grid):
    back = [w.conj() for w in waves(trajectory, grid)]
    return np.prod(grid.spacing_mm) * np.einsum("pz,py,px,p->zyx", *back, samples.ravel(), optimize=True)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-9, pytest.param(1e-12, marks=pytest.mark.slow)])
def test_both_directions_meet_the_tolerance_against_direct_sums(grid, tolerance, rng):
    spots = scattered(grid, rng, reach=1.3)
    nufft = Nufft(spots, grid, tolerance)
    image, samples = white(grid.shape, rng), white(spots.shape, rng)
    assert distance(nufft.forward(image), direct(image, spots, grid)) < tolerance
    assert distance(nufft.adjoint(samples), direct_adjoint(samples, spots, grid)) < tolerance


@pytest.mark.parametrize("grid", GRIDS)
def test_single_precision_reaches_three_parts_in_a_hundred_thousand(grid, rng):
    spots = scattered(grid, rng)
    nufft = Nufft(spots, grid, 3e-5)
    images = white((2, *grid.shape), rng).astype(np.complex64)
    samples = white((2, *spots.shape), rng).astype(np.complex64)
    found, back = nufft.forward(images), nufft.adjoint(samples)
    assert found.dtype == back.dtype == np.complex64
    for c in range(2):
        assert distance(found[c], direct(images[c], spots, grid)) < 3e-5
        assert distance(back[c], direct_adjoint(samples[c], spots, grid)) < 3e-5


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("tolerance", [1e-4, 1e-9])
@pytest.mark.parametrize(("dtype", "limit"), [(np.complex64, 1e-6), (np.complex128, 1e-13)])
def test_the_pair_is_matched_to_rounding(grid, tolerance, dtype, limit, rng):
    assert dot_test(Nufft(scattered(grid, rng), grid, tolerance), rng, dtype) < limit


def test_many_samples_in_one_box_are_added_in_single_precision_without_loss(rng):
    grid = GRIDS[0]
    spots = Trajectory(positions_per_mm=rng.uniform(-0.01, 0.01, (3000, 3)))
    samples = np.ones(3000) + 0.1 * white(3000, rng)
    back = Nufft(spots, grid, 1e-5).adjoint(samples.astype(np.complex64))
    assert distance(back, direct_adjoint(samples, spots, grid)) < 1e-5


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two threads")
@pytest.mark.parametrize("tolerance", [1e-4, 1e-9])
def test_one_and_two_threads_give_the_same_bits(tolerance, rng):
    grid = ImageGrid(shape=(30, 41, 36), spacing_mm=(1.3, 0.7, 1.1), center_mm=(5.0, -3.0, 1.0))
    spokes = kooshball(260, 40, spacing_mm=1.3, golden=True)
    nufft = Nufft(spokes, grid, tolerance)
    assert 2 * 125 * np.prod(spokes.shape) > SERIAL_BELOW
    number = np.complex64 if tolerance > 1e-6 else np.complex128
    image, samples = white(grid.shape, rng).astype(number), white(spokes.shape, rng).astype(number)
    with imgtech.threads(1):
        one = nufft.forward(image).tobytes(), nufft.adjoint(samples).tobytes()
    with imgtech.threads(2):
        two = nufft.forward(image).tobytes(), nufft.adjoint(samples).tobytes()
    assert one == two


def test_voxels_of_an_object_give_its_fourier_integral():
    ball = Phantom(shapes=(Ellipsoid(value=1.7, center_mm=(6.0, -9.0, 3.0), semi_axes_mm=(14.0, 9.0, 11.0)),))
    grid = ImageGrid(shape=(52, 47, 60), spacing_mm=(0.8, 0.7, 0.6), center_mm=(3.0, -8.0, 5.0))
    spokes = kooshball(41, 12, spacing_mm=7.0)
    k = spokes.positions_per_mm
    voxel = np.prod([np.sinc(k[..., a] * grid.spacing_mm[a]) for a in range(3)], axis=0)
    truth = ball.kspace(spokes, dtype=np.complex128)
    found = Nufft(spokes, grid, 1e-6).forward(ball.image(grid, dtype=np.float64))
    assert distance(found * voxel, truth) < 2e-3


@pytest.mark.parametrize("weighted", [True, False])
def test_the_convolution_is_the_transform_and_its_adjoint(weighted, rng):
    grid, spots = GRIDS[0], scattered(GRIDS[0], rng)
    weights = rng.uniform(0.2, 2.0, spots.shape) if weighted else None
    images = white((2, *grid.shape), rng)
    operator = ToeplitzNormal(spots, grid, weights, tolerance=1e-9)
    for image, found in zip(images, operator.forward(images), strict=True):
        samples = direct(image, spots, grid) * (1 if weights is None else weights)
        assert distance(found, direct_adjoint(samples, spots, grid)) < 2e-9
    assert dot_test(operator, rng, np.complex128) < 1e-13


@pytest.mark.parametrize("scan", ["ball", "stars"])
def test_a_ball_keeps_its_value_and_its_place_in_space(scan):
    if scan == "ball":
        spokes = kooshball(1100, 40, spacing_mm=3.0)
        weights = pipe_menon_density(spokes, 120.0)
    else:
        spokes = stacked(Trajectory.radial(61, 48, spacing_mm=3.0), 40, spacing_mm=3.5, rotation_rad=0.02)
        weights = pipe_menon_density(spokes, (140.0, 144.0, 144.0))
    center, radius_mm = (7.0, -9.0, 5.0), 42.0
    ball = Phantom(shapes=(Ellipsoid(value=2.5, center_mm=center, semi_axes_mm=(radius_mm,) * 3),))
    grid = ImageGrid(shape=(32, 36, 30), spacing_mm=(3.6, 3.1, 3.4), center_mm=(6.0, -7.0, 1.0))
    image = gridding(ball.kspace(spokes), spokes, grid, density=weights).real
    z, y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    radius = np.sqrt((z - center[0]) ** 2 + (y - center[1]) ** 2 + (x - center[2]) ** 2)
    inside = (radius < radius_mm - 10) & (radius > 8)
    assert image[inside].mean() == pytest.approx(2.5, rel=0.01)
    mass = np.where(radius < radius_mm + 8, image, 0)
    found = [(mass * axis).sum() / mass.sum() for axis in (z, y, x)]
    np.testing.assert_allclose(found, center, atol=0.1)


def test_axes_that_do_not_fit_are_refused():
    grid, spokes = GRIDS[0], kooshball(3, 8, spacing_mm=2.0)
    with pytest.raises(ValueError, match=r"x must end with shape \(13, 22, 17\)"):
        Nufft(spokes, grid).forward(np.ones((17, 22, 13)))
    with pytest.raises(ValueError, match=r"x must have 3 or 4 axes"):
        Nufft(spokes, grid).forward(np.ones((22, 17)))
    with pytest.raises(ValueError, match=r"y must end with shape \(3, 8\)"):
        Nufft(spokes, grid).adjoint(np.ones((8, 3)))
    with pytest.raises(ValueError, match=r"y must be finite"):
        Nufft(spokes, grid).adjoint(np.full((3, 8), np.inf))
    with pytest.raises(ValueError, match=r"grid must have 3 axes like the trajectory, got shape \(4, 5\)"):
        ToeplitzNormal(spokes, ImageGrid(shape=(4, 5), spacing_mm=(1.0, 1.0)))
