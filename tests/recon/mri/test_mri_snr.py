"""Noise of reconstructions: closed forms, replicas, and the two-image method on simulated scans."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import CoilSensitivities, uniform_disk
from imgtech.qc.metrics import snr_two_images
from imgtech.recon.mri import (
    grappa,
    grappa_noise,
    image_to_kspace,
    kspace_to_image,
    pseudo_replicas,
    roemer_combine,
    root_sum_of_squares,
    sense,
    snr_units,
)

SHAPE = (36, 32)
GRID = ImageGrid.fft(SHAPE, spacing_mm=(4.0, 4.6))
COILS = CoilSensitivities.ring(n_coils=6, radius_mm=90.0, start_rad=0.2)
MAPS = COILS.maps(GRID).astype(np.complex128)
PSI = 0.001 * (np.eye(6) + 0.2 + np.diag(np.arange(6) / 4) + 0.1j * (np.tri(6, k=-1) - np.tri(6, k=-1).T))
KSPACE = image_to_kspace(MAPS * 7.0)
REGION = np.s_[5:31, 4:28]


def coil_noise(rng, shape=SHAPE):
    white = rng.normal(scale=np.sqrt(0.5), size=(2, 6, int(np.prod(shape))))
    return (np.linalg.cholesky(PSI) @ (white[0] + 1j * white[1])).reshape(6, *shape)


def test_both_combinations_have_the_ratio_of_their_formula(rng):
    images = rng.normal(size=(6, 5, 4)) + 1j * rng.normal(size=(6, 5, 4))
    maps = MAPS[:, :5, :4]
    inverse = np.linalg.inv(PSI)
    with_maps = snr_units(images, noise_covariance=PSI, maps=maps)
    without = snr_units(images, noise_covariance=PSI)
    for y, x in np.ndindex(5, 4):
        d, s = images[:, y, x], maps[:, y, x]
        weights = s.conj() @ inverse
        sigma = np.sqrt((weights @ PSI @ weights.conj()).real / 2)
        assert with_maps[y, x] == pytest.approx(abs(weights @ d) / sigma, rel=1e-9)
        assert without[y, x] == pytest.approx(np.sqrt(2 * (d.conj() @ inverse @ d).real), rel=1e-9)


def replicas_of(reconstruct, sampled=None):
    return pseudo_replicas(
        reconstruct,
        KSPACE,
        noise_covariance=PSI,
        sampled=sampled,
        n_replicas=300,
        rng=np.random.default_rng(5),
    )


def test_snr_of_the_optimal_combination_agrees_with_300_replicas():
    found = replicas_of(lambda k: roemer_combine(kspace_to_image(k), MAPS, noise_covariance=PSI))
    expected = snr_units(kspace_to_image(KSPACE), noise_covariance=PSI, maps=MAPS)
    assert np.median((found.snr / expected)[REGION]) == pytest.approx(1, abs=0.01)


def test_snr_of_the_root_sum_of_squares_agrees_with_300_replicas():
    white = np.linalg.inv(np.linalg.cholesky(PSI))
    found = replicas_of(lambda k: root_sum_of_squares(kspace_to_image(np.tensordot(white, k, 1))))
    expected = snr_units(kspace_to_image(KSPACE), noise_covariance=PSI)
    assert np.median((found.snr / expected)[REGION]) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("steps", "first"), [((2, 1), (1, 0)), ((2, 2), (0, 1)), ((3, 1), (2, 0))])
def test_snr_of_sense_agrees_with_300_replicas(steps, first):
    sampled = np.zeros(SHAPE, bool)
    sampled[first[0] :: steps[0], first[1] :: steps[1]] = True
    exact = sense(KSPACE, MAPS, steps, first=first, noise_covariance=PSI)
    found = replicas_of(lambda k: sense(k, MAPS, steps, first=first, noise_covariance=PSI).image, sampled)
    assert np.median((found.snr / exact.snr)[REGION]) == pytest.approx(1, abs=0.01)
    full = snr_units(kspace_to_image(KSPACE), noise_covariance=PSI, maps=MAPS)
    np.testing.assert_allclose(exact.snr * exact.g_factor * np.sqrt(np.prod(steps)), full, rtol=1e-9)


def test_noise_of_a_regularised_sense_agrees_with_replicas():
    sampled = np.arange(SHAPE[0])[:, None] % 3 == 1
    exact = sense(KSPACE, MAPS, 3, first=1, noise_covariance=PSI, regularization=0.05)
    found = replicas_of(
        lambda k: sense(k, MAPS, 3, first=1, noise_covariance=PSI, regularization=0.05).image, sampled
    )
    assert np.median((found.noise / exact.noise)[REGION]) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("steps", "with_maps"), [((2, 1), True), ((2, 1), False), ((2, 2), True)])
def test_noise_of_grappa_agrees_with_300_replicas(steps, with_maps):
    """A large raster and a small kernel: few samples lie at the edge, where the sum lacks neighbours."""
    shape = (96, 80)
    maps = COILS.maps(ImageGrid.fft(shape, spacing_mm=(1.5, 1.8))).astype(np.complex128)
    kspace = image_to_kspace(maps * 7.0)
    mask = np.zeros(shape, bool)
    mask[1 :: steps[0], :: steps[1]] = True
    options = {"calibration": kspace[:, 36:60, 28:52], "kernel_size": (2, 3)}
    exact = grappa_noise(kspace, mask, noise_covariance=PSI, maps=maps if with_maps else None, **options)

    def image(data):
        images = kspace_to_image(grappa(data, mask, **options))
        if with_maps:
            return roemer_combine(images, maps, noise_covariance=PSI)
        return root_sum_of_squares(images)

    found = pseudo_replicas(
        image,
        kspace,
        noise_covariance=PSI,
        sampled=mask,
        n_replicas=300,
        rng=np.random.default_rng(5),
    )
    inside = np.s_[12:84, 10:70]
    assert np.median((found.noise / exact.noise)[inside]) == pytest.approx(1, abs=0.01)


def test_without_undersampling_grappa_has_the_noise_of_the_full_raster():
    exact = grappa_noise(KSPACE, np.ones(SHAPE[0], bool), noise_covariance=PSI, maps=MAPS)
    np.testing.assert_allclose(exact.g_factor, 1, rtol=1e-9)
    snr = np.abs(roemer_combine(kspace_to_image(KSPACE), MAPS, noise_covariance=PSI)) / exact.noise
    expected = snr_units(kspace_to_image(KSPACE), noise_covariance=PSI, maps=MAPS)
    np.testing.assert_allclose(snr, expected, rtol=1e-9)


def test_nema_snr_of_two_scans_equals_the_known_ratio(rng):
    """A disk in closed form, twice with noise: the subtraction method finds the simulated ratio."""
    grid = ImageGrid.fft((128, 120), spacing_mm=(1.7, 1.9))
    coils = CoilSensitivities.ring(n_coils=6, radius_mm=160.0, start_rad=0.2)
    maps = coils.maps(grid).astype(np.complex128)
    disk = uniform_disk(radius_mm=80.0, center_mm=(4.0, -6.0), value=30.0)
    scale = np.prod(grid.spacing_mm) * np.sqrt(np.prod(grid.shape))
    clean = disk.kspace(Trajectory.of_grid(grid), coils) / scale
    pair = [
        np.abs(
            roemer_combine(kspace_to_image(clean + coil_noise(rng, grid.shape)), maps, noise_covariance=PSI)
        )
        for _ in range(2)
    ]
    y, x = grid.coordinates_mm
    region = (y[:, None] - 4) ** 2 + (x + 6) ** 2 < 55.0**2
    weighted = np.einsum("cyx,cd,dyx->yx", maps.conj(), np.linalg.inv(PSI), maps).real
    sigma_mm = np.sqrt(0.5 / weighted)
    known = 30.0 / np.sqrt(np.mean(sigma_mm[region] ** 2))
    measured = snr_two_images(pair[0], pair[1], region)
    assert measured.value == pytest.approx(known, rel=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: snr_units(KSPACE, noise_covariance=PSI[:5, :5]), "noise_covariance must end with shape"),
        (lambda: snr_units(KSPACE, noise_covariance=-PSI), "noise_covariance must be positive definite"),
        (lambda: snr_units(KSPACE, noise_covariance=PSI, maps=MAPS[:, 1:]), "maps must have shape"),
        (lambda: snr_units(KSPACE * np.nan, noise_covariance=PSI), "images must be finite"),
        (lambda: replicas_of(np.abs, np.ones(3)), "sampled must be boolean"),
        (lambda: replicas_of(np.abs, np.ones((3, 5), bool)), "sampled must fit"),
        (
            lambda: pseudo_replicas(np.abs, KSPACE, noise_covariance=-PSI, rng=np.random.default_rng(1)),
            "noise_covariance must be positive definite",
        ),
        (
            lambda: grappa_noise(KSPACE, np.arange(36) % 2 == 0, KSPACE, noise_covariance=PSI, maps=MAPS[:2]),
            "maps must have shape",
        ),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
