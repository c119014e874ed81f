"""Doppler, clutter filters, sound speed, migration and scan conversion: laws and moving points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import hilbert

from imgtech.geometry import ConvexArray, ImageGrid, LinearArray, PlaneWaves, PolarGrid, SphericalWaves
from imgtech.phantoms import GaussianPulse, Scatterers, speckle, wires
from imgtech.recon.ultrasound import (
    axial_displacement,
    axial_strain,
    color_doppler,
    delay_and_sum,
    estimate_sound_speed,
    fir_filter,
    polynomial_filter,
    power_doppler,
    rf_to_iq,
    scan_convert,
    spectral_doppler,
    stolt_migration,
    svd_filter,
    vector_doppler,
)

PULSE = GaussianPulse(center_hz=5e6, fractional_bandwidth=0.5)


def moving(waves, velocity_m_s, prf_hz, n_frames, rng):
    """IQ images of a cloud that moves by the same step from frame to frame, one image a transmit."""
    probe = LinearArray(n_elements=48, pitch_mm=0.3, center_mm=0.5)
    cloud = speckle(((11, 15), (-3, 4)), density_per_mm2=8, rng=rng)
    grid = ImageGrid(shape=(24, 14), spacing_mm=(0.1, 0.25), center_mm=(13.0, 0.4))
    frames = []
    for k in range(n_frames):
        places = cloud.positions_mm + 1e3 * k / prf_hz * np.asarray(velocity_m_s)
        rf = Scatterers(places, cloud.amplitudes).echoes(
            probe, waves, pulse=PULSE, n_samples=420, sound_speed_m_s=1480, dtype=np.float64
        )
        frames.append(rf_to_iq(rf, waves, center_hz=5e6))
    iq = np.stack(frames, axis=-1)
    return delay_and_sum(
        iq, probe, waves, grid, f_number=1.5, sound_speed_m_s=1480, center_hz=5e6, compound=False
    )


def test_velocity_is_positive_towards_the_probe_and_right(rng):
    waves = PlaneWaves.from_degrees([0], sampling_hz=20e6, start_s=9e-6, pulse_delay_s=0.2e-6)
    for velocity in (-0.11, 0.2):  # along z: towards the probe, away from it
        images = moving(waves, (velocity, 0.0), 4e3, 6, rng)[0]
        flow = color_doppler(images, center_hz=5e6, prf_hz=4e3, sound_speed_m_s=1480, window=(5, 5))
        strong = flow.power > 0.1 * flow.power.max()
        assert np.median(flow.velocity_m_s[strong]) == pytest.approx(-velocity, rel=0.05)
        assert flow.limit_m_s == pytest.approx(1480 * 4e3 / (4 * 5e6))
        assert flow.coherence[strong].mean() > 0.8


def test_velocity_in_the_plane_from_three_angles(rng):
    waves = PlaneWaves.from_degrees([-14, 0, 14], sampling_hz=20e6, start_s=9e-6, pulse_delay_s=0.2e-6)
    images = moving(waves, (0.06, -0.12), 4e3, 6, rng)
    flows = [
        color_doppler(i, center_hz=5e6, prf_hz=4e3, sound_speed_m_s=1480, window=(23, 13)) for i in images
    ]
    seen = [f.velocity_m_s[12, 7] for f in flows]
    vz, vx = vector_doppler(seen, waves.angles_rad)
    assert vz == pytest.approx(0.06, abs=0.01)
    assert vx == pytest.approx(-0.12, abs=0.03)


def test_the_uncertainty_of_a_velocity_is_its_scatter(rng):
    phases = np.exp(0.4j * np.arange(9))
    noise = rng.standard_normal((2, 400, 50, 9))
    images = phases + 0.2 * (noise[0] + 1j * noise[1])
    flow = color_doppler(images, center_hz=5e6, prf_hz=4e3)
    scatter = flow.velocity_m_s.std()
    stated = np.sqrt(np.mean(flow.uncertainty_m_s**2))
    assert flow.velocity_m_s.mean() == pytest.approx(1540 * 4e3 / (4 * np.pi * 5e6) * 0.4, rel=0.005)
    assert scatter / stated < 1.0  # neighbouring products share a frame with the opposite sign
    assert scatter / stated > 0.3


def test_receive_angles_turn_the_direction_that_is_seen():
    """Velocities written down from the law, with apertures steered to the other side than the waves."""
    v_z, v_x = -0.23, 0.41
    transmit, receive = np.array([-0.2, 0.1, 0.1]), np.array([0.15, -0.25, 0.3])
    seen = -0.5 * (v_z * (np.cos(transmit) + np.cos(receive)) + v_x * (np.sin(transmit) + np.sin(receive)))
    np.testing.assert_allclose(vector_doppler(seen, transmit, receive), [v_z, v_x], atol=1e-12)


@pytest.mark.parametrize("window", [(1, 1), (5, 3)])
def test_the_uncertainty_falls_with_the_window_as_the_scatter_does(rng, window):
    noise = rng.standard_normal((2, 400, 51, 9))
    flow = color_doppler(
        np.exp(0.4j * np.arange(9)) + 0.2 * (noise[0] + 1j * noise[1]),
        center_hz=5e6,
        prf_hz=4e3,
        window=window,
    )
    stated = np.sqrt(np.mean(flow.uncertainty_m_s**2))
    assert 0.3 < flow.velocity_m_s[5:-5, 3:-3].std() / stated < 1.0


def test_strain_of_stretched_tissue(rng):
    """Depths stretched by 0.4 % about 13 mm: displacement 0 there and growing away from the probe."""
    waves = PlaneWaves.from_degrees([0], sampling_hz=20e6, start_s=9e-6, pulse_delay_s=0.2e-6)
    probe = LinearArray(n_elements=48, pitch_mm=0.3, center_mm=0.5)
    cloud = speckle(((9, 17), (-4, 5)), density_per_mm2=8, rng=rng)
    grid = ImageGrid(shape=(80, 20), spacing_mm=(0.06, 0.2), center_mm=(13.0, 0.4))
    images = []
    for strain in (0.0, 0.004):
        places = cloud.positions_mm + strain * (cloud.positions_mm - [13.0, 0.0]) * [1.0, 0.0]
        rf = Scatterers(places, cloud.amplitudes).echoes(
            probe, waves, pulse=PULSE, n_samples=420, sound_speed_m_s=1480, dtype=np.float64
        )
        settings = {"f_number": 2.0, "sound_speed_m_s": 1480, "center_hz": 5e6}
        images.append(delay_and_sum(rf_to_iq(rf, waves, center_hz=5e6), probe, waves, grid, **settings))
    moved = axial_displacement(*images, center_hz=5e6, sound_speed_m_s=1480, window=(9, 9))
    z = grid.coordinates_mm[0]
    slope, _ = np.polyfit(z - 13.0, np.median(moved, axis=1), 1)
    assert slope == pytest.approx(0.004, rel=0.1)
    assert np.median(moved[38:42]) == pytest.approx(0.0, abs=0.001)
    assert np.median(axial_strain(moved, spacing_mm=0.06, n_window=41)) == pytest.approx(0.004, rel=0.15)
    with pytest.raises(ValueError, match="n_window must be odd and at most 80"):
        axial_strain(moved, spacing_mm=0.06, n_window=81)
    with pytest.raises(ValueError, match="after must have shape"):
        axial_displacement(images[0], images[1][1:], center_hz=5e6)


def test_power_and_spectrum():
    tone = 3 * np.exp(-2j * np.pi * 0.2 * np.arange(300))
    assert power_doppler(np.stack([tone, 2 * tone]))[1] == pytest.approx(36)
    power, velocities, times = spectral_doppler(
        tone, center_hz=4e6, prf_hz=5e3, sound_speed_m_s=1500, n_window=50, step=20
    )
    assert power.shape == (50, 13)
    np.testing.assert_allclose(velocities[power.argmax(0)], -1000 * 1500 / (2 * 4e6))
    np.testing.assert_allclose(times[:2], [24.5 / 5e3, 44.5 / 5e3])
    np.testing.assert_allclose(power.sum(0), 50 * 9, rtol=1e-6)


def test_polynomial_filter_takes_polynomials_and_nothing_else(rng):
    t = np.linspace(-1, 1, 11)
    slow = rng.standard_normal((4, 3, 3)) @ np.stack([t**0, t, t**2]) * (1 + 2j)
    np.testing.assert_allclose(polynomial_filter(slow, order=2), 0, atol=1e-12)
    fast = rng.standard_normal((4, 3, 11)) + 0j
    kept = polynomial_filter(fast + slow, order=2)
    np.testing.assert_allclose(kept @ np.stack([t**0, t, t**2]).T, 0, atol=1e-11)
    np.testing.assert_allclose(polynomial_filter(kept, order=2), kept, atol=1e-12)


def test_fir_filter_is_a_high_pass_that_leaves_nothing_of_what_stands():
    prf_hz, k = 3e3, np.arange(23)
    still = np.array([[4.0 - 3j], [2j]]) * np.ones(23) + np.array([[1.0], [0.3]]) * k  # and drifts evenly
    for n_taps in (3, 7, 9):
        settings = {"cutoff_hz": 400.0, "prf_hz": prf_hz, "n_taps": n_taps}
        assert np.abs(fir_filter(still, **settings)).max() < 1e-12
        impulse = (k == 11).astype(complex)
        taps = fir_filter(impulse[None], **settings)[0]
        taps = taps[np.abs(taps) > 0]
        assert taps.size == n_taps
        for f_hz in (310.0, -1240.0):
            wave = np.exp(2j * np.pi * f_hz * k / prf_hz)
            response = np.sum(taps * np.exp(2j * np.pi * f_hz * np.arange(n_taps)[::-1] / prf_hz))
            out = fir_filter(wave[None], **settings)
            assert out.shape == (1, 24 - n_taps)
            np.testing.assert_allclose(out[0], response * wave[: 24 - n_taps], atol=1e-12)
        for f_hz, least, most in ((-1500.0, 1 - 1e-9, 1 + 1e-9), (1150.0, 0.85, 1.15), (60.0, 0.0, 0.12)):
            out = fir_filter(np.exp(2j * np.pi * f_hz * k / prf_hz)[None], **settings)
            assert least <= np.abs(out).max() <= most
    assert fir_filter(still.astype(np.complex64), cutoff_hz=400, prf_hz=prf_hz).dtype == np.complex64


def test_flow_beside_strong_tissue_is_seen_after_the_fir_filter(rng):
    prf_hz, velocity = 4e3, 0.16
    phase = 4 * np.pi * 5e6 * velocity / 1480 / prf_hz  # towards the probe
    flow = np.exp(1j * (phase * np.arange(16) + rng.uniform(0, 6, (9, 7, 1))))
    images = 30 * np.exp(1j * rng.uniform(0, 6, (9, 7, 1))) + flow
    settings = {"center_hz": 5e6, "prf_hz": prf_hz, "sound_speed_m_s": 1480, "window": (3, 3)}
    filtered = fir_filter(images, cutoff_hz=300, prf_hz=prf_hz)
    assert abs(color_doppler(images, **settings).velocity_m_s).max() < 0.01
    np.testing.assert_allclose(color_doppler(filtered, **settings).velocity_m_s, velocity, rtol=1e-3)


def test_svd_filter_takes_the_strongest_components(rng):
    u = np.linalg.qr(rng.standard_normal((35, 3)))[0]
    v = np.linalg.qr(rng.standard_normal((8, 3)) + 1j * rng.standard_normal((8, 3)))[0]
    parts = [s * np.outer(u[:, k], v[:, k]).reshape(7, 5, 8) for k, s in enumerate((100.0, 5.0, 0.1))]
    images = sum(parts)
    np.testing.assert_allclose(svd_filter(images, n_clutter=1), parts[1] + parts[2], atol=1e-7)
    np.testing.assert_allclose(svd_filter(images, n_clutter=1, n_kept=1), parts[1], atol=1e-7)
    np.testing.assert_allclose(svd_filter(images, n_clutter=0), images, atol=1e-9)


@pytest.mark.parametrize("speed", [1447.0, 1540.0, 1583.0])
def test_sound_speed_is_found_within_three_tenths_of_a_percent(speed):
    probe = LinearArray(n_elements=96, pitch_mm=0.3, center_mm=-0.7)
    waves = PlaneWaves.from_degrees([-8, 0, 8], sampling_hz=20e6, start_s=4e-6, pulse_delay_s=0.3e-6)
    tissue = speckle(((8, 26), (-10, 9)), density_per_mm2=8, rng=np.random.default_rng(2))
    rf = tissue.echoes(probe, waves, pulse=PULSE, n_samples=760, sound_speed_m_s=speed)
    iq = rf_to_iq(rf, waves, center_hz=5e6)
    grid = ImageGrid(shape=(96, 64), spacing_mm=(0.07, 0.2), center_mm=(17.0, -0.6))
    found = estimate_sound_speed(
        iq, probe, waves, grid, trials_m_s=np.arange(1400.0, 1640.0, 10.0), center_hz=5e6
    )
    assert found.value_m_s == pytest.approx(speed, rel=0.003)
    assert abs(found.value_m_s - speed) < 4 * found.uncertainty_m_s
    assert 0 < found.uncertainty_m_s < 3
    with pytest.raises(ValueError, match="trials_m_s must enclose the speed"):
        estimate_sound_speed(
            iq, probe, waves, grid, trials_m_s=speed - 150 + np.arange(5) * 10.0, center_hz=5e6
        )


def test_every_trial_speed_sees_the_same_elements(monkeypatch):
    """Depths move with the speed, and the f-number with them, so that apertures keep their width."""
    seen = []

    def spy(data, probe, waves, grid, *, f_number, sound_speed_m_s, **settings):
        seen.append((sound_speed_m_s, grid.center_mm[0] / f_number, grid.center_mm[0] / sound_speed_m_s))
        return delay_and_sum(
            data, probe, waves, grid, f_number=f_number, sound_speed_m_s=sound_speed_m_s, **settings
        )

    monkeypatch.setattr("imgtech.recon.ultrasound.sound_speed.delay_and_sum", spy)
    probe = LinearArray(n_elements=32, pitch_mm=0.3)
    waves = PlaneWaves.from_degrees([-4, 5], sampling_hz=20e6)
    tissue = speckle(((8, 16), (-5, 6)), density_per_mm2=8, rng=np.random.default_rng(3))
    rf = tissue.echoes(probe, waves, pulse=PULSE, n_samples=500)
    grid = ImageGrid(shape=(60, 40), spacing_mm=(0.08, 0.15), center_mm=(12.0, 0.4))
    trials = np.arange(1450.0, 1631.0, 20.0)
    settings = {"trials_m_s": trials, "center_hz": 5e6, "f_number": 1.3}
    estimate_sound_speed(rf_to_iq(rf, waves, center_hz=5e6), probe, waves, grid, **settings)
    speeds, widths, delays = np.array(seen).T
    np.testing.assert_array_equal(speeds, np.repeat(trials, 2))
    np.testing.assert_allclose(widths, 12.0 / 1.3)
    np.testing.assert_allclose(delays, 12.0 / 1540.0)


@pytest.mark.parametrize("angles", [[0], [7], [-10, 0, 12]])
def test_migration_and_delay_and_sum_agree(angles):
    """Same data, same aperture: widths within 5 %, places within a hundredth of a millimetre."""
    probe = LinearArray(n_elements=96, pitch_mm=0.23, center_mm=0.7)
    waves = PlaneWaves.from_degrees(angles, sampling_hz=30e6, start_s=9e-6, pulse_delay_s=0.3e-6)
    place = (24.3, 2.2)
    rf = wires(depths_mm=[place[0]], lateral_mm=[place[1]]).echoes(
        probe, waves, pulse=PULSE, n_samples=1000, dtype=np.float64
    )
    grid = ImageGrid(shape=(61, 81), spacing_mm=(0.025, 0.04), center_mm=place)
    migrated = np.abs(stolt_migration(rf, probe, waves, grid))
    summed = np.abs(delay_and_sum(hilbert(rf, axis=2), probe, waves, grid, interpolation="lanczos"))
    for image in (migrated, summed):
        assert np.unravel_index(image.argmax(), image.shape) == (30, 40)
    assert width(migrated[30]) == pytest.approx(width(summed[30]), rel=0.05)
    assert width(migrated[:, 40]) == pytest.approx(width(summed[:, 40]), rel=0.05)
    assert migrated.max() == pytest.approx(summed.max(), rel=0.05)


def width(profile):
    above = np.flatnonzero(profile >= profile.max() / 2)
    a, b, half = above[0], above[-1], profile.max() / 2
    left = a - (profile[a] - half) / (profile[a] - profile[a - 1])
    return b + (profile[b] - half) / (profile[b] - profile[b + 1]) - left


def test_scan_conversion_of_range_and_angle_is_exact():
    sector = PolarGrid(
        shape=(40, 25),
        range_spacing_mm=0.5,
        angle_spacing_rad=0.04,
        range_center_mm=30.0,
        angle_center_rad=0.1,
        apex_mm=(-18.0, 1.5),
    )
    grid = ImageGrid(shape=(33, 52), spacing_mm=(0.7, 0.9), center_mm=(9.0, 3.0))
    r, a = np.meshgrid(sector.ranges_mm, sector.angles_rad, indexing="ij")
    z, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    angle = np.arctan2(x - 1.5, z + 18.0)
    distance = np.hypot(x - 1.5, z + 18.0)
    inside = (np.abs(distance - 30) <= 9.75) & (np.abs(angle - 0.1) <= 0.48)
    expected = np.where(inside, 2 * distance - 30 * angle, -77.0)
    frames = np.stack([2 * r - 30 * a, -(2 * r - 30 * a)], axis=-1)
    found = scan_convert(frames, sector, grid, outside=-77.0)
    assert 0.3 < inside.mean() < 0.95
    np.testing.assert_allclose(found[..., 0], expected, atol=1e-9)
    np.testing.assert_allclose(found[..., 1][inside], -expected[inside], atol=1e-9)


def test_a_wire_before_a_convex_probe_lands_at_its_place():
    probe = ConvexArray(n_elements=64, pitch_mm=0.5, radius_mm=40.0, element_width_mm=0.4)
    waves = SphericalWaves(sources_mm=[[-40.0, 0.0]], sampling_hz=20e6, start_s=20e-6, pulse_delay_s=0.4e-6)
    pulse = GaussianPulse(center_hz=3.5e6)
    rf = wires(depths_mm=[31.0], lateral_mm=[-7.3]).echoes(
        probe, waves, pulse=pulse, n_samples=700, directivity="soft"
    )
    iq = rf_to_iq(rf, waves, center_hz=3.5e6)
    sector = PolarGrid(
        shape=(260, 120),
        range_spacing_mm=0.05,
        angle_spacing_rad=0.003,
        range_center_mm=71.0,
        apex_mm=(-40.0, 0.0),
    )
    image = np.abs(delay_and_sum(iq, probe, waves, sector, f_number=1.5, window="hann", center_hz=3.5e6))
    grid = ImageGrid(shape=(81, 81), spacing_mm=(0.05, 0.05), center_mm=(31.1, -7.2))
    fan = scan_convert(image, sector, grid)
    i, j = np.unravel_index(fan.argmax(), fan.shape)
    assert grid.coordinates_mm[0][i] == pytest.approx(31.0, abs=0.06)
    assert grid.coordinates_mm[1][j] == pytest.approx(-7.3, abs=0.11)


SQUARE = ImageGrid(shape=(4, 3), spacing_mm=(0.1, 0.2), center_mm=(3.0, 0.0))
BENT = ConvexArray(n_elements=8, pitch_mm=0.3, radius_mm=20.0)
FLAT = PlaneWaves.from_degrees([0], sampling_hz=20e6)


def sound_speed(**change):
    settings = {"data": 1j * np.ones((1, 8, 200)), "trials_m_s": [1500.0, 1520.0, 1540.0]} | change
    row = LinearArray(n_elements=8, pitch_mm=0.3)
    return estimate_sound_speed(probe=row, waves=FLAT, grid=SQUARE, **({"n_blocks": 2} | settings))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fir_filter(np.ones((4, 6)), cutoff_hz=9, prf_hz=90, n_taps=4), "n_taps must be odd"),
        (lambda: fir_filter(np.ones((4, 6)), cutoff_hz=9, prf_hz=90), "number of frames 6"),
        (lambda: fir_filter(np.ones((4, 8)), cutoff_hz=45, prf_hz=90), "cutoff_hz must be below half"),
        (lambda: fir_filter(np.ones((4, 8)), cutoff_hz=0, prf_hz=90), "cutoff_hz must be positive"),
        (lambda: color_doppler(np.ones((4, 4, 2)), center_hz=5e6, prf_hz=4e3), "at least 3 frames"),
        (lambda: color_doppler(np.ones((4, 4, 5)), center_hz=0, prf_hz=4e3), "center_hz must be positive"),
        (
            lambda: color_doppler(np.ones((4, 4, 5)), center_hz=5e6, prf_hz=4e3, window=(2, 3)),
            "window must be two odd",
        ),
        (lambda: vector_doppler([0.1, 0.2], [0.3, 0.3]), "at least two different angles"),
        (lambda: vector_doppler([0.1, 0.2], [0.3]), "must hold 2 angles"),
        (lambda: spectral_doppler(np.ones(20), center_hz=1, prf_hz=1), "n_window must be at most the 20"),
        (lambda: polynomial_filter(np.ones((4, 3)), order=2), "order must be below"),
        (lambda: svd_filter(np.ones((4, 3)), n_clutter=3), "n_clutter must be below"),
        (lambda: svd_filter(np.full((4, 3), np.nan)), "images must be finite"),
        (
            lambda: color_doppler(np.ones((4, 4, 5)), center_hz=5e6, prf_hz=4e3, window=3),
            "window must be two odd numbers, got 3",
        ),
        (lambda: scan_convert(np.ones((4, 3)), SQUARE, SQUARE), "sector must be of kind PolarGrid"),
        (lambda: stolt_migration(np.ones((1, 8, 50)), BENT, FLAT, SQUARE), "probe must be of kind Linear"),
        (lambda: sound_speed(n_blocks=4), "n_blocks must be at most the 3 columns"),
        (lambda: sound_speed(f_number=-1.0), "f_number must not be negative, got -1.0"),
        (lambda: sound_speed(data=np.ones((1, 8, 50))), "data must be complex"),
    ],
)
def test_wrong_values_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
