"""Unwrapped phase, field maps, water and fat: closed forms, intervals that hold, and no swaps."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.recon.mri.maps import b0_map, fat_phasors, unwrap_phase, water_fat

TIMES = np.array([0.0021, 0.0046, 0.0095, 0.0171])


def complex_noise(shape, sigma, rng):
    return sigma * (rng.normal(size=shape) + 1j * rng.normal(size=shape))


def smooth_field(shape, span_hz, offset_hz):
    y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    return offset_hz + span_hz * (0.6 * y - 0.5 * x + 0.4 * x * y - 0.3 * y**2)


@pytest.mark.parametrize("shape", [(23, 40), (6, 15, 21)])
def test_unwrapping_gives_the_phase_up_to_whole_turns(shape):
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    truth = 17.0 * axes[-1] + 9.0 * axes[-2] ** 2 - 4.0 * axes[0] + 2.0
    mask = axes[-1] ** 2 + axes[-2] ** 2 < 0.9
    for wrapped in (
        np.angle(np.exp(1j * truth)),
        3.0 * np.exp(1j * truth),
        (truth % 6.2831853).astype(np.float32),
    ):
        found = unwrap_phase(wrapped, mask=mask)
        turns = (found - truth)[mask] / (2 * np.pi)
        assert np.ptp(turns) < 1e-5
        assert turns.mean() == pytest.approx(round(turns.mean()), abs=1e-5)
        assert not found[~mask].any()
    assert found.dtype == np.float32


def test_the_field_of_every_voxel():
    """Uneven echoes, many turns between the far ones, one receiver phase, an odd shape."""
    field = smooth_field((21, 34), 260.0, 30.0)
    amplitude = np.linspace(20, 90, 34) * np.ones((21, 1)) * np.exp(0.8j)
    images = amplitude * np.exp(2j * np.pi * field * TIMES[:, None, None])
    found = b0_map(images, TIMES, sigma=1.0)
    np.testing.assert_allclose(found.field_hz, field, atol=1e-8)
    np.testing.assert_allclose(found.phase_rad, 0.8, atol=1e-9)
    assert found.fitted.all()
    # the conjugate has the opposite field
    np.testing.assert_allclose(b0_map(images.conj(), TIMES, sigma=1.0).field_hz, -field, atol=1e-8)


def test_the_multiple_nearest_to_zero_is_taken():
    """Turns of 1 / 2.5 ms = 400 Hz cannot be told."""
    field = smooth_field((15, 18), 60.0, 430.0)
    found = b0_map(np.exp(2j * np.pi * field * TIMES[:2, None, None]), TIMES[:2], sigma=0.1)
    np.testing.assert_allclose(found.field_hz, field - 400.0, atol=1e-8)


def test_coils_with_phases_of_their_own_add_up(rng):
    field = smooth_field((17, 22), 150.0, -20.0)
    maps = complex_noise((3, 17, 22), 1.0, rng) + 2.0
    images = 30.0 * maps * np.exp(2j * np.pi * field * TIMES[:, None, None, None])
    found = b0_map(images, TIMES, sigma=1.0, coils=True)
    np.testing.assert_allclose(found.field_hz, field, atol=1e-8)
    power = 900.0 * (np.abs(maps) ** 2).sum(axis=0)
    wanted = 1 / (2 * np.pi * np.sqrt(power * ((TIMES - TIMES.mean()) ** 2).sum()))
    np.testing.assert_allclose(found.uncertainty_hz, wanted, rtol=1e-9)


@pytest.mark.parametrize("n_coils", [1, 4])
def test_intervals_hold_the_field(n_coils, rng):
    field = smooth_field((25, 40), 90.0, 12.0)
    decay = np.exp(-35.0 * TIMES)[:, None, None, None]
    clean = (
        14.0 * decay * np.exp(2j * np.pi * field * TIMES[:, None, None, None]) * np.ones((1, n_coils, 1, 1))
    )
    images = clean + complex_noise(clean.shape, 1.0, rng)
    found = b0_map(images if n_coils > 1 else images[:, 0], TIMES, sigma=1.0, coils=n_coils > 1)
    inside = np.abs(found.field_hz - field) <= 1.96 * found.uncertainty_hz
    assert 0.93 <= inside.mean() <= 0.97


def test_a_real_series_follows_a_straight_line(data):
    """Three echoes at even distances; the phase of the third is where the first two say."""
    nibabel = pytest.importorskip("nibabel")
    folder = data("mri_raw/multi_echo")
    phase, magnitude = (np.asarray(nibabel.load(folder / f"{n}.nii").dataobj) for n in ("Phase", "Mag"))
    phase = 2 * np.pi * (phase - phase.min()) / np.ptp(phase)
    images = np.moveaxis(magnitude * np.exp(1j * phase), (-1, 2), (0, 1))
    mask = np.abs(images).min(axis=0) > 0.3 * np.percentile(np.abs(images), 95)
    times = np.array([0.004, 0.008, 0.012])
    found = b0_map(images, times, sigma=1.0, mask=mask)
    model = found.phase_rad + 2 * np.pi * found.field_hz * times[:, None, None, None]
    left = np.angle(images * np.exp(-1j * model))[:, found.fitted]
    assert np.median(np.abs(left[1:] - left[0])) < 0.15
    assert np.abs(np.median(found.field_hz[found.fitted])) < 125.0


def object_of(shape):
    """Water on the left, fat on the right, a mixture in a disk, nothing around."""
    y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    fraction = np.where(x > 0.2, 0.95, 0.04)
    fraction = np.where((y + 0.3) ** 2 + (x + 0.2) ** 2 < 0.09, 0.4, fraction)
    whole = np.where(x**2 + y**2 < 0.8, 100.0, 0.0)
    return whole * (1 - fraction), whole * fraction, whole > 0


@pytest.mark.parametrize(
    ("times", "span_hz"),
    [
        (np.array([0.00238, 0.00476]), 70.0),
        (np.array([0.0013, 0.0029, 0.0045]), 150.0),
        (np.array([0.0012, 0.0032, 0.0052, 0.0072]), 120.0),
    ],
    ids=["two", "three", "four"],
)
def test_water_and_fat_are_told_apart_without_swaps(times, span_hz, rng):
    water, fat, mask = object_of((44, 57))
    field = smooth_field((44, 57), span_hz, 9.0)
    phasors = fat_phasors(times, field_t=1.5)[:, None, None]
    images = (water + fat * phasors) * np.exp(2j * np.pi * field * times[:, None, None] + 0.9j)
    exact = water_fat(images, times, field_t=1.5, sigma=1.0)
    assert (exact.fitted == mask).all()
    np.testing.assert_allclose(np.abs(exact.water), water, atol=2e-3)
    np.testing.assert_allclose(np.abs(exact.fat), fat, atol=2e-3)
    np.testing.assert_allclose(exact.field_hz[mask], field[mask], atol=1e-2)
    noisy = images + complex_noise(images.shape, 2.0, rng)
    found = water_fat(noisy, times, field_t=1.5, sigma=2.0, mask=mask)
    swapped = np.abs(found.fat_fraction - exact.fat_fraction)[mask] > 0.3
    assert swapped.mean() < 0.002
    assert np.isinf(found.fat_uncertainty[~mask]).all()


@pytest.mark.parametrize("n_echoes", [2, 3])
def test_intervals_hold_water_fat_and_field(n_echoes, rng):
    times = np.array([0.0011, 0.0027, 0.0043])[:n_echoes]
    shape = (25, 40)
    field = smooth_field(shape, 40.0, 5.0)
    phasors = fat_phasors(times, field_t=3.0)[:, None, None]
    images = (60.0 + 40.0 * phasors) * np.exp(2j * np.pi * field * times[:, None, None] - 0.4j)
    images = images + complex_noise(images.shape, 1.0, rng)
    found = water_fat(images, times, field_t=3.0, sigma=1.0)
    pairs = [
        (np.abs(found.water), found.water_uncertainty, 60.0),
        (np.abs(found.fat), found.fat_uncertainty, 40.0),
        (found.field_hz, found.field_uncertainty_hz, field),
        (found.fat_fraction, found.fat_fraction_uncertainty, 0.4),
    ]
    for value, uncertainty, truth in pairs:
        assert 0.93 <= np.mean(np.abs(value - truth) <= 1.96 * uncertainty) <= 0.97


def test_phasors_of_fat_are_sums_over_its_peaks():
    shifts, weights = np.array([-3.4, 0.6]), np.array([3.0, 1.0])
    found = fat_phasors([0.0, 0.0031], field_t=2.9, shifts_ppm=shifts, amplitudes=weights)
    hertz = 42.577478518 * 2.9 * shifts
    wanted = 0.75 * np.exp(2j * np.pi * hertz[0] * 0.0031) + 0.25 * np.exp(2j * np.pi * hertz[1] * 0.0031)
    np.testing.assert_allclose(found, [1.0, wanted], atol=1e-12)
    six = fat_phasors([0.0046], field_t=1.5)
    assert 0.7 < np.abs(six[0]) < 0.95  # peaks out of step: a single one would keep 1


def test_a_single_peak_misjudges_the_fat_fraction():
    times = np.array([0.0013, 0.0029, 0.0045])
    left = np.arange(31) < 14
    mixed = 10.0 + 40.0 * fat_phasors(times, field_t=1.5)[:, None, None]
    images = np.where(left, 50.0, mixed * np.ones((24, 1)))
    single = water_fat(images, times, field_t=1.5, sigma=1.0, shifts_ppm=[-3.4], amplitudes=[1.0])
    six = water_fat(images, times, field_t=1.5, sigma=1.0)
    assert six.fat_fraction[:, ~left].mean() == pytest.approx(0.8, abs=1e-6)
    assert 0.02 < 0.8 - single.fat_fraction[:, ~left].mean() < 0.2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: unwrap_phase(np.ones(5)), "phase_rad must have 2 or 3 axes"),
        (lambda: unwrap_phase(np.full((3, 4), np.inf)), "phase_rad must be finite"),
        (
            lambda: unwrap_phase(np.ones((3, 4)), mask=np.ones((4, 3), bool)),
            "mask must be boolean with shape",
        ),
        (lambda: b0_map(np.ones((1, 3, 4)), [0.1], sigma=1.0), "images must be at least 2"),
        (lambda: b0_map(np.ones((2, 3, 4)), [0.2, 0.1], sigma=1.0), "echo_times_s must ascend"),
        (lambda: b0_map(np.zeros((2, 3, 4)), [0.1, 0.2], sigma=1.0), "must hold a signal in the mask"),
        (lambda: b0_map(np.ones((2, 3, 4)), [0.1, 0.2], sigma=-1.0), "sigma must be positive"),
        (lambda: b0_map(np.ones((2, 3, 4)), [0.1, 0.2], sigma=1.0, coils=True), "must have 4 or 5 axes"),
        (lambda: fat_phasors([0.1], field_t=0.0), "field_t must be positive"),
        (lambda: fat_phasors([0.1], field_t=1.5, amplitudes=[1.0]), "each of the 6 peaks, got 1"),
        (
            lambda: fat_phasors([0.1], field_t=1.5, shifts_ppm=[-3.4], amplitudes=[0.0]),
            "amplitudes must not be negative and not all zero",
        ),
        (
            lambda: water_fat(np.ones((2, 3, 4)), [0.1, 0.2], field_t=1.5, sigma=1.0, common_phase=False),
            "common_phase must be true with two echoes",
        ),
        (
            lambda: water_fat(
                np.ones((2, 3, 4)),
                np.array([1, 2]) / (3.4 * 42.577478518 * 1.5),
                field_t=1.5,
                sigma=1.0,
                shifts_ppm=[-3.4],
                amplitudes=[1.0],
            ),
            "echo_times_s must tell water from fat",
        ),
        (
            lambda: water_fat(np.zeros((3, 3, 4)), [0.001, 0.003, 0.005], field_t=1.5, sigma=1.0),
            "must hold a signal in the mask",
        ),
    ],
)
def test_what_cannot_be_mapped_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
