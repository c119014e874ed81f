"""Wavelet shrinkage: PyWavelets, one step at a time, and the laws of an orthonormal transform."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.recon.mri._kernels_wavelets import transform, transform_back
from imgtech.recon.mri._wavelets import _TURN, WaveletShrinkage

pywt = pytest.importorskip("pywt")


def noise(shape, rng):
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


@pytest.mark.parametrize(
    ("wavelet", "levels", "shape"),
    [
        ("haar", 3, (33, 70)),
        ("db2", 3, (47, 41)),
        ("db4", 2, (61, 72)),
        ("sym5", 2, (64, 66)),
        ("coif2", 3, (100, 101)),
        ("dmey", 1, (130, 128)),
    ],
)
def test_shrinkage_is_that_of_pywavelets(wavelet, levels, shape, rng):
    image = noise(shape, rng)
    shrinkage = WaveletShrinkage(shape, image.dtype, wavelet, levels, strength=1.4)
    block = 2**levels
    padded = np.zeros([-(-n // block) * block for n in shape], complex)
    padded[: shape[0], : shape[1]] = image
    for call in range(1, 4):
        shift = int(call * _TURN % 1.0 * block), int(call * _TURN % 1.0 * 7 % 1.0 * block)
        moved = np.roll(padded, shift, (0, 1))
        coarse, *details = pywt.wavedec2(moved, wavelet, mode="periodization", level=levels)
        shrunk = [
            tuple(band * np.maximum(1 - 0.7 / np.maximum(np.abs(band), 1e-30), 0) for band in level)
            for level in details
        ]
        back = pywt.waverec2([coarse, *shrunk], wavelet, mode="periodization")
        expected = np.roll(back, (-shift[0], -shift[1]), (0, 1))[: shape[0], : shape[1]]
        np.testing.assert_allclose(shrinkage(image, np.float64(0.5)), expected, atol=1e-12)


@pytest.mark.parametrize(("dtype", "close"), [(np.float64, 1e-13), (np.float32, 2e-6)])
def test_the_transform_keeps_the_energy_and_is_undone(dtype, close, rng):
    filters = [np.array(pywt.Wavelet("db3").filter_bank[i], dtype) for i in (0, 1)]
    image = rng.normal(size=(40, 2 * 56)).astype(dtype)
    coefficients, other = image.copy(), np.empty_like(image)
    transform(coefficients, *filters, 3, other)
    assert np.linalg.norm(coefficients) == pytest.approx(np.linalg.norm(image), rel=close)
    assert not np.allclose(coefficients, image, atol=0.1)
    transform_back(coefficients, *filters, 3, other)
    np.testing.assert_allclose(coefficients, image, atol=10 * close)


def test_a_flat_image_has_no_details_and_passes(rng):
    flat = np.full((48, 64), 3.0 - 2.0j)
    shrinkage = WaveletShrinkage(flat.shape, flat.dtype, "db4", 2, strength=0.1)
    np.testing.assert_allclose(shrinkage(flat, np.float64(1.0)), flat, atol=1e-12)
    strong = WaveletShrinkage(flat.shape, flat.dtype, "db4", 2, strength=1e9)
    rough = flat + 0.1 * noise(flat.shape, rng)
    smooth = strong(rough, np.float64(1.0))
    assert np.linalg.norm(smooth - flat) < 0.4 * np.linalg.norm(rough - flat)
    assert smooth.mean() == pytest.approx(rough.mean(), abs=1e-12)
