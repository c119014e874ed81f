"""Compressed sensing: what it must recover, what must not matter, and the minimum it must reach."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import CoilSensitivities, complex_gaussian, shepp_logan
from imgtech.recon import dot_test
from imgtech.recon.mri import image_to_kspace, kspace_to_image, l1_wavelet, roemer_combine, total_variation
from imgtech.recon.mri._coil_fourier import _LaneFit, _ScipyFit, fit_of
from imgtech.recon.mri.compressed import _problem

SHAPE = (61, 72)
GRID = ImageGrid.fft(SHAPE, spacing_mm=(2.9, 2.4))
COILS = CoilSensitivities.ring(n_coils=4, radius_mm=120.0, start_rad=0.2)
MAPS = COILS.maps(GRID)
HEAD = shepp_logan(radius_mm=75.0, contrast="modified", attenuation_per_mm=1.0)


def sampling(share=0.35, seed=3):
    mask = np.random.default_rng(seed).random(SHAPE) < share
    mask[24:37, 29:43] = True
    return mask


def head_data(sigma=0.0):
    scale = np.prod(GRID.spacing_mm) * np.sqrt(np.prod(SHAPE))
    clean = HEAD.kspace(Trajectory.of_grid(GRID), COILS) / scale
    return complex_gaussian(clean, sigma=sigma, rng=np.random.default_rng(4)) if sigma else clean


def error(image, truth):
    return np.linalg.norm(image - truth) / np.linalg.norm(truth)


@pytest.mark.parametrize(("method", "n_iter"), [(l1_wavelet, 150), (total_variation, 150)])
def test_a_head_from_a_third_of_its_samples(method, n_iter):
    kspace, mask = head_data(sigma=0.003), sampling()
    truth = roemer_combine(kspace_to_image(head_data()), MAPS)
    zero_filled = roemer_combine(kspace_to_image(kspace * mask), MAPS)
    found = method(kspace, mask, MAPS, n_iter=n_iter)
    assert error(found.image, truth) < 0.35 * error(zero_filled, truth)
    assert error(found.image, truth) < 0.08
    assert found.residuals[-1] < 0.1 * found.residuals[0]
    assert method(head_data().astype(np.complex64), mask, MAPS, n_iter=1).image.dtype == np.complex64


def test_a_piecewise_constant_image_is_recovered_from_samples_alone():
    image = np.zeros(SHAPE, complex)
    image[20:45, 13:50] = 2.0 + 1.0j
    image[28:33, 30:61] += 1.5
    mask = sampling(0.3)
    found = total_variation(
        image_to_kspace(image)[None], mask, np.ones((1, *SHAPE)), regularization=1e-5, n_iter=600
    )
    assert error(found.image, image) < 0.01
    assert error(kspace_to_image(image_to_kspace(image) * mask), image) > 0.2


@pytest.mark.parametrize("method", [l1_wavelet, total_variation])
def test_the_scale_of_the_data_changes_nothing_but_the_scale(method):
    kspace, mask = head_data(sigma=0.003), sampling()
    one = method(kspace, mask, MAPS, n_iter=20).image
    large = method(kspace.astype(np.complex128) * 1e6, mask, MAPS, n_iter=20).image / 1e6
    small = method(kspace.astype(np.complex128), mask, MAPS, n_iter=20).image
    assert np.abs(large - small).max() < 1e-9 * np.abs(small).max()
    assert np.abs(one - small).max() < 1e-4 * np.abs(small).max()


def test_no_neighbour_of_the_solution_has_a_smaller_sum(rng):
    kspace, mask = head_data(sigma=0.01).astype(np.complex128), sampling()
    operator, data, strength = _problem(kspace, mask, MAPS, 0.003)

    def objective(image):
        slopes = np.stack(
            [np.diff(image, axis=0, append=image[-1:]), np.diff(image, axis=1, append=image[:, -1:])]
        )
        penalty = strength * np.sqrt((np.abs(slopes) ** 2).sum(axis=0)).sum()
        return 0.5 * np.linalg.norm(operator.forward(image) - data) ** 2 + penalty

    solution = total_variation(kspace, mask, MAPS, regularization=0.003, n_iter=1000).image
    least = objective(solution)
    for size in (1e-1, 1e-2, 1e-3):
        for _ in range(5):
            change = rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE)
            assert objective(solution + size * change * np.abs(solution).max()) > least
        assert objective(solution * (1 + size)) > least
        assert objective(solution * (1 - size)) > least
        assert objective(np.roll(solution, 1, axis=0) * size + solution * (1 - size)) > least


@pytest.mark.parametrize("lines", [True, False])
def test_the_operator_and_its_adjoint_belong_together_and_agree_with_the_transform(lines, rng):
    mask = np.arange(SHAPE[0]) % 3 == 1 if lines else sampling()
    kspace = rng.normal(size=(4, *SHAPE)) + 1j * rng.normal(size=(4, *SHAPE))
    operator, data, _ = _problem(kspace, mask, MAPS, 0.0)
    assert dot_test(operator, rng, np.complex128) < 1e-6
    image = rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE)
    full = mask[:, None] if lines else mask
    expected = image_to_kspace(MAPS * image) * full
    np.testing.assert_allclose(np.fft.fftshift(operator.forward(image), axes=(1, 2)), expected, atol=1e-5)
    np.testing.assert_array_equal(np.fft.fftshift(data, axes=(1, 2)), kspace * full)


@pytest.mark.parametrize(("dtype", "close"), [(np.complex128, 1e-12), (np.complex64, 1e-5)])
def test_both_ways_to_fit_give_distance_and_gradient_of_the_operator(dtype, close, rng):
    kspace = head_data(sigma=0.01).astype(dtype)
    operator, data, _ = _problem(kspace[:, 4:], sampling()[4:], MAPS[:, 4:], 0.0)
    image = (rng.normal(size=(57, 72)) + 1j * rng.normal(size=(57, 72))).astype(dtype)
    left = operator.forward(image) - data
    for kind in (_ScipyFit, _LaneFit):
        fit = kind(operator, data)
        assert fit.residual(image) == pytest.approx(np.linalg.norm(left), rel=close)
        wanted = operator.adjoint(left)
        assert np.abs(fit.gradient() - wanted).max() < close * np.abs(wanted).max()
    assert isinstance(fit_of(operator, data), _LaneFit)
    prime, data, _ = _problem(kspace, sampling(), MAPS, 0.0)
    assert isinstance(fit_of(prime, data), _ScipyFit)


K = head_data()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: l1_wavelet(K * 0, sampling(), MAPS), "kspace where it was sampled and maps must not"),
        (lambda: l1_wavelet(K * np.nan, sampling(), MAPS), "kspace must be finite"),
        (lambda: l1_wavelet(K, sampling(), MAPS[:3]), "maps must have shape"),
        (lambda: l1_wavelet(K, sampling().astype(int), MAPS), "sampled must be boolean"),
        (lambda: l1_wavelet(K, sampling()[:, 1:], MAPS), "sampled must be boolean with shape"),
        (lambda: l1_wavelet(K, sampling(), MAPS, regularization=-1.0), "regularization must not be negative"),
        (lambda: l1_wavelet(K, sampling(), MAPS, wavelet="bior2.2"), "wavelet must be an orthogonal"),
        (lambda: l1_wavelet(K, sampling(), MAPS, n_levels=7), "n_levels must be at most 3"),
        (
            lambda: l1_wavelet(K[:, :4, :4], np.ones(4, bool), MAPS[:, :4, :4]),
            r"wavelet must fit into an image of \(4, 4\), got 'db4'",
        ),
        (lambda: total_variation(K, sampling(), MAPS, n_iter=0), "n_iter must be"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
