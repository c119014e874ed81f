"""The NUFFT against direct sums and closed forms, and its adjoint against itself."""

from __future__ import annotations

import numba
import numpy as np
import pytest

import imgtech
from imgtech._core.jit import SERIAL_BELOW
from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import Ellipse, Phantom
from imgtech.recon import dot_test
from imgtech.recon.gridding import Nufft
from reference.naive_ndft import ndft, ndft_adjoint

GRIDS = [
    ImageGrid(shape=(33, 40), spacing_mm=(1.3, 0.7), center_mm=(5.0, -3.0)),
    ImageGrid(shape=(48, 31), spacing_mm=(0.8, 1.9), center_mm=(-11.0, 40.3)),
    ImageGrid.fft((25, 27), spacing_mm=(2.1, 0.6)),
]


def scattered(grid, rng, shape=(30, 41), reach=0.5):
    """Positions anywhere in the band of the grid, or beyond it."""
    return Trajectory(positions_per_mm=rng.uniform(-reach, reach, (*shape, 2)) / np.array(grid.spacing_mm))


def white(shape, rng):
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def distance(found, truth):
    return np.linalg.norm(found - truth) / np.linalg.norm(truth)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-5, 1e-7, 1e-12])
def test_both_directions_meet_the_tolerance_against_direct_sums(grid, tolerance, rng):
    spots = scattered(grid, rng)
    nufft = Nufft(spots, grid, tolerance)
    image, samples = white(grid.shape, rng), white(spots.shape, rng)
    assert distance(nufft.forward(image), ndft(image, spots, grid)) < tolerance
    assert distance(nufft.adjoint(samples), ndft_adjoint(samples, spots, grid)) < tolerance


@pytest.mark.parametrize("grid", GRIDS)
def test_single_precision_reaches_three_parts_in_a_hundred_thousand(grid, rng):
    spots = scattered(grid, rng)
    nufft = Nufft(spots, grid, 3e-5)
    image = white(grid.shape, rng).astype(np.complex64)
    samples = white(spots.shape, rng).astype(np.complex64)
    found, back = nufft.forward(image), nufft.adjoint(samples)
    assert found.dtype == back.dtype == np.complex64
    assert distance(found, ndft(image, spots, grid)) < 3e-5
    assert distance(back, ndft_adjoint(samples, spots, grid)) < 3e-5


def test_positions_beyond_the_band_follow_the_sum(rng):
    grid = GRIDS[1]
    spots = scattered(grid, rng, reach=2.3)
    image = white(grid.shape, rng)
    assert distance(Nufft(spots, grid, 1e-6).forward(image), ndft(image, spots, grid)) < 1e-6


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(("dtype", "limit"), [(np.complex64, 1e-6), (np.complex128, 1e-13)])
def test_the_pair_is_matched_to_rounding(grid, dtype, limit, rng):
    assert dot_test(Nufft(scattered(grid, rng), grid, 1e-4), rng, dtype) < limit


def test_pixels_of_an_object_give_its_fourier_integral():
    phantom = Phantom(shapes=(Ellipse(value=1.7, center_mm=(6.0, -9.0), semi_axes_mm=(14.0, 9.0)),))
    grid = ImageGrid(shape=(150, 201), spacing_mm=(0.4, 0.3), center_mm=(3.0, -5.0))
    spokes = Trajectory.radial(13, 30, spacing_mm=6.0, golden=True)
    k = spokes.positions_per_mm
    pixel = np.sinc(k[..., 0] * 0.4) * np.sinc(k[..., 1] * 0.3)  # phantom.image averages over pixels
    truth = phantom.kspace(spokes, dtype=np.complex128)
    found = Nufft(spokes, grid, 1e-6).forward(phantom.image(grid, dtype=np.float64))
    assert distance(found * pixel, truth) < 2e-3


def test_each_coil_has_the_values_of_its_own(rng):
    grid = GRIDS[0]
    spots = scattered(grid, rng)
    nufft = Nufft(spots, grid, 1e-4)
    images, samples = white((3, *grid.shape), rng), white((3, *spots.shape), rng)
    for c in range(3):
        np.testing.assert_allclose(nufft.forward(images)[c], nufft.forward(images[c]), rtol=1e-12)
        np.testing.assert_allclose(nufft.adjoint(samples)[c], nufft.adjoint(samples[c]), rtol=1e-12)


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two threads")
@pytest.mark.parametrize("tolerance", [1e-4, 3e-5])
def test_one_and_two_threads_give_the_same_bits(tolerance, rng):
    grid = ImageGrid(shape=(130, 141), spacing_mm=(1.3, 0.7), center_mm=(5.0, -3.0))
    spokes = Trajectory.radial(350, 256, spacing_mm=1.3, golden=True)
    nufft = Nufft(spokes, grid, tolerance)
    assert 25 * np.prod(spokes.shape) > SERIAL_BELOW
    image = white(grid.shape, rng).astype(np.complex64)
    samples = white(spokes.shape, rng).astype(np.complex64)
    with imgtech.threads(1):
        one = nufft.forward(image).tobytes(), nufft.adjoint(samples).tobytes()
    with imgtech.threads(2):
        two = nufft.forward(image).tobytes(), nufft.adjoint(samples).tobytes()
    assert one == two


@pytest.mark.slow
def test_radial_scan_of_204800_points_is_within_3e_5_of_the_direct_sum(rng):
    grid = ImageGrid.fft((256, 256), spacing_mm=(0.9, 0.9))
    spokes = Trajectory.radial(400, 512, spacing_mm=0.9, golden=True)
    nufft = Nufft(spokes, grid, 3e-5)
    image = white(grid.shape, rng).astype(np.complex64)
    samples = white(spokes.shape, rng).astype(np.complex64)
    truth, back = np.empty(spokes.shape, complex), np.zeros(grid.shape, complex)
    for part in np.array_split(np.arange(400), 20):
        some = Trajectory(positions_per_mm=spokes.positions_per_mm[part])
        truth[part] = ndft(image, some, grid)
        back += ndft_adjoint(samples[part], some, grid)
    assert distance(nufft.forward(image), truth) < 3e-5
    assert distance(nufft.adjoint(samples), back) < 3e-5
    assert dot_test(nufft, rng, np.complex64) < 1e-6


def test_wrong_arguments_are_named():
    grid, spokes = GRIDS[0], Trajectory.radial(3, 8, spacing_mm=2.0)
    nufft = Nufft(spokes, grid)
    with pytest.raises(ValueError, match=r"x must end with shape \(33, 40\), got shape \(40, 33\)"):
        nufft.forward(np.ones((40, 33)))
    with pytest.raises(ValueError, match=r"y must be finite"):
        nufft.adjoint(np.full((3, 8), np.nan))
    with pytest.raises(ValueError, match=r"tolerance must lie between 1e-12 and 0.1, got 0.5"):
        Nufft(spokes, grid, 0.5)
    with pytest.raises(ValueError, match=r"grid must have 3 axes like the trajectory, got shape \(33, 40\)"):
        Nufft(Trajectory(positions_per_mm=np.zeros((4, 3))), grid)
    with pytest.raises(ValueError, match=r"grid must have 2 axes like the trajectory, got shape \(2, 3, 4\)"):
        Nufft(spokes, ImageGrid(shape=(2, 3, 4), spacing_mm=(1.0, 1.0, 1.0)))


@pytest.mark.parametrize("number", [np.complex64, np.complex128])
@pytest.mark.parametrize("n_coils", [2, 5, 8, 11])
def test_coils_in_one_go_have_the_bits_of_one_and_two_threads_and_the_values_of_sums(n_coils, number, rng):
    grid = ImageGrid(shape=(31, 46), spacing_mm=(1.3, 0.7), center_mm=(5.0, -3.0))
    spots = scattered(grid, rng)
    tolerance = 1e-5 if number == np.complex64 else 1e-9
    nufft = Nufft(spots, grid, tolerance)
    images, samples = white((n_coils, *grid.shape), rng), white((n_coils, *spots.shape), rng)
    images, samples = images.astype(number), samples.astype(number)
    with imgtech.threads(1):
        one = nufft.forward(images), nufft.adjoint(samples)
    both = nufft.forward(images), nufft.adjoint(samples)
    for c in range(n_coils):
        for found, direct in (
            (one[0][c], ndft(images[c], spots, grid)),
            (one[1][c], ndft_adjoint(samples[c], spots, grid)),
        ):
            assert distance(found, direct) <= tolerance
    assert one[0].tobytes() == both[0].tobytes()
    assert one[1].tobytes() == both[1].tobytes()
