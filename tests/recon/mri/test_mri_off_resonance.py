"""Signals in an uneven field: closed form of even gradients, direct sums, and what correction wins."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, Trajectory, kooshball, spiral
from imgtech.phantoms import CoilSensitivities, Ellipse, Phantom
from imgtech.recon import dot_test
from imgtech.recon.mri import OffResonanceNufft, conjugate_phase, gridding, voronoi_density
from imgtech.recon.mri._segments import time_segments
from imgtech.recon.solvers import conjugate_gradient

GRID = ImageGrid(shape=(44, 50), spacing_mm=(2.6, 2.4), center_mm=(4.0, -3.0))
SHOTS = spiral(
    3, fov_mm=130.0, spacing_mm=2.5, dwell_s=8e-6, max_gradient_mt_per_m=24.0, max_slew_t_per_m_s=90.0
)
TIMES = 1.5e-3 + np.arange(SHOTS.shape[1]) * 8e-6
OBJECT = Phantom(
    shapes=(
        Ellipse(value=2.0, semi_axes_mm=(38.0, 33.0), center_mm=(6.0, -8.0), angle_rad=0.4),
        Ellipse(value=-0.9, semi_axes_mm=(7.0, 11.0), center_mm=(-10.0, 4.0)),
        Ellipse(value=1.1, semi_axes_mm=(5.0, 4.0), center_mm=(20.0, -16.0)),
    )
)
Y, X = np.meshgrid(*GRID.coordinates_mm, indexing="ij")


def bowl_hz(y, x):
    return 110 * np.exp(-((y - 12) ** 2 + (x + 16) ** 2) / (2 * 24.0**2)) - 0.8 * y + 25


def direct_sum(trajectory, times_s, field, step_mm):
    """The signal of square tiles of the object, each in the field of its middle."""
    n = int(96 / step_mm)
    grid = ImageGrid(shape=(n, n), spacing_mm=(step_mm, step_mm), center_mm=(6.0, -8.0))
    image = OBJECT.image(grid, dtype=np.float64)
    y, x = (a[image != 0] for a in np.meshgrid(*grid.coordinates_mm, indexing="ij"))
    values, frequency = image[image != 0], field(y, x)
    k = trajectory.positions_per_mm
    times = np.broadcast_to(times_s, trajectory.shape)
    out = np.empty(trajectory.shape, complex)
    for j in np.ndindex(trajectory.shape):
        turns = k[j][0] * y + k[j][1] * x + frequency * times[j]
        out[j] = step_mm**2 * (values * np.exp(-2j * np.pi * turns)).sum()
    return out * np.sinc(k[..., 0] * step_mm) * np.sinc(k[..., 1] * step_mm)


def error(image, truth, where):
    return np.linalg.norm((image - truth)[where]) / np.linalg.norm(truth[where])


def test_the_operator_is_the_direct_sum(rng):
    some = Trajectory(positions_per_mm=SHOTS.positions_per_mm[:, ::41])
    times = TIMES[::41]
    maps = CoilSensitivities.ring(n_coils=3, radius_mm=120.0).maps(GRID).astype(complex)
    image = rng.normal(size=GRID.shape) + 1j * rng.normal(size=GRID.shape)
    k = some.positions_per_mm.reshape(-1, 2)
    turns = np.outer(k[:, 0], Y) + np.outer(k[:, 1], X)
    turns += np.outer(np.broadcast_to(times, some.shape).ravel(), bowl_hz(Y, X))
    waves = np.exp(-2j * np.pi * turns) * np.prod(GRID.spacing_mm)
    for tolerance in (1e-2, 1e-4, 1e-7):
        operator = OffResonanceNufft(some, GRID, bowl_hz(Y, X), times, maps, tolerance)
        found = operator.forward(image)
        expected = np.stack([(waves @ (m * image).ravel()).reshape(some.shape) for m in maps])
        assert np.linalg.norm(found - expected) / np.linalg.norm(expected) < 2 * tolerance
    samples = rng.normal(size=expected.shape) + 1j
    back = sum(
        m.conj() * (waves.conj().T @ s.ravel()).reshape(GRID.shape)
        for m, s in zip(maps, samples, strict=True)
    )
    found = operator.adjoint(samples)
    assert np.linalg.norm(found - back) / np.linalg.norm(back) < 1e-6


@pytest.mark.parametrize(("dtype", "limit"), [(np.complex64, 1e-6), (np.complex128, 1e-13)])
@pytest.mark.parametrize("n_coils", [0, 4])
def test_the_pair_is_matched_to_rounding(n_coils, dtype, limit, rng):
    maps = CoilSensitivities.ring(n_coils=4, radius_mm=120.0).maps(GRID) if n_coils else None
    operator = OffResonanceNufft(SHOTS, GRID, bowl_hz(Y, X), TIMES, maps)
    assert dot_test(operator, rng, dtype) < limit
    assert operator.forward(np.ones(GRID.shape, np.float32)).dtype == np.complex64


def test_it_takes_volumes(rng):
    grid = ImageGrid(shape=(9, 12, 10), spacing_mm=(5.0, 4.0, 6.0), center_mm=(1.0, 2.0, -3.0))
    spokes, times = kooshball(30, 16, spacing_mm=4.0), np.arange(16) * 3e-4
    frequency = rng.uniform(-60, 90, grid.shape)
    image = rng.normal(size=grid.shape)
    k = spokes.positions_per_mm.reshape(-1, 3)
    r = np.stack(np.meshgrid(*grid.coordinates_mm, indexing="ij"), -1).reshape(-1, 3)
    turns = k @ r.T + np.outer(np.tile(times, 30), frequency.ravel())
    expected = np.prod(grid.spacing_mm) * np.exp(-2j * np.pi * turns) @ image.ravel()
    found = OffResonanceNufft(spokes, grid, frequency, times).forward(image).ravel()
    assert np.linalg.norm(found - expected) / np.linalg.norm(expected) < 2e-4


@pytest.mark.parametrize("offset_hz", [-45.0, 70.0])
def test_an_even_frequency_is_one_segment_and_turns_samples(offset_hz, rng):
    operator = OffResonanceNufft(SHOTS, GRID, np.full(GRID.shape, offset_hz), TIMES)
    plain = OffResonanceNufft(SHOTS, GRID, np.zeros(GRID.shape), TIMES)
    image = rng.normal(size=GRID.shape)
    assert operator.n_segments == plain.n_segments == 1
    expected = plain.forward(image) * np.exp(-2j * np.pi * offset_hz * TIMES)
    np.testing.assert_allclose(
        operator.forward(image), expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max()
    )


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-7])
def test_segments_meet_the_tolerance_with_hardly_more_moments_than_the_best_basis(tolerance):
    frequency, times = np.random.default_rng(3).uniform(-100, 130, 4000), np.linspace(2e-3, 22e-3, 500)
    exact = np.exp(-2j * np.pi * np.outer(frequency, times))
    moments, weights = time_segments(frequency, times, tolerance)
    found = np.exp(-2j * np.pi * np.outer(frequency, moments)) @ weights
    assert np.sqrt((np.abs(found - exact) ** 2).mean(axis=0)).max() < 1.5 * tolerance
    left, sizes, right = np.linalg.svd(exact[::8], full_matrices=False)
    best = next(
        n
        for n in range(1, 40)
        if np.sqrt((np.abs((left[:, n:] * sizes[n:]) @ right[n:]) ** 2).mean(axis=0)).max() < tolerance
    )
    assert len(moments) <= best + 2


def test_in_the_closed_form_of_an_even_gradient_the_object_is_found():
    # a frequency a + g r moves every sample by g t and turns it by a t: exact, without any pixels
    offset_hz, slope = 40.0, np.array([0.9, -0.6])
    moved = Trajectory(positions_per_mm=SHOTS.positions_per_mm + TIMES[:, None] * slope)
    data = OBJECT.kspace(moved, dtype=np.complex128) * np.exp(-2j * np.pi * offset_hz * TIMES)
    density = voronoi_density(SHOTS, 130.0)
    truth = conjugate_gradient(
        OffResonanceNufft(SHOTS, GRID, np.zeros(GRID.shape), TIMES),
        OBJECT.kspace(SHOTS, dtype=np.complex128),
        weights=density,
        n_iter=12,
    ).image
    where = np.hypot(Y - 6, X + 8) < 42
    field = offset_hz + slope[0] * Y + slope[1] * X
    operator = OffResonanceNufft(SHOTS, GRID, field, TIMES)
    corrected = conjugate_gradient(operator, data, weights=density, n_iter=12).image
    ignored = gridding(data, SHOTS, GRID, density=density)
    assert error(ignored, truth, where) > 0.3
    assert error(corrected, truth, where) < 0.035 * error(ignored, truth, where)


def test_correction_wins_in_a_smooth_field_simulated_by_the_direct_sum():
    data = direct_sum(SHOTS, TIMES, bowl_hz, 1.0)
    even = direct_sum(SHOTS, TIMES, lambda y, x: 0 * y, 1.0)
    density = voronoi_density(SHOTS, 130.0)
    where = np.hypot(Y - 6, X + 8) < 42
    field = bowl_hz(Y, X)
    truth = gridding(even, SHOTS, GRID, density=density)
    ignored = error(gridding(data, SHOTS, GRID, density=density), truth, where)
    how = {"frequency_hz": field, "times_s": TIMES, "density": density}
    quick = error(conjugate_phase(data, SHOTS, GRID, **how), truth, where)
    operator = OffResonanceNufft(SHOTS, GRID, field, TIMES)
    slow = error(conjugate_gradient(operator, data, weights=density, n_iter=10).image, truth, where)
    assert ignored > 0.5
    assert quick < ignored / 15
    assert slow < ignored / 25


def test_coils_and_precision_of_the_quick_way_stay():
    data = OBJECT.kspace(SHOTS)
    density = voronoi_density(SHOTS, 130.0)
    how = {"frequency_hz": 0 * Y, "times_s": TIMES, "density": density}
    both = conjugate_phase(np.stack([data, 2j * data]), SHOTS, GRID, **how)
    assert both.dtype == np.complex64
    np.testing.assert_allclose(both[1], 2j * both[0], atol=1e-5)
    np.testing.assert_allclose(both[0], gridding(data, SHOTS, GRID, density=density), atol=1e-4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"frequency_hz": np.zeros((50, 44))},
            r"frequency_hz must have the shape \(44, 50\), got \(50, 44\)",
        ),
        ({"frequency_hz": np.full(GRID.shape, np.nan)}, "frequency_hz must be finite"),
        ({"times_s": TIMES[:-1]}, "times_s must have the last axes of"),
        ({"times_s": np.full(SHOTS.shape[1], np.inf)}, "times_s must be finite"),
        ({"maps": np.ones((2, 50, 44))}, r"maps must end with shape \(44, 50\)"),
        ({"tolerance": 0.5}, "tolerance must lie between"),
    ],
)
def test_what_does_not_fit_is_refused(changed, message):
    arguments = {"frequency_hz": np.zeros(GRID.shape), "times_s": TIMES} | changed
    with pytest.raises(ValueError, match=message):
        OffResonanceNufft(SHOTS, GRID, **arguments)


def test_samples_and_weights_that_do_not_fit_are_refused():
    operator = OffResonanceNufft(SHOTS, GRID, np.zeros(GRID.shape), TIMES)
    with pytest.raises(ValueError, match=r"x must end with shape \(44, 50\)"):
        operator.forward(np.ones((50, 44)))
    with pytest.raises(ValueError, match="y must end with shape"):
        operator.adjoint(np.ones((2, 3)))
    with pytest.raises(ValueError, match="trajectory must be of kind Trajectory"):
        OffResonanceNufft(SHOTS.positions_per_mm, GRID, 0 * Y, TIMES)
    with pytest.raises(ValueError, match=r"grid must be of kind ImageGrid, got \(44, 50\)"):
        OffResonanceNufft(SHOTS, GRID.shape, 0 * Y, TIMES)
    with pytest.raises(ValueError, match="trajectory must be of kind Trajectory, got None"):
        conjugate_phase(np.ones(3), None, GRID, frequency_hz=0 * Y, times_s=TIMES, density=np.ones(3))
    with pytest.raises(ValueError, match="density must have the shape"):
        conjugate_phase(
            np.ones(SHOTS.shape), SHOTS, GRID, frequency_hz=0 * Y, times_s=TIMES, density=np.ones((2, 3))
        )
