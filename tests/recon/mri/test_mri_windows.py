"""What ESPIRiT and GRAPPA share: products of windows, and the space their windows span."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.recon.mri._espirit_parts import _signal_space
from imgtech.recon.mri._windows import lines_of, window_products


def noise(rng, *shape):
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


@pytest.mark.parametrize(
    ("height", "width", "steps", "n_x"),
    [(3, 4, (1, 1), 17), (2, 5, (3, 1), 12), (3, 1, (1, 2), 9), (2, 3, (2, 3), 11)],
)
def test_products_are_those_of_a_loop_over_windows(height, width, steps, n_x, rng):
    samples, n_y = noise(rng, 3, 13, 20), 13 - (height - 1) * steps[0] - 1
    expected = 0
    for y in range(n_y):
        for x in range(n_x):
            block = samples[:, y : y + (height - 1) * steps[0] + 1 : steps[0]]
            window = block[:, :, x : x + (width - 1) * steps[1] + 1 : steps[1]].ravel()
            expected = expected + np.multiply.outer(window.conj(), window)
    found = window_products(lines_of(samples, height, steps[0], n_y), width, steps[1], n_x)
    np.testing.assert_allclose(found, expected, atol=1e-11)


@pytest.mark.parametrize(
    "values",
    [
        np.geomspace(1.0, 1e-9, 40),
        np.concatenate([np.ones(5), np.full(3, 0.3), np.full(32, 1e-8)]),  # equal ones
        np.concatenate([[2.0], np.zeros(39)]),
    ],
)
def test_the_signal_space_holds_the_vectors_of_the_large_eigenvalues(values, rng):
    basis = np.linalg.qr(noise(rng, 40, 40))[0]
    found = _signal_space((basis * values) @ basis.conj().T, 4e-4)
    kept = basis[:, values > 4e-4 * values.max()]
    assert found.shape == kept.shape
    np.testing.assert_allclose(found @ found.conj().T, kept @ kept.conj().T, atol=1e-9)


def test_the_signal_space_of_blocks_without_connection():
    values = np.array([3.0, 2.0, 0.0, 1e-9, 3.0, 1.0])
    found = _signal_space(np.diag(values).astype(complex), 0.1)
    np.testing.assert_allclose(found @ found.conj().T, np.diag(values > 0.3).astype(float), atol=1e-9)
