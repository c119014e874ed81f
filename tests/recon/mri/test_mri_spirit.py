"""SPIRiT: the convolution written out, closed-form k-space, any pattern, the scale, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import CoilSensitivities, complex_gaussian, shepp_logan
from imgtech.recon import dot_test
from imgtech.recon.mri import grappa, image_to_kspace, spirit
from imgtech.recon.mri.spirit import _Consistency, _in_image, _weights

SHAPE = (56, 46)


def drawn(rng, *shape):
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


@pytest.fixture(scope="module")
def head():
    """Six coils, no noise."""
    grid = ImageGrid.fft(SHAPE, spacing_mm=(3.5, 4.2))
    coils = CoilSensitivities.ring(n_coils=6, radius_mm=130.0)
    phantom = shepp_logan(radius_mm=85.0, contrast="modified", attenuation_per_mm=1.0)
    return phantom.kspace(Trajectory.of_grid(grid), coils).astype(np.complex128)


def nrmse(found, truth):
    return np.linalg.norm(found - truth) / np.linalg.norm(truth)


def test_matrices_in_the_image_are_the_convolution_in_k_space(rng):
    """Two coils, odd and even sizes, an asymmetric kernel; beyond one edge lies the other."""
    weights, kspace = drawn(rng, 2, 2, 3, 5), drawn(rng, 2, 7, 8)
    wanted = -kspace.copy()
    for i, j, dy, dx in np.ndindex(2, 2, 3, 5):
        shifted = np.roll(kspace[j], (1 - dy, 2 - dx), (0, 1))  # sample k is that at k + d
        wanted[i] += weights[i, j, dy, dx] * shifted
    operator = _Consistency(_in_image(weights, (7, 8)), np.ones((7, 8), bool))
    images = np.fft.fftshift(operator.apply(kspace), axes=(1, 2))
    np.testing.assert_allclose(image_to_kspace(images), wanted, atol=1e-12)


def test_the_operator_is_a_matched_pair(rng):
    operator = _Consistency(drawn(rng, 3, 3, 7, 6), rng.random((7, 6)) < 0.5)
    assert dot_test(operator, rng, np.complex128) < 1e-13


def test_weights_predict_what_they_were_made_for(rng):
    """Coils that are shifted copies: the weights find the shift."""
    base = drawn(rng, 1, 20, 24)
    block = np.stack([base[0, 2:18, 2:22], base[0, 3:19, 1:21]])  # second coil: that of (+1, -1)
    found = _weights(block, 2, (3, 3), 1e-9)
    one_there = np.zeros((3, 3))
    one_there[0, 2] = 1.0  # coil 0 at k is coil 1 at k + (-1, +1)
    np.testing.assert_allclose(found[0, 1], one_there, atol=1e-6)
    np.testing.assert_allclose(found[0, 0], 0, atol=1e-6)
    np.testing.assert_allclose(found[1, 0], one_there[::-1, ::-1], atol=1e-6)


@pytest.mark.parametrize("pattern", ["lines", "random"])
def test_missing_samples_come_back(pattern, head, rng):
    if pattern == "lines":
        sampled = np.arange(56) % 2 == 1
        sampled[20:38] = True
        mask = np.broadcast_to(sampled[:, None], SHAPE)
    else:
        sampled = mask = rng.random(SHAPE) < 0.45
        sampled[19:37, 14:32] = True
    noisy = complex_gaussian(head, sigma=2e-4 * np.abs(head).max(), rng=rng)
    found = spirit(np.where(mask, noisy, 77.0), sampled, n_iter=60)
    np.testing.assert_array_equal(found.kspace[:, mask], noisy[:, mask])
    assert nrmse(found.kspace, head) < 0.2 * nrmse(noisy * mask, head)
    if pattern == "lines":  # the kernels of GRAPPA reach twice as far
        assert nrmse(found.kspace, head) < 1.4 * nrmse(grappa(noisy, sampled), head)
    assert (np.diff(found.residuals) < 1e-9).all()


def test_calibration_may_come_from_another_scan(head, rng):
    sampled = rng.random(SHAPE) < 0.55
    block = 3.0 * head[:, 16:40, 12:34]  # its scale does not matter
    found = spirit(head, sampled, block)
    assert nrmse(found.kspace, head) < 0.25 * nrmse(head * sampled, head)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_the_result_follows_the_scale_of_the_data(dtype, head, rng):
    sampled = rng.random(SHAPE) < 0.5
    sampled[19:37, 14:32] = True
    data = head.astype(dtype)
    one = spirit(data, sampled, n_iter=15, tolerance=0.0)
    other = spirit(data * dtype(1e6), sampled, n_iter=15, tolerance=0.0)
    assert one.kspace.dtype == dtype
    assert nrmse(other.kspace / 1e6, one.kspace) < 1e-5


def test_it_ends_when_nothing_changes_or_nothing_is_missing(head):
    sampled = np.arange(56) % 2 == 0
    sampled[20:38] = True
    found = spirit(head, sampled, n_iter=500, tolerance=1e-3)
    assert found.converged
    assert found.n_iter < 500
    whole = spirit(head, np.ones(56, bool))
    np.testing.assert_array_equal(whole.kspace, head)
    assert (whole.n_iter, whole.converged) == (0, True)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kspace": np.ones((30, 30))}, "kspace must have 3 axes"),
        ({"kspace": np.full((2, 30, 30), np.nan)}, "kspace must be finite"),
        ({"kspace": np.zeros((2, 30, 30))}, "must not be all zero"),
        ({"sampled": np.ones(30)}, "sampled must be boolean"),
        ({"sampled": np.ones(29, bool)}, "sampled must be boolean with shape"),
        ({"sampled": np.arange(30) % 2 == 0}, r"at least 50 neighbourhoods of \(5, 5\)"),
        ({"calibration": np.ones((3, 20, 20))}, "calibration must have the 2 coils of kspace, got 3"),
        ({"calibration": np.zeros((2, 20, 20))}, "calibration must not be all zero"),
        ({"calibration": np.ones((2, 4, 20))}, "calibration must hold at least 50"),
        ({"kernel_size": (4, 5)}, "kernel_size must be odd"),
        ({"kernel_size": (1, 1)}, r"kernel_size must be odd and not \(1, 1\)"),
        ({"regularization": -1.0}, "regularization must not be negative"),
        ({"n_iter": 0}, "n_iter must be at least 1"),
        ({"tolerance": -1.0}, "tolerance must not be negative"),
    ],
)
def test_what_cannot_be_filled_is_refused(changed, message):
    half = np.arange(30) % 2 == 0
    half[8:22] = True
    rng = np.random.default_rng(1)
    arguments = {"kspace": drawn(rng, 2, 30, 30), "sampled": half} | changed
    first = [arguments.pop(name) for name in ("kspace", "sampled")]
    with pytest.raises(ValueError, match=message):
        spirit(*first, **arguments)
