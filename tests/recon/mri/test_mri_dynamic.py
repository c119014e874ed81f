"""Series of low rank: conditions of the optimum, closed forms, scale of the data, a phantom that moves."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import CoilSensitivities, complex_gaussian, uniform_disk
from imgtech.recon import dot_test
from imgtech.recon.mri import image_to_kspace, kspace_to_image, locally_low_rank, low_rank_plus_sparse
from imgtech.recon.mri.dynamic import _blocks, _joined, _problem, _shrunk, _Sum


def drawn(rng, *shape):
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def small_problem(rng):
    """Three coils, five frames of 6 x 9 pixels, half of the samples."""
    kspace, maps = drawn(rng, 3, 5, 6, 9), drawn(rng, 3, 6, 9)
    return kspace, rng.random((5, 6, 9)) < 0.5, maps


def gradient_of(kspace, sampled, maps, series):
    """A^H (A m - y) with the package's centred transforms."""
    projected = image_to_kspace(maps[:, None] * series)
    left = sampled * (projected - kspace)
    return (maps[:, None].conj() * kspace_to_image(left)).sum(axis=0)


def test_operators_are_matched_pairs(rng):
    kspace, sampled, maps = small_problem(rng)
    operator, _ = _problem(kspace, sampled, maps)
    assert dot_test(operator, rng, np.complex128) < 1e-13
    assert dot_test(_Sum(operator), rng, np.complex128) < 1e-13


def test_blocks_come_back_and_shrink_like_singular_values(rng):
    series = drawn(rng, 4, 7, 10)
    matrices = _blocks(series, (3, 4))
    assert matrices.shape == (9, 4, 12)
    np.testing.assert_array_equal(matrices[4].reshape(4, 3, 4), series[:, 3:6, 4:8])
    np.testing.assert_array_equal(_joined(matrices, (3, 4), series.shape), series)
    for wide in (matrices, drawn(rng, 2, 9, 4)):
        for found, one in zip(_shrunk(wide, 1.7), wide, strict=True):
            u, s, v = np.linalg.svd(one, full_matrices=False)
            np.testing.assert_allclose(found, u * np.maximum(s - 1.7, 0) @ v, atol=1e-12)


def test_full_sampling_has_a_closed_form(rng):
    """One coil, every sample: the singular values fall by the strength."""
    truth = drawn(rng, 5, 6, 9)
    found = locally_low_rank(
        image_to_kspace(truth)[None],
        np.ones((5, 6), bool),
        np.ones((1, 6, 9)),
        regularization=0.3,
        block=(6, 9),
        n_iter=5,
    )
    u, s, v = np.linalg.svd(truth.reshape(5, -1), full_matrices=False)
    wanted = (u * np.maximum(s - 0.3 * s[0], 0)) @ v
    np.testing.assert_allclose(found.image.reshape(5, -1), wanted, atol=1e-12)
    assert found.residuals[-1] == pytest.approx(np.linalg.norm(wanted - truth.reshape(5, -1)))


def test_the_optimum_of_low_rank(rng):
    """The gradient is minus the strength times a subgradient of the nuclear norm."""
    kspace, sampled, maps = small_problem(rng)
    start = -gradient_of(kspace, sampled, maps, np.zeros((5, 6, 9)))
    strength = 0.6 * np.linalg.svd(start.reshape(5, -1), compute_uv=False)[0]
    found = locally_low_rank(kspace, sampled, maps, regularization=0.6, block=(6, 9), n_iter=1500)
    u, s, v = np.linalg.svd(found.image.reshape(5, -1), full_matrices=False)
    rank = int((s > 1e-6 * s[0]).sum())
    assert 1 <= rank < 5
    push = -gradient_of(kspace, sampled, maps, found.image).reshape(5, -1) / strength
    np.testing.assert_allclose(u[:, :rank].conj().T @ push, v[:rank], atol=1e-5)
    np.testing.assert_allclose(push @ v[:rank].conj().T, u[:, :rank], atol=1e-5)
    assert np.linalg.svd(push, compute_uv=False)[0] < 1 + 1e-5


def test_the_optimum_of_low_rank_plus_sparse(rng):
    kspace, sampled, maps = small_problem(rng)
    start = -gradient_of(kspace, sampled, maps, np.zeros((5, 6, 9)))
    rank_strength = 0.65 * np.linalg.svd(start.reshape(5, -1), compute_uv=False)[0]
    few_strength = 0.5 * np.abs(np.fft.fft(start, axis=0, norm="ortho")).max()
    found = low_rank_plus_sparse(kspace, sampled, maps, low_rank=0.65, sparse=0.5, n_iter=3000)
    push = -gradient_of(kspace, sampled, maps, found.image)
    u, s, v = np.linalg.svd(found.low_rank.reshape(5, -1), full_matrices=False)
    rank = int((s > 1e-6 * s[0]).sum())
    assert 1 <= rank < 5
    flat = push.reshape(5, -1) / rank_strength
    np.testing.assert_allclose(u[:, :rank].conj().T @ flat, v[:rank], atol=1e-4)
    assert np.linalg.svd(flat, compute_uv=False)[0] < 1 + 1e-4
    spectrum = np.fft.fft(found.sparse, axis=0, norm="ortho")
    pushed = np.fft.fft(push, axis=0, norm="ortho") / few_strength
    there = np.abs(spectrum) > 1e-6 * np.abs(spectrum).max()
    assert 0 < there.mean() < 0.9
    np.testing.assert_allclose(
        pushed[there], (spectrum / np.abs(np.where(there, spectrum, 1)))[there], atol=1e-3
    )
    assert np.abs(pushed).max() < 1 + 1e-4


def beating_heart(rng, sigma):
    """A static disk and a small one whose brightness beats: closed-form k-space, four coils."""
    grid = ImageGrid.fft((36, 44), spacing_mm=(3.0, 2.5))
    coils = CoilSensitivities.ring(n_coils=4, radius_mm=90.0)
    raster = Trajectory.of_grid(grid)
    body = uniform_disk(radius_mm=40.0, value=1.0, center_mm=(2.0, -3.0))
    heart = uniform_disk(radius_mm=11.0, value=1.0, center_mm=(-9.0, 8.0))
    courses = 0.6 + 0.5 * np.sin(2 * np.pi * 2 * np.arange(16) / 16)
    still, moving = (thing.kspace(raster, coils) for thing in (body, heart))
    clean = (still[:, None] + courses[:, None, None] * moving[:, None]) / 7.5
    scale = np.sqrt(36 * 44)
    clean = clean / scale
    truth = kspace_to_image(clean)
    sampled = rng.random((16, 36)) < 0.3
    sampled[:, 15:21] = True
    maps = coils.maps(grid)
    full = (maps.conj()[:, None] * truth).sum(0) / (np.abs(maps) ** 2).sum(0)
    return complex_gaussian(clean, sigma=sigma, rng=rng), sampled, maps, full


def nrmse(found, truth):
    return np.linalg.norm(found - truth) / np.linalg.norm(truth)


@pytest.mark.parametrize("solve", ["llr", "ls"])
def test_a_phantom_that_moves_comes_out_better_than_frame_by_frame(solve, rng):
    kspace, sampled, maps, truth = beating_heart(rng, 0.01)
    plain = locally_low_rank(kspace, sampled, maps, regularization=0.0, n_iter=60)  # SENSE of each frame
    if solve == "llr":
        found = locally_low_rank(kspace, sampled, maps, regularization=0.01, block=(6, 6), n_iter=60)
    else:
        found = low_rank_plus_sparse(kspace, sampled, maps, low_rank=0.01, sparse=0.02, n_iter=60)
    assert nrmse(found.image, truth) < 0.5 * nrmse(plain.image, truth)
    assert found.n_iter == 60
    assert not found.converged
    assert (np.diff(found.residuals[:5]) < 0).all()


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_the_strength_does_not_depend_on_the_scale_of_the_data(dtype, rng):
    kspace, sampled, maps, _ = beating_heart(rng, 0.01)
    kspace = kspace.astype(dtype)
    for solve in (locally_low_rank, low_rank_plus_sparse):
        one = solve(kspace, sampled, maps, n_iter=25)
        other = solve(kspace * dtype(1e6), sampled, maps, n_iter=25)
        assert one.image.dtype == dtype
        assert np.linalg.norm(other.image / 1e6 - one.image) < 1e-5 * np.linalg.norm(one.image)


def test_the_series_ends_when_nothing_changes(rng):
    kspace, sampled, maps = small_problem(rng)
    for solve in (locally_low_rank, low_rank_plus_sparse):
        options = {"block": (6, 9)} if solve is locally_low_rank else {}
        found = solve(kspace, sampled, maps, n_iter=2000, tolerance=1e-3, **options)
        assert found.converged
        assert found.n_iter < 2000
        assert len(found.residuals) == found.n_iter + 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kspace": np.ones((2, 5, 6))}, "kspace must have 4 axes"),
        ({"kspace": np.full((2, 3, 4, 5), np.nan)}, "kspace must be finite"),
        ({"kspace": np.zeros((2, 3, 4, 5))}, "must not be all zero"),
        ({"maps": np.ones((3, 4, 5))}, "maps must have the 2 coils of kspace, got 3"),
        ({"maps": np.ones((2, 5, 4))}, r"maps must end with shape \(4, 5\)"),
        ({"maps": np.zeros((2, 4, 5))}, "must not be all zero"),
        ({"sampled": np.ones((3, 4))}, "sampled must be boolean"),
        ({"sampled": np.ones((3, 5), bool)}, "sampled must be boolean with shape"),
        ({"regularization": -0.1}, "regularization must not be negative"),
        ({"block": (5, 5)}, r"block must fit into an image of \(4, 5\)"),
        ({"block": (0, 5)}, "block must be at least 1"),
        ({"n_iter": 0}, "n_iter must be at least 1"),
    ],
)
def test_what_cannot_be_reconstructed_is_refused(changed, message):
    arguments = {
        "kspace": np.ones((2, 3, 4, 5)),
        "sampled": np.ones((3, 4), bool),
        "maps": np.ones((2, 4, 5)),
        "block": (2, 2),
    } | changed
    first = [arguments.pop(name) for name in ("kspace", "sampled", "maps")]
    with pytest.raises(ValueError, match=message):
        locally_low_rank(*first, **arguments)


def test_strengths_of_both_parts_are_checked():
    with pytest.raises(ValueError, match="low_rank must not be negative"):
        low_rank_plus_sparse(np.ones((2, 3, 4, 5)), np.ones((3, 4), bool), np.ones((2, 4, 5)), low_rank=-1)
    with pytest.raises(ValueError, match="sparse must not be negative"):
        low_rank_plus_sparse(np.ones((2, 3, 4, 5)), np.ones((3, 4), bool), np.ones((2, 4, 5)), sparse=-1)
