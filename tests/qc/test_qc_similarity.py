"""Similarity with a reference: closed forms, laws, and scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest

from imgtech.qc.metrics import nrmse, psnr, rmse, ssim, structural_difference


@pytest.fixture
def scene(rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[0:41, 0:52]
    return 10 + 4 * np.sin(x / 3.1) * np.cos(y / 4.3) + 3.0 * (x > 26)


def test_errors_of_known_size(scene: np.ndarray) -> None:
    off = scene.copy()
    off[5:9, 7:12] += 3.0
    assert rmse(off, scene) == pytest.approx(3 * math.sqrt(20 / scene.size))
    region = np.zeros(scene.shape)
    region[5:13, 7:12] = 1
    outside = off.copy()
    outside[30, 40] -= 50.0
    assert rmse(outside, scene, region=region) == pytest.approx(3 * math.sqrt(0.5))
    assert psnr(off, scene, data_range=30.0) == pytest.approx(20 * math.log10(30 / rmse(off, scene)))
    assert psnr(off, scene) == pytest.approx(20 * math.log10(np.ptp(scene) / rmse(off, scene)))


def test_scale_and_phase_do_not_count_and_noise_has_its_closed_form(rng: np.random.Generator) -> None:
    r = rng.standard_normal((3, 30, 41)) + 1j * rng.standard_normal((3, 30, 41))
    assert nrmse(0.3 * np.exp(2.1j) * r, r) < 1e-7
    assert nrmse(1.25 * r, r, fit_scale=False) == pytest.approx(0.25)
    # an orthogonal part of relative size a leaves a / sqrt(1 + a^2)
    n = rng.standard_normal(r.shape) + 1j * rng.standard_normal(r.shape)
    n -= np.vdot(r, n) / np.vdot(r, r) * r
    n *= 0.5 * np.linalg.norm(r) / np.linalg.norm(n)
    assert nrmse(2j * (r + n), r) == pytest.approx(0.5 / math.sqrt(1.25))
    assert nrmse(-r.real, r.real) < 1e-7
    region = np.zeros(r.shape)
    region[1, 4:9] = 0.5
    other = np.where(region > 0, 1j * r, 7.0)
    assert nrmse(other, r, region=region) < 1e-7


def test_ssim_of_shifted_and_scaled_images_is_its_formula() -> None:
    """Constant images: only the first factor is left, (2 a b + c1) / (a^2 + b^2 + c1)."""
    a, b, span = 3.0, 5.0, 10.0
    value, found = ssim(np.full((20, 23), a), np.full((20, 23), b), data_range=span)
    c1 = (0.01 * span) ** 2
    assert value == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1))
    assert found.shape == (20, 23)


def test_ssim_is_one_for_equal_and_falls_with_noise(scene: np.ndarray, rng: np.random.Generator) -> None:
    noise = rng.standard_normal(scene.shape)
    values = [ssim(scene + s * noise, scene)[0] for s in (0.0, 0.2, 0.6, 2.0)]
    assert values[0] == pytest.approx(1)
    assert np.all(np.diff(values) < 0)
    region = np.zeros(scene.shape)
    region[10:20, 10:30] = 1
    value, found = ssim(scene + noise, scene, region=region, data_range=17.0)
    assert value == pytest.approx(found[10:20, 10:30].mean())


def test_structure_map_marks_the_lost_edge_and_nothing_else(scene: np.ndarray) -> None:
    y, x = np.mgrid[0:41, 0:52]
    faded = (scene - 3.0 * ((x > 26) & (y > 20))) * (1 + 0.01 * x) + 0.02 * y
    found = structural_difference(faded, scene)
    assert found[30:36, 25:28].mean() > 5 * found[4:14, 8:20].mean()
    assert found[4:14, 8:20].max() < 0.05
    assert structural_difference(3 - scene, scene)[4:14, 8:20].mean() > 0.8


def test_what_does_not_compare_is_refused(scene: np.ndarray) -> None:
    with pytest.raises(ValueError, match="image must have the shape"):
        rmse(scene[1:], scene)
    with pytest.raises(ValueError, match="reference must be finite"):
        rmse(scene, np.full(scene.shape, np.nan))
    with pytest.raises(ValueError, match="0 everywhere"):
        nrmse(0 * scene, scene)
    with pytest.raises(ValueError, match="image must differ"):
        psnr(scene, scene)
    with pytest.raises(ValueError, match="image must be real"):
        ssim(1j * scene, scene)
    with pytest.raises(ValueError, match="at least 11"):
        ssim(scene[:8], scene[:8])
    with pytest.raises(ValueError, match="sigma_px must be positive"):
        structural_difference(scene, scene, sigma_px=0.0)
    with pytest.raises(ValueError, match="range of the reference must be positive"):
        psnr(scene, np.ones(scene.shape))
    with pytest.raises(ValueError, match="region must hold weights"):
        rmse(scene[None], scene[None], region=2 * np.ones((1, *scene.shape)))
