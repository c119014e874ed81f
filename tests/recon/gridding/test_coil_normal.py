"""The operator of many coils in one kernel, against the same sum written with NumPy's transform."""

from __future__ import annotations

import numpy as np
import pytest

import imgtech
from imgtech.recon.gridding._coil_normal import CoilNormal, radices


def noise(rng, *shape):
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def direct(maps, spectrum, first, data, image):
    places = tuple((np.arange(n) + f) % m for n, f, m in zip(image.shape, first, spectrum.shape, strict=True))
    padded = np.zeros((len(maps), *spectrum.shape), complex)
    padded[:, places[0][:, None], places[1]] = maps * image
    left = spectrum * np.fft.fft2(padded, norm="ortho") - data
    back = np.fft.ifft2(left, norm="ortho")[:, places[0][:, None], places[1]]
    return (maps.conj() * back).sum(axis=0), np.linalg.norm(left)


@pytest.mark.parametrize(
    ("n_coils", "shape", "field", "first"),
    [
        (5, (23, 18), (23, 18), (12, 9)),  # odd and even, a prime, lanes without coils
        (8, (15, 26), (15, 26), (-7, -13)),
        (11, (13, 14), (30, 28), (0, 3)),  # two groups of coils, zeros around the image
        (4, (1, 77), (1 * 19, 17 * 8), (4, 100)),  # one row; the image goes round the edge
    ],
)
@pytest.mark.parametrize(("dtype", "close"), [(np.complex128, 1e-13), (np.complex64, 1e-5)])
def test_the_kernel_is_the_sum_over_coils(n_coils, shape, field, first, dtype, close, rng):
    maps, image, data = noise(rng, n_coils, *shape), noise(rng, *shape), noise(rng, n_coils, *field)
    spectrum = rng.random(field)
    kept = [a.astype(dtype) for a in (maps, image, data)]
    for given in (data, None):
        expected, residual = direct(maps, spectrum, first, 0 if given is None else given, image)
        normal = CoilNormal(kept[0], spectrum, first, None if given is None else kept[2])
        for _ in range(2):  # nothing is left over from the last image
            found = normal(kept[1])
        assert found.dtype == dtype
        assert np.abs(found - expected).max() < close * np.abs(expected).max()
        if given is not None:
            assert normal.residual == pytest.approx(residual, rel=close)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 7, 8, 9, 11, 13, 17, 19, 23, 64, 90, 230])
def test_every_length_that_has_code_transforms_a_wave_to_a_peak(n):
    wave = np.exp(2j * np.pi * (n // 3) * np.arange(n) / n)[None]
    peak = np.zeros((1, n))
    peak[0, n // 3] = 1
    padded = np.vstack([wave, 0 * wave])
    found = CoilNormal(np.ones((4, 2, n), complex), np.vstack([peak, peak]))(padded)
    np.testing.assert_allclose(found, 4 * padded, atol=1e-12)


def test_sizes_without_code_and_few_coils_are_left_to_others():
    assert radices(2 * 29) is None
    assert radices(1) is None
    assert CoilNormal.suits(4, (230, 512))
    assert not CoilNormal.suits(3, (230, 512))
    assert not CoilNormal.suits(8, (230, 2 * 31))


def test_the_bits_do_not_depend_on_the_number_of_threads(rng):
    shape = (130, 96)
    maps, image = noise(rng, 9, *shape).astype(np.complex64), noise(rng, *shape).astype(np.complex64)
    normal = CoilNormal(maps, rng.random(shape), (3, 5), noise(rng, 9, *shape).astype(np.complex64))
    assert normal._work > 2_000_000  # large enough for threads
    with imgtech.threads(1):
        one, residual = normal(image), normal.residual
    np.testing.assert_array_equal(normal(image), one)
    assert normal.residual == residual
