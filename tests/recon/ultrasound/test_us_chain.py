"""Gain over time, coded pulses, pulse inversion and unaliasing against what they are defined to be."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import PlaneWaves
from imgtech.recon.ultrasound import aperture_weights, compress_pulse, pulse_inversion, time_gain, unalias

WAVES = PlaneWaves.from_degrees([-3, 4], sampling_hz=8e6, start_s=[-0.5e-6, 6e-6])


def test_gain_undoes_the_attenuation_of_the_way_there_and_back():
    settings = {"attenuation_db_per_mm_mhz": 0.07, "frequency_hz": 3e6, "sound_speed_m_s": 1480.0}
    times_s = np.array([-0.5e-6, 6e-6])[:, None] + np.arange(300) / 8e6
    way_mm = np.maximum(times_s, 0) * 1480e3
    lost = 10 ** (-0.07 * 3 * way_mm / 20)
    data = (lost[:, None] * np.ones((2, 5, 1)))[..., None] * np.array([1.0, 2.0j])
    gained = time_gain(data, WAVES, **settings)
    np.testing.assert_allclose(gained, np.broadcast_to([1.0, 2.0j], gained.shape), rtol=1e-12)
    held = time_gain(np.ones((2, 1, 300), np.float32), WAVES, **settings, limit_db=6.0)
    assert held.dtype == np.float32
    assert held.max() == pytest.approx(10**0.3)
    assert held[0, 0, 0] == 1.0


@pytest.mark.parametrize("kind", [float, complex])
def test_compression_is_the_normalised_correlation(rng, kind):
    code = rng.standard_normal(13).astype(kind)
    data = rng.standard_normal((2, 3, 40, 2)).astype(kind)
    if kind is complex:
        code, data = code + 1j * rng.standard_normal(13), data + 1j * rng.standard_normal(data.shape)
    padded = np.concatenate([data, np.zeros((2, 3, 13, 2))], axis=2)
    expected = sum(padded[:, :, k : k + 40] * code[k].conj() for k in range(13)) / (abs(code) ** 2).sum()
    found = compress_pulse(data, code)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found.dtype == data.dtype


def test_inversion_keeps_the_even_part(rng):
    pulse = rng.standard_normal((2, 3, 20))
    answer = [2 * p - 0.3 * p**2 + 0.1 * p**3 for p in (pulse, -pulse)]
    np.testing.assert_allclose(pulse_inversion(*answer), -0.3 * pulse**2, atol=1e-12)


def test_unaliased_velocities_are_the_true_ones(rng):
    true = rng.uniform(-2, 2, (7, 5))
    seen = (true + 0.4) % 0.8 - 0.4
    assert np.abs(seen - true).max() > 0.5
    np.testing.assert_allclose(unalias(seen, 0.4, reference_m_s=true + rng.uniform(-0.3, 0.3, (7, 5))), true)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: aperture_weights([np.nan], 20.0), "offsets_mm must be finite"),
        (lambda: aperture_weights([1.0], "deep"), "depths_mm must hold numbers"),
        (lambda: aperture_weights([1.0, 2.0], [3.0] * 3), "depths_mm must fit offsets_mm of shape"),
        (lambda: compress_pulse(np.ones((1, 1, 5)), np.ones(6)), "code must be at most 5"),
        (lambda: compress_pulse(np.ones((1, 1, 5)), np.zeros(3)), "code must not be zero"),
        (lambda: compress_pulse(np.ones((1, 1, 5)), np.ones(3) * 1j), "code must be real"),
        (lambda: pulse_inversion(np.ones((1, 1, 5)), np.ones((1, 1, 6))), "negative_data must have shape"),
        (lambda: unalias([0.1], 0.0, reference_m_s=0.1), "limit_m_s must be positive"),
        (
            lambda: unalias([[0.1] * 3], 0.2, reference_m_s=[1, 2]),
            r"reference_m_s must .* fit shape \(1, 3\)",
        ),
        (
            lambda: time_gain(np.ones((1, 1, 5)), WAVES, attenuation_db_per_mm_mhz=0.1, frequency_hz=1e6),
            "data must have 2 transmits",
        ),
        (
            lambda: time_gain(np.ones((2, 1, 5)), WAVES, attenuation_db_per_mm_mhz=-0.1, frequency_hz=1e6),
            "must not be negative",
        ),
    ],
)
def test_wrong_values_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
