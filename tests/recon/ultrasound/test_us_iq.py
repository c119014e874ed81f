"""Demodulation, envelope, log compression, delays and aperture weights."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, LinearArray, PlaneWaves
from imgtech.recon.ultrasound import (
    aperture_weights,
    envelope,
    log_compress,
    receive_delays,
    rf_to_iq,
    transmit_delays,
)

WAVES = PlaneWaves.from_degrees([-5, 0, 7], sampling_hz=23e6, start_s=[2e-6, 3.1e-6, 4.7e-6])


def tone(waves, frequency_hz, phase, n=700):
    t = waves.start_s[:, None] + np.arange(n) / waves.sampling_hz
    return np.cos(2 * np.pi * frequency_hz * t + phase)[:, None, :].repeat(2, axis=1)


def test_phase_is_that_at_time_zero_for_every_transmit():
    iq = rf_to_iq(tone(WAVES, 5.3e6, 0.9), WAVES, center_hz=5.3e6)
    np.testing.assert_allclose(iq[:, :, 200:-200], np.exp(0.9j), atol=1e-3)


def test_a_tone_off_the_centre_turns_at_the_difference():
    iq = rf_to_iq(tone(WAVES, 5.6e6, 0.4), WAVES, center_hz=5.1e6)
    t = WAVES.start_s[:, None, None] + np.arange(700) / 23e6
    expected = np.broadcast_to(np.exp(1j * (2 * np.pi * 0.5e6 * t + 0.4)), iq.shape)
    np.testing.assert_allclose(iq[:, :, 200:-200], expected[:, :, 200:-200], atol=1e-3)


@pytest.mark.parametrize(("offset_hz", "gain"), [(0.9e6, 1.0), (2e6, 0.5), (-2e6, 0.5), (3.1e6, 0.0)])
def test_bandwidth_lies_between_the_half_amplitudes(offset_hz, gain):
    iq = rf_to_iq(tone(WAVES, 5.1e6 + offset_hz, 0.4), WAVES, center_hz=5.1e6, bandwidth_hz=4e6)
    np.testing.assert_allclose(np.abs(iq[:, :, 250:-250]), gain, atol=0.01)


def test_undersampled_band_is_recovered():
    slow = PlaneWaves.from_degrees([0], sampling_hz=20e6 / 3, start_s=9.95e-6)
    iq = rf_to_iq(tone(slow, 5.1e6, -0.7), slow, center_hz=5e6, bandwidth_hz=0.75e6)
    t = 9.95e-6 + np.arange(700) * 3 / 20e6
    expected = np.broadcast_to(np.exp(1j * (2 * np.pi * 0.1e6 * t - 0.7)), iq.shape)
    np.testing.assert_allclose(iq[:, :, 200:-200], expected[:, :, 200:-200], atol=1e-3)


def test_a_pulse_stays_where_it_is():
    t = np.arange(400) / 23e6 - 150.3 / 23e6
    rf = np.exp(-0.5 * (t / 0.3e-6) ** 2) * np.cos(2 * np.pi * 5e6 * t)
    iq = rf_to_iq(np.tile(rf, (3, 1, 1)), WAVES, center_hz=5e6)
    weight = np.abs(iq[1, 0]) ** 2
    assert weight @ np.arange(400) / weight.sum() == pytest.approx(150.3, abs=0.01)


def test_the_end_of_a_trace_does_not_leak_into_its_beginning():
    rf = np.zeros((3, 1, 300))
    rf[:, :, -3:] = 1.0
    iq = np.abs(rf_to_iq(rf, WAVES, center_hz=5e6))
    assert iq[:, :, :150].max() < 1e-3 * iq.max()


@pytest.mark.parametrize(
    ("dtype", "expected"), [(np.int16, np.complex64), (np.float32, np.complex64), (float, np.complex128)]
)
def test_frames_are_demodulated_alike(rng, dtype, expected):
    rf = (1000 * rng.standard_normal((3, 4, 90, 5))).astype(dtype)
    iq = rf_to_iq(rf, WAVES, center_hz=5e6)
    assert iq.dtype == expected
    one = rf_to_iq(rf[..., 3], WAVES, center_hz=5e6)
    np.testing.assert_allclose(iq[..., 3], one, atol=1e-6 * np.abs(one).max())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bandwidth_hz": 20e6}, "bandwidth_hz must be at most 8e"),
        ({"bandwidth_hz": 0}, "bandwidth_hz must be positive"),
        ({"center_hz": 11.5e6}, "multiple of half the sampling"),
        ({"center_hz": np.nan}, "center_hz must be finite"),
        ({"rf": np.ones((2, 2, 50))}, "rf must have 3 transmits"),
        ({"rf": np.ones((3, 50))}, "rf must have 3 or 4 axes"),
        ({"rf": np.ones((3, 2, 50), complex)}, "rf must be real"),
    ],
)
def test_wrong_demodulation_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        rf_to_iq(**({"rf": np.ones((3, 2, 50)), "waves": WAVES, "center_hz": 5e6} | change))


def test_envelope_of_rf_is_its_amplitude():
    z = np.arange(300)[:, None]
    amplitude = np.exp(-0.5 * ((z - 140) / 25) ** 2) * np.array([1.0, 2.5, 0.3])
    image = amplitude * np.cos(0.8 * z + 0.3)
    np.testing.assert_allclose(envelope(image), amplitude, atol=1e-4)
    np.testing.assert_allclose(envelope(image.T, axis=1), amplitude.T, atol=1e-4)
    assert envelope(image.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(envelope((1 + 1j) * amplitude), np.sqrt(2) * amplitude)


def test_log_compression_is_in_decibels():
    levels = log_compress([[2.0, 0.2], [2e-3, 0.0]], dynamic_range_db=50)
    np.testing.assert_allclose(levels, [[0, -20], [-50, -50]], atol=1e-5)
    levels = log_compress(np.array([[4.0, 0.2]]), reference=2.0)
    np.testing.assert_allclose(levels, [[0, -20]], atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: log_compress(np.zeros((2, 2))), "value above zero"),
        (lambda: log_compress(-np.ones((2, 2))), "must not be negative"),
        (lambda: log_compress(np.ones((2, 2)), dynamic_range_db=0), "dynamic_range_db must be positive"),
        (lambda: log_compress(np.ones((2, 2)), reference=0), "reference must be positive"),
        (lambda: envelope(np.full((2, 2), np.inf)), "image must be finite"),
        (lambda: envelope(np.ones((2, 2)), axis=2), "axis must be"),
        (lambda: aperture_weights(0, 10, window="square"), "window must be one of"),
        (lambda: aperture_weights(0, 10, f_number=-1), "f_number must not be negative"),
    ],
)
def test_wrong_values_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_delays_are_distances_over_speed():
    grid = ImageGrid(shape=(1, 2), spacing_mm=(1.0, 8.0), center_mm=(3.0, 1.0))  # x = -3 and 5
    waves = PlaneWaves(angles_rad=[np.arcsin(0.6), -np.arcsin(0.6)], sampling_hz=1e6)
    expected = np.array([[[2.4 - 1.8, 2.4 + 3.0]], [[2.4 + 1.8, 2.4 - 3.0]]]) * 1e-3 / 1500
    np.testing.assert_allclose(transmit_delays(waves, grid, sound_speed_m_s=1500), expected, atol=1e-18)
    probe = LinearArray(n_elements=1, pitch_mm=1.0, center_mm=1.0)
    np.testing.assert_allclose(
        receive_delays(probe, grid, sound_speed_m_s=1500), [[[5e-3 / 1500, 5e-3 / 1500]]]
    )


def test_aperture_weights_at_the_marks():
    weights = [
        aperture_weights([0, 2.5, -3.75, 5, 5.01], 20.0, f_number=2.0, window=window)
        for window in ("boxcar", "hann", "hamming", "blackman", "tukey")
    ]
    half = 0.5 - 0.5 * np.sqrt(0.5)
    expected = [
        [1, 1, 1, 1, 0],
        [1, 0.5, half, 0, 0],
        [1, 0.54, 0.54 - 0.46 * np.sqrt(0.5), 0.08, 0],
        [1, 0.34, 0.42 - 0.5 * np.sqrt(0.5), 0, 0],
        [1, 1, 0.5, 0, 0],
    ]
    np.testing.assert_allclose(weights, expected, atol=1e-12)
