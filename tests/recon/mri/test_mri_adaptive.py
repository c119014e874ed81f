"""Adaptive combination against known coils, a loop over pixels and the law of the best ratio to noise."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import CoilSensitivities, complex_gaussian, uniform_disk
from imgtech.recon.mri import (
    adaptive_combine,
    adaptive_maps,
    cartesian,
    kspace_to_image,
    prewhiten,
    projection_residual,
    root_sum_of_squares,
)

COILS = CoilSensitivities.ring(n_coils=5, radius_mm=110.0, start_rad=0.3)
SHAPE, SPACING = (48, 61), (3.6, 2.9)
KSPACE = uniform_disk(radius_mm=60.0, value=2.0, center_mm=(9.0, -13.0)).kspace(
    Trajectory.cartesian(SHAPE, spacing_mm=SPACING), COILS
)
GRID = ImageGrid.fft(SHAPE, spacing_mm=SPACING)
TRUTH = COILS.maps(GRID)
Y, X = np.meshgrid(*GRID.coordinates_mm, indexing="ij")
INSIDE = np.hypot(Y - 9, X + 13) < 45
ROOT = np.tril(np.full((5, 5), 0.25 - 0.3j), -1) + np.diag([1.0, 2.0, 0.6, 1.4, 0.9])
PSI = ROOT @ ROOT.conj().T


def test_maps_are_the_known_sensitivities_up_to_a_factor_at_each_pixel():
    maps = adaptive_maps(kspace_to_image(KSPACE), block=5)
    assert projection_residual(TRUTH * INSIDE, maps * INSIDE) < 0.002
    assert projection_residual(TRUTH * INSIDE, maps.conj() * INSIDE) > 0.3
    assert maps.dtype == np.complex64


@pytest.mark.parametrize("psi", [None, PSI])
def test_maps_are_those_of_a_loop_over_pixels(psi, rng):
    images = complex_gaussian(np.zeros((5, 2, 9, 12)), sigma=1.0, rng=rng) + np.arange(5)[:, None, None, None]
    maps = adaptive_maps(images, block=3, reference_coil=1, noise_covariance=psi)
    white = images if psi is None else prewhiten(images, psi)
    root = np.eye(5) if psi is None else np.linalg.cholesky(psi)
    for plane, y, x in np.ndindex(2, 9, 12):
        near = white[:, plane, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].reshape(5, -1)
        expected = root @ np.linalg.svd(near)[0][:, 0]
        expected *= np.abs(expected[1]) / expected[1]
        np.testing.assert_allclose(maps[:, plane, y, x], expected, atol=2e-4)
    assert maps.dtype == np.complex128


def test_combination_has_nearly_the_best_signal_to_noise_ratio(rng):
    """The law of true maps: signal over noise is |m| sqrt(s^H Psi^-1 s) / sigma."""
    obj = 2.0 * np.exp(1j * (0.01 * Y - 0.02 * X))
    noise = complex_gaussian(np.zeros((60, 5, *SHAPE)), sigma=0.04, rng=rng)
    images = TRUTH * obj + np.einsum("ck,rkyx->rcyx", ROOT, noise)
    found = np.abs([adaptive_combine(data, noise_covariance=PSI) for data in images])
    plain = np.abs([adaptive_combine(data) for data in images])
    best = 2.0 * np.linalg.norm(prewhiten(TRUTH, PSI), axis=0) / 0.04
    ratio = np.median(found.mean(axis=0) / found.std(axis=0, ddof=1) / best)
    assert ratio == pytest.approx(1.0, abs=0.03)
    assert np.median(plain.mean(axis=0) / plain.std(axis=0, ddof=1) / best) < 0.9 * ratio


def test_noise_alone_is_less_biased_than_the_root_sum_of_squares(rng):
    noise = complex_gaussian(np.zeros((5, 40, 51)), sigma=1.0, rng=rng)
    one_coil = np.sqrt(np.pi / 2)  # Rayleigh
    assert (
        one_coil < np.abs(adaptive_combine(noise, block=9)).mean() < 0.6 * root_sum_of_squares(noise).mean()
    )


def test_the_map_of_the_reference_coil_is_real_and_the_combination_has_its_phase():
    images = kspace_to_image(KSPACE)
    for psi in (None, PSI):
        maps = adaptive_maps(images, block=3, reference_coil=2, noise_covariance=psi)
        assert np.abs(maps[2].imag).max() < 1e-6
        assert maps[2].real.min() >= 0
        combined = adaptive_combine(images, block=3, reference_coil=2, noise_covariance=psi)
        turn = np.angle(combined * images[2].conj())[INSIDE]
        assert np.abs(turn).max() < 0.05


def test_length_is_that_of_whitened_unit_vectors_and_zero_without_signal():
    images = kspace_to_image(KSPACE).astype(np.complex128)
    images[:, :20, :16] = 0
    maps = adaptive_maps(images * 1e-9, block=5, noise_covariance=PSI)
    length = np.linalg.norm(prewhiten(maps, PSI), axis=0)
    np.testing.assert_allclose(length[25:, 20:], 1, atol=1e-5)
    assert (maps[:, :18, :14] == 0).all()


def test_cartesian_combines_adaptively():
    image = cartesian(KSPACE, spacing_mm=SPACING, combine="adaptive")
    strength = np.linalg.norm(TRUTH, axis=0)
    assert np.median(np.abs(image[INSIDE]) / strength[INSIDE]) == pytest.approx(2.0, rel=0.005)


ONES = np.ones((3, 8, 9))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: adaptive_maps(ONES * np.nan), "images must be finite"),
        (lambda: adaptive_maps(ONES[0]), "images must have"),
        (lambda: adaptive_maps(ONES, block=4), "block must be odd"),
        (lambda: adaptive_maps(ONES, block=9), "block must be odd and at most"),
        (lambda: adaptive_maps(ONES, block=0), "block must be at least 1"),
        (lambda: adaptive_maps(ONES, reference_coil=3), "reference_coil must be below the 3 coils"),
        (lambda: adaptive_maps(ONES, reference_coil=-1), "reference_coil must be at least 0"),
        (lambda: adaptive_combine(ONES, noise_covariance=np.eye(2)), "noise_covariance must"),
        (lambda: adaptive_combine(ONES, noise_covariance=-np.eye(3)), "must be positive definite"),
        (lambda: cartesian(ONES[0], combine="adaptive"), "kspace must have a coil axis"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
