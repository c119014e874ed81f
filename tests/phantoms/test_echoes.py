"""Echoes of scatterers against their formula, written out point by point."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import (
    ElementArray,
    LinearArray,
    MatrixArray,
    Photoacoustic,
    PlaneWaves,
    PointSources,
    SphericalWaves,
)
from imgtech.phantoms import GaussianPulse, Scatterers, echoes, speckle, wires
from imgtech.phantoms.echoes import pulse_series

PROBE = LinearArray(n_elements=11, pitch_mm=0.37, center_mm=1.3)
WAVES = PlaneWaves.from_degrees(
    [-11, 4, 9], sampling_hz=23e6, start_s=[7e-6, 7.5e-6, 8.1e-6], pulse_delay_s=0.4e-6
)
PULSE = GaussianPulse(center_hz=4.7e6, fractional_bandwidth=0.55)


def direct(scatterers, *, n_samples, speed, spreading=False):
    rf = np.zeros((3, 11, n_samples))
    for k in range(3):
        t = WAVES.start_s[k] + np.arange(n_samples) / WAVES.sampling_hz
        for e, x_e in enumerate(PROBE.elements_mm):
            for (z, x), a in zip(scatterers.positions_mm, scatterers.amplitudes, strict=True):
                back = np.hypot(z, x - x_e)
                out = z * np.cos(WAVES.angles_rad[k]) + x * np.sin(WAVES.angles_rad[k])
                tau = (out + back) * 1e-3 / speed + WAVES.pulse_delay_s
                rf[k, e] += a / (back if spreading else 1) * PULSE.waveform(t - tau)
    return rf


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-12)])
@pytest.mark.parametrize("spreading", [False, True])
def test_echoes_are_the_direct_sum_of_delayed_pulses(rng, dtype, tolerance, spreading):
    cloud = Scatterers(rng.uniform((4, -3), (12, 5), (17, 2)), rng.standard_normal(17))
    rf = cloud.echoes(
        PROBE, WAVES, pulse=PULSE, n_samples=301, sound_speed_m_s=1480, spreading=spreading, dtype=dtype
    )
    expected = direct(cloud, n_samples=301, speed=1480, spreading=spreading)
    assert rf.dtype == dtype
    assert np.abs(expected).max() > 0.05
    np.testing.assert_allclose(rf, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_echo_peaks_at_the_time_of_flight_plus_the_pulse_delay():
    # 15.4 mm down and back at 1540 m/s: 20 us; plus 0.5 us of pulse, minus 15 us of start: sample 110
    waves = PlaneWaves.from_degrees([0], sampling_hz=20e6, start_s=15e-6, pulse_delay_s=0.5e-6)
    probe = LinearArray(n_elements=1, pitch_mm=0.3, center_mm=-2.0)
    rf = Scatterers([[15.4, -2.0]], [1.5]).echoes(probe, waves, pulse=PULSE, n_samples=150)
    assert rf[0, 0].argmax() == 110
    assert rf[0, 0, 110] == pytest.approx(1.5)


def test_wave_steered_to_positive_x_arrives_later_at_positive_x():
    waves = PlaneWaves.from_degrees([20], sampling_hz=40e6)
    probe = LinearArray(n_elements=1, pitch_mm=0.3)
    left, right = (
        Scatterers([[10.0, x]], [1.0]).echoes(probe, waves, pulse=PULSE, n_samples=700)[0, 0].argmax()
        for x in (-3.0, 3.0)
    )
    assert right - left == pytest.approx(6.0 * np.sin(np.deg2rad(20)) / 1.54 * 40, abs=1)


def test_pulse_spectrum_is_half_at_the_edges_of_the_bandwidth():
    t = (np.arange(8192) - 4096) / 200e6
    for frequency, level in ((4.7e6, 1.0), (4.7e6 * 0.725, 0.5), (4.7e6 * 1.275, 0.5)):
        amplitude = abs(PULSE.waveform(t) @ np.exp(-2j * np.pi * frequency * t))
        reference = PULSE.waveform(t) @ np.cos(2 * np.pi * 4.7e6 * t)
        assert amplitude / reference == pytest.approx(level, rel=1e-4)


def test_scatterers_add_up(rng):
    a = Scatterers(rng.uniform((4, -3), (12, 5), (3, 2)), rng.standard_normal(3))
    b = wires(depths_mm=[6.0, 9.0], lateral_mm=[1.1], amplitude=2.0)
    both = a + b
    assert both.n_scatterers == 5
    parts = [s.echoes(PROBE, WAVES, pulse=PULSE, n_samples=300, dtype=np.float64) for s in (a, b, both)]
    np.testing.assert_allclose(parts[0] + parts[1], parts[2], atol=1e-12)
    with pytest.raises(TypeError):
        a + 1


def test_speckle_has_the_density_and_the_strength_asked_for(rng):
    tissue = speckle(((10, 40), (-12, 18)), density_per_mm2=30, rng=rng, cysts_mm=[(25, 3, 6)])
    expected = 30 * (900 - np.pi * 36)
    assert abs(tissue.n_scatterers - expected) < 4 * np.sqrt(expected)
    z, x = tissue.positions_mm.T
    assert 10 <= z.min() < 10.1
    assert 39.9 < z.max() <= 40
    assert -12 <= x.min() < -11.9
    assert 17.9 < x.max() <= 18
    assert np.hypot(z - 25, x - 3).min() > 6
    assert tissue.amplitudes.mean() == pytest.approx(0, abs=4 / np.sqrt(expected))
    assert tissue.amplitudes.std() == pytest.approx(1, abs=4 / np.sqrt(2 * expected))


def test_values_are_equal_by_content_and_cannot_be_changed():
    a = wires(depths_mm=[10.0])
    assert a == wires(depths_mm=[10.0])
    assert a != wires(depths_mm=[11.0])
    assert hash(a) == hash(wires(depths_mm=[10.0]))
    with pytest.raises(ValueError, match="read-only"):
        a.positions_mm[0, 0] = 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Scatterers([[5.0, 0.0]], [1.0, 2.0]), r"positions_mm must have shape \(2, 2\)"),
        (lambda: Scatterers([[0.0, 1.0]], [1.0]), "positive depths"),
        (lambda: Scatterers([[np.nan, 1.0]], [1.0]), "positions_mm must be finite"),
        (lambda: GaussianPulse(center_hz=-1.0), "center_hz must be positive"),
        (lambda: GaussianPulse(center_hz=1e6, fractional_bandwidth=2.0), "below 2"),
        (lambda: speckle(((3, 2), (0, 1)), density_per_mm2=1, rng=np.random.default_rng(1)), "region_mm"),
        (
            lambda: speckle(
                ((1, 2), (0, 1)), density_per_mm2=9, rng=np.random.default_rng(1), cysts_mm=[(1.5, 0.5, 5)]
            ),
            "at least one point",
        ),
        (
            lambda: wires(depths_mm=[5.0]).echoes(PROBE, WAVES, pulse=PULSE, n_samples=9, dtype=np.int16),
            "dtype must be float32 or float64",
        ),
        (
            lambda: wires(depths_mm=[5.0]).echoes(PROBE, WAVES, pulse=PULSE, n_samples=9, dtype="single!"),
            "dtype must be float32 or float64, got 'single!'",
        ),
        (lambda: wires(depths_mm=[5.0]).echoes(PROBE, WAVES, pulse=PULSE, n_samples=0), "n_samples"),
    ],
)
def test_wrong_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_far_elements_with_a_width_hear_as_much_as_points_do():
    """Straight ahead and far away every part of an element is as near: its parts must add up to one."""
    waves = PointSources(sources_mm=[[0.0, 0.0]], sampling_hz=40e6, start_s=647e-6)
    point = Scatterers([[500.0, 0.3, -0.2]], [1.0])
    for probe in (
        MatrixArray(shape=(1, 1), pitch_mm=(0.4, 0.6), center_mm=(0.3, -0.2)),
        LinearArray(n_elements=1, pitch_mm=0.4, center_mm=-0.2),
    ):
        settings = {"pulse": GaussianPulse(center_hz=4e6), "n_samples": 200}
        thin = point.echoes(probe, waves, **settings)
        wide = point.echoes(probe, waves, directivity="rigid", **settings)
        assert np.abs(thin).max() > 0.9
        np.testing.assert_allclose(wide, thin, atol=1e-3)


@pytest.mark.parametrize("angle", [0.0, 0.3, -0.7])
def test_an_element_with_a_width_hears_its_sinc_pattern(angle):
    """Narrow band, far away: the amplitude off the normal is sinc(w sin / lambda), times cos if soft."""
    waves = PointSources(sources_mm=[[0.0, 0.0]], sampling_hz=40e6, start_s=600e-6)
    pulse = GaussianPulse(center_hz=4e6, fractional_bandwidth=0.02)
    point = Scatterers([[500 * np.cos(angle), 500 * np.sin(angle)]], [1.0])
    turned = ElementArray(
        positions_mm=[[0.0, 0.0]], normals=[[np.cos(0.1), np.sin(0.1)]], element_width_mm=0.5
    )
    for probe, tilt in ((LinearArray(n_elements=1, pitch_mm=0.5), 0.0), (turned, 0.1)):
        heard = {
            kind: np.abs(
                point.echoes(
                    probe, waves, pulse=pulse, n_samples=4000, sound_speed_m_s=1500, directivity=kind
                )
            ).max()
            for kind in ("none", "rigid", "soft")
        }
        pattern = np.sinc(0.5 * np.sin(angle - tilt) / 0.375)
        assert heard["none"] == pytest.approx(1, abs=0.05)  # ten samples a period: 1 - cos(pi / 10)
        assert heard["rigid"] / heard["none"] == pytest.approx(abs(pattern), abs=0.003)
        assert heard["soft"] / heard["rigid"] == pytest.approx(np.cos(angle - tilt), abs=0.003)


def test_echoes_in_space_come_after_the_way_there_and_back():
    probe = MatrixArray(shape=(2, 1), pitch_mm=(4.0, 1.0), center_mm=(2.0, 0.0))  # y = 0 and 4
    point = Scatterers([[3.0, 4.0, 12.0]], [1.0])
    waves = SphericalWaves(sources_mm=[[-9.0, 4.0, 12.0]], references_mm=[[0.0, 4.0, 7.0]], sampling_hz=20e6)
    out = 12 - np.hypot(9, 5)
    rf = point.echoes(probe, waves, pulse=PULSE, n_samples=600, sound_speed_m_s=1500)
    for e, back in enumerate((13.0, np.hypot(3, 12))):
        assert rf[0, e].argmax() == pytest.approx((out + back) / 1.5 * 20, abs=0.51)
    sound = point.echoes(
        probe, Photoacoustic(sampling_hz=20e6), pulse=PULSE, n_samples=600, sound_speed_m_s=1500
    )
    assert sound[0, 0].argmax() == pytest.approx(13 / 1.5 * 20, abs=0.51)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-12)])
@pytest.mark.parametrize(("sampling_hz", "n_samples"), [(23e6, 230), (6.1e6, 80)])
def test_a_crowd_of_scatterers_is_the_sum_of_its_pulses(
    rng, monkeypatch, dtype, tolerance, sampling_hz, n_samples
):
    """Many points take another way, through bins; the sum of every pulse by itself tells."""
    n = 1600
    cloud = Scatterers(rng.uniform((3, -6), (19, 8), (n, 2)), rng.standard_normal(n))
    waves = PlaneWaves.from_degrees(
        [-11, 4], sampling_hz=sampling_hz, start_s=[7e-6, 7.5e-6], pulse_delay_s=0.4e-6
    )
    probe = ElementArray(
        positions_mm=[[0.0, -1.1], [0.2, 0.4], [0.5, 2.9]],
        normals=[[1.0, 0.0], [0.96, 0.28], [0.8, 0.6]],
        element_width_mm=0.4,
    )
    more = {"spreading": True, "directivity": "soft", "sound_speed_m_s": 1480, "dtype": dtype}
    whole = cloud.echoes(probe, waves, pulse=PULSE, n_samples=n_samples, **more)
    monkeypatch.setattr(echoes, "_CROWD", 0.0)
    expected = cloud.echoes(probe, waves, pulse=PULSE, n_samples=n_samples, **more)
    assert np.abs(whole[:, :, -9:]).max() > 0.05 * np.abs(whole).max()  # echoes run on beyond both ends
    assert np.abs(whole[:, :, :9]).max() > 0.05 * np.abs(whole).max()
    np.testing.assert_allclose(whole, expected, rtol=0, atol=tolerance * np.abs(expected).max())
    assert not (whole == expected).all()  # or both went the same way


@pytest.mark.parametrize("sampling_hz", [5.3e6, 12e6, 61e6])
@pytest.mark.parametrize("reach", [6.5, 8.5])
def test_the_power_series_of_a_pulse_is_the_pulse(sampling_hz, reach):
    step, table = pulse_series(PULSE, sampling_hz, reach)
    f = np.linspace(-0.5, 0.5, 41)
    bins = np.arange(len(table)) - len(table) // 2
    series = table @ f ** np.arange(table.shape[1])[:, None]
    expected = PULSE.waveform((bins[:, None] - f) / (step * sampling_hz))
    np.testing.assert_allclose(series, expected, rtol=0, atol=2 * np.exp(-(reach**2) / 2) + 2e-15)
    assert (bins[-1] - 0.5) / (step * sampling_hz) >= reach * PULSE.sigma_s
