"""SENSE against the whole encoding matrix, laws of the g-factor and replicas with noise."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid
from imgtech.phantoms import CoilSensitivities, complex_gaussian
from imgtech.recon.mri import image_to_kspace, kspace_to_image, roemer_combine, sense
from reference.parallel_imaging import least_squares, sense_encoding

COILS = CoilSensitivities.ring(n_coils=8, radius_mm=70.0, start_rad=0.2)
PSI = np.eye(8) + 0.2 + np.diag(np.arange(8) / 4) + 0.1j * (np.tri(8, k=-1) - np.tri(8, k=-1).T)


def setting(shape, rng, spacing=(9.0, 7.0)):
    maps = COILS.maps(ImageGrid.fft(shape, spacing_mm=spacing)).astype(np.complex128)
    obj = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    return maps, obj, image_to_kspace(maps * obj)


@pytest.mark.parametrize(
    ("shape", "steps", "first"),
    [
        ((12, 9), (2, 1), (1, 0)),
        ((12, 10), (3, 1), (2, 0)),
        ((10, 9), (1, 3), (0, 1)),
        ((12, 10), (2, 2), (1, 0)),
        ((15, 6), (3, 2), (0, 1)),
    ],
)
def test_image_and_noise_are_those_of_the_whole_encoding_matrix(shape, steps, first, rng):
    maps, _, kspace = setting(shape, rng)
    kspace = kspace + complex_gaussian(np.zeros(kspace.shape), sigma=0.3, rng=rng)
    result = sense(kspace, maps, steps, first=first, noise_covariance=PSI)
    rows, columns = np.arange(first[0], shape[0], steps[0]), np.arange(first[1], shape[1], steps[1])
    encoding = sense_encoding(maps, rows, columns)
    samples = kspace[:, rows][:, :, columns].ravel()
    image, covariance = least_squares(encoding, samples, PSI, 8)
    np.testing.assert_allclose(result.image.ravel(), image, atol=1e-9)
    full = np.einsum("cyx,cd,dyx->yx", maps.conj(), np.linalg.inv(PSI), maps).real.ravel()
    expected = np.sqrt(covariance.diagonal().real * full / (steps[0] * steps[1]))
    np.testing.assert_allclose(result.g_factor.ravel(), expected, rtol=1e-9)


@pytest.mark.parametrize("first", [0, 1, 2])
def test_undersampled_data_give_the_object_back(first, rng):
    maps, obj, kspace = setting((33, 20), rng)
    kept = np.zeros_like(kspace)
    kept[:, first::3] = kspace[:, first::3]
    np.testing.assert_allclose(sense(kept, maps, 3, first=first).image, obj, atol=1e-7)


def test_lines_outside_the_pattern_do_not_matter(rng):
    maps, _, kspace = setting((24, 20), rng)
    kept = np.zeros_like(kspace)
    kept[:, 1::2] = kspace[:, 1::2]
    assert sense(kspace, maps, 2, first=1) == sense(kept, maps, 2, first=1)


def test_without_undersampling_it_is_the_optimal_combination_and_g_is_one(rng):
    maps, _, kspace = setting((14, 11), rng)
    result = sense(kspace, maps, 1, noise_covariance=PSI)
    expected = roemer_combine(kspace_to_image(kspace), maps, noise_covariance=PSI)
    np.testing.assert_allclose(result.image, expected, atol=1e-10)
    np.testing.assert_allclose(result.g_factor, 1.0, atol=1e-12)


def test_g_is_one_where_the_folded_pixels_have_orthogonal_coils(rng):
    maps = np.zeros((2, 8, 5))
    maps[0, :4], maps[1, 4:] = 0.7, 1.9
    result = sense(image_to_kspace(maps * 3.0), maps, 2)
    np.testing.assert_allclose(result.g_factor, 1.0, atol=1e-12)
    np.testing.assert_allclose(result.image, 3.0, atol=1e-12)


def test_two_coils_have_the_g_factor_of_the_textbook():
    """Unit vectors with the inner product rho: g = 1 / sqrt(1 - |rho|^2)."""
    angle = 0.6
    maps = np.zeros((2, 6, 3), dtype=complex)
    maps[0] = 2.0
    maps[0, 3:], maps[1, 3:] = np.cos(angle) * 1j, np.sin(angle)
    result = sense(image_to_kspace(maps), maps, 2)
    np.testing.assert_allclose(result.g_factor, 1 / np.sin(angle), rtol=1e-12)


def test_empty_pixels_are_zero_and_do_not_fold_into_others(rng):
    maps, obj, _ = setting((20, 9), rng)
    maps[:, 10:, 2:6] = 0
    result = sense(image_to_kspace(maps * obj), maps, 2)
    np.testing.assert_allclose(result.g_factor[:10, 2:6], 1.0)
    assert not result.g_factor[10:, 2:6].any()
    np.testing.assert_allclose(result.image, np.where(np.abs(maps).sum(0) > 0, obj, 0), atol=1e-9)


@pytest.mark.parametrize("weight", [0.0, 0.05])
def test_the_scale_of_the_data_changes_nothing_but_the_scale(weight, rng):
    maps, _, kspace = setting((24, 20), rng)
    maps, kspace = maps.astype(np.complex64), kspace.astype(np.complex64)
    one = sense(kspace, maps, 3, regularization=weight)
    large = sense(kspace * np.float32(1e6), maps * np.float32(10), 3, regularization=weight)
    assert one.image.dtype == np.complex64
    peak = np.abs(one.image).max()
    assert np.abs(large.image / 1e5 - one.image).max() < 1e-5 * peak
    np.testing.assert_allclose(large.g_factor, one.g_factor, rtol=1e-5)


def test_regularization_lowers_the_noise(rng):
    maps, _, kspace = setting((24, 20), rng)
    free, bound = (sense(kspace, maps, 3, regularization=w) for w in (0.0, 0.1))
    assert (bound.g_factor < free.g_factor).all()


def test_regularized_image_and_noise_are_those_of_the_whole_encoding_matrix(rng):
    maps, _, kspace = setting((12, 9), rng)
    encoding = sense_encoding(maps, np.arange(1, 12, 3), np.arange(9))
    inverse = np.kron(np.linalg.inv(PSI), np.eye(4 * 9))
    system = encoding.conj().T @ inverse @ encoding
    solve = np.linalg.inv(system + 0.07 * np.diag(system.diagonal()))
    image = solve @ encoding.conj().T @ inverse @ kspace[:, 1::3].ravel()
    noise = (solve @ system @ solve).diagonal().real
    result = sense(kspace, maps, 3, first=1, noise_covariance=PSI, regularization=0.07)
    np.testing.assert_allclose(result.image.ravel(), image, atol=1e-9)
    np.testing.assert_allclose(result.g_factor.ravel(), np.sqrt(noise * system.diagonal().real), rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("weight", [0.0, 0.05])
def test_replicas_with_noise_have_the_spread_that_g_predicts(weight, rng):
    maps, _, kspace = setting((24, 18), rng)
    factor, n = np.linalg.cholesky(PSI), 600
    images = []
    for _ in range(n):
        noise = complex_gaussian(np.zeros(kspace.shape), sigma=np.sqrt(0.5), rng=rng)
        noisy = kspace + np.tensordot(factor, noise, axes=1)
        images.append(sense(noisy, maps, 3, noise_covariance=PSI, regularization=weight).image)
    result = sense(kspace, maps, 3, noise_covariance=PSI, regularization=weight)
    full = np.einsum("cyx,cd,dyx->yx", maps.conj(), np.linalg.inv(PSI), maps).real
    ratio = np.std(images, axis=0) / (result.g_factor * np.sqrt(3 / full))
    assert np.median(ratio) == pytest.approx(1.0, abs=0.01)
    assert np.std(ratio) < 1.3 / np.sqrt(4 * n) * np.sqrt(2)


def test_more_folded_pixels_than_the_coils_can_tell_apart_are_an_error(rng):
    """The ring's coils hold three waves along y, so four folded pixels are too many for any number."""
    maps, _, kspace = setting((24, 20), rng)
    with pytest.raises(ValueError, match=r"maps cannot tell the folded pixels apart: g-factor"):
        sense(kspace, maps, 4)
    assert np.isfinite(sense(kspace, maps, 4, regularization=0.1).image).all()


def ones(*shape):
    return np.ones(shape)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sense(ones(2, 8, 4), ones(3, 8, 4), 2), "maps must have shape"),
        (lambda: sense(ones(2, 9, 4), ones(2, 9, 4), 2), "acceleration must divide"),
        (lambda: sense(ones(2, 9, 4), ones(2, 9, 4), 3), "acceleration must not be larger than the 2 coils"),
        (lambda: sense(ones(2, 8, 4), ones(2, 8, 4), 2, first=2), "first must be below"),
        (lambda: sense(ones(2, 8, 4) * 0, ones(2, 8, 4), 2), "kspace must not be all zero"),
        (lambda: sense(ones(2, 8, 4) * np.nan, ones(2, 8, 4), 2), "kspace must be finite"),
        (lambda: sense(ones(2, 8, 4), ones(2, 8, 4), 2), "maps cannot tell the folded pixels apart"),
        (lambda: sense(ones(2, 8, 4), ones(2, 8, 4), (1, 2, 1)), "acceleration must be one number or two"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
