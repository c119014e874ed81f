"""Ways through layered media against the fastest way that a minimiser finds, and images through layers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

from imgtech.geometry import (
    ConvexArray,
    ImageGrid,
    LayeredMedium,
    LinearArray,
    Photoacoustic,
    PlaneWaves,
    PointSources,
    SphericalWaves,
)
from imgtech.recon.ultrasound import capon, delay_and_sum, receive_delays, transmit_delays

LAYERS = LayeredMedium(
    speeds_m_s=[1450.0, 1720.0, 1580.0], interfaces_mm=[4.0, 9.5], lens_mm=0.8, lens_speed_m_s=1000.0
)
PLAIN = LayeredMedium(speeds_m_s=[1450.0, 1720.0, 1580.0], interfaces_mm=[4.0, 9.5])
PROBE = LinearArray(n_elements=31, pitch_mm=0.41, center_mm=0.7)
GRID = ImageGrid(shape=(7, 4), spacing_mm=(3.1, 2.3), center_mm=(12.0, 1.1))


def fastest_s(medium, beside_mm, depth_mm):
    """The least time over all places where a broken line can cross the interfaces."""
    ends = [0.0, *(z for z in medium.interfaces_mm if z < depth_mm), depth_mm]
    thick = np.diff(ends)
    speeds = np.asarray(medium.speeds_m_s)[: thick.size]
    if medium.lens_mm > 0:
        thick, speeds = np.append(medium.lens_mm, thick), np.append(medium.lens_speed_m_s, speeds)
    if thick.sum() == 0:
        return beside_mm / (1e3 * medium.speeds_m_s[0])

    def time_us(crossings):
        steps = np.diff(np.concatenate([[0.0], crossings, [beside_mm]]))
        return float(np.sum(np.hypot(steps, thick) / speeds)) * 1e3

    start = beside_mm * np.cumsum(thick)[:-1] / thick.sum()
    if start.size == 0:
        return time_us(start) * 1e-6
    return minimize(time_us, start, method="BFGS", options={"gtol": 1e-12}).fun * 1e-6


@pytest.mark.parametrize("medium", [LAYERS, PLAIN], ids=["lens", "no lens"])
def test_echoes_take_the_fastest_way(medium):
    grid = ImageGrid(shape=(6, 3), spacing_mm=(3.3, 2.3), center_mm=(8.75, 1.1))  # depths in every layer
    times = receive_delays(PROBE, grid, medium=medium)
    z, x = grid.coordinates_mm
    assert times.shape == (31, 6, 3)
    for e in (0, 13, 30):
        for i in range(6):
            for j in range(3):
                expected = fastest_s(medium, abs(x[j] - PROBE.elements_mm[e]), z[i])
                assert times[e, i, j] == pytest.approx(expected, rel=1e-8)


def test_equal_layers_are_one_medium():
    same = LayeredMedium(speeds_m_s=[1500.0] * 3, interfaces_mm=[5.0, 9.5])
    waves = PlaneWaves.from_degrees([-13, 4], sampling_hz=20e6)
    for medium in (same, LayeredMedium(speeds_m_s=[1500.0])):
        np.testing.assert_allclose(
            receive_delays(PROBE, GRID, medium=medium),
            receive_delays(PROBE, GRID, sound_speed_m_s=1500),
            rtol=1e-12,
        )
        np.testing.assert_allclose(
            transmit_delays(waves, GRID, sound_speed_m_s=1500, medium=medium),
            transmit_delays(waves, GRID, sound_speed_m_s=1500),
            rtol=1e-12,
        )


def test_a_plane_wave_is_the_first_of_the_wavelets_from_the_probe():
    """Huygens: elements fire at x sin(angle) / c; the wave arrives with the first of their wavelets."""
    angle, steered_m_s = np.deg2rad(-11.0), 1540.0
    waves = PlaneWaves(angles_rad=[0.1, angle], sampling_hz=20e6)
    times = transmit_delays(waves, GRID, sound_speed_m_s=steered_m_s, medium=LAYERS)[1]
    z, x = GRID.coordinates_mm
    for i, j in ((0, 0), (2, 3), (6, 1)):

        def arrival_us(start_mm, i=i, j=j):
            late = start_mm * np.sin(angle) / (1e-3 * steered_m_s)
            return late + 1e6 * fastest_s(LAYERS, abs(x[j] - start_mm), z[i])

        first = minimize_scalar(arrival_us, bounds=(-20, 20), method="bounded", options={"xatol": 1e-7})
        assert times[i, j] == pytest.approx(1e-6 * first.fun, rel=1e-8)


def test_point_sources_reach_points_as_echoes_reach_elements():
    sources = PointSources.from_elements(PROBE, sampling_hz=20e6)
    times = transmit_delays(sources, GRID, medium=LAYERS)
    np.testing.assert_allclose(times, receive_delays(PROBE, GRID, medium=LAYERS), rtol=1e-14)
    light = transmit_delays(Photoacoustic(sampling_hz=20e6), GRID, medium=LAYERS)
    assert not light.any()


@pytest.mark.parametrize("n_frames", [0, 2])
def test_a_point_under_layers_is_where_it_is(n_frames):
    waves = PlaneWaves.from_degrees([-6, 5], sampling_hz=31e6, start_s=4e-6, pulse_delay_s=0.4e-6)
    z0, x0, center_hz = 17.3, 1.9, 4e6
    one = ImageGrid(shape=(1, 1), spacing_mm=(1.0, 1.0), center_mm=(z0, x0))
    there = transmit_delays(waves, one, medium=LAYERS).ravel()
    back = np.array([fastest_s(LAYERS, abs(x0 - x), z0) for x in PROBE.elements_mm])
    times = 4e-6 + np.arange(900) / 31e6
    late = times - (there[:, None, None] + back[:, None] + 0.4e-6)
    data = np.exp(-((late * 2e6) ** 2)) * np.exp(2j * np.pi * center_hz * late)
    if n_frames:
        data = np.stack([(k + 1) * data for k in range(n_frames)], axis=-1)
    grid = ImageGrid(shape=(151, 61), spacing_mm=(0.02, 0.05), center_mm=(17.0, 1.6))
    z, x = grid.coordinates_mm
    settings = {"f_number": 1.2}
    found = []
    for medium in (LAYERS, None):
        image = np.abs(delay_and_sum(data, PROBE, waves, grid, medium=medium, **settings))
        image = image[..., -1] if n_frames else image
        i, j = np.unravel_index(image.argmax(), image.shape)
        found.append((z[i], x[j]))
    assert found[0][0] == pytest.approx(z0, abs=0.021)
    assert found[0][1] == pytest.approx(x0, abs=0.051)
    assert abs(found[1][0] - z0) > 0.3  # one speed for all puts it elsewhere
    if not n_frames:
        image = np.abs(capon(data, PROBE, waves, grid, medium=LAYERS, loading=0.1, **settings))
        i, j = np.unravel_index(image.argmax(), image.shape)
        assert (z[i], x[j]) == (pytest.approx(z0, abs=0.041), pytest.approx(x0, abs=0.051))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"speeds_m_s": [1500.0, -1.0]}, "speeds_m_s must be positive"),
        ({"interfaces_mm": [3.0, 2.0]}, "1 ascending depths"),
        ({"interfaces_mm": [-3.0]}, r"interfaces_mm must be 1 ascending depths above 0, got \[-3.0\]"),
        ({"interfaces_mm": [0.0]}, "ascending depths above 0"),
        ({"speeds_m_s": [1.0, 2.0, 3.0], "interfaces_mm": [3.0, 2.0]}, "2 ascending depths"),
        ({"lens_mm": -1.0}, "lens_mm must not be negative"),
        ({"lens_mm": 1.0}, "lens_speed_m_s must be given"),
        ({"lens_mm": 1.0, "lens_speed_m_s": 0.0}, "lens_speed_m_s must be positive"),
    ],
)
def test_media_that_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        LayeredMedium(**({"speeds_m_s": [1500.0, 1600.0], "interfaces_mm": [4.0]} | change))


def test_problems_that_do_not_go_with_layers():
    data = np.ones((1, 5, 300))
    waves = PlaneWaves.from_degrees([70], sampling_hz=20e6)
    probe = LinearArray(n_elements=5, pitch_mm=0.3)
    convex = ConvexArray(n_elements=5, pitch_mm=0.3, radius_mm=40.0)
    around = SphericalWaves(sources_mm=[[-9.0, 0.0]], sampling_hz=20e6)
    inside = PointSources(sources_mm=[[1.0, 0.0]], sampling_hz=20e6)
    with pytest.raises(ValueError, match="reflected completely"):
        delay_and_sum(data, probe, waves, GRID, medium=LAYERS)
    with pytest.raises(ValueError, match="not lie flat"):
        delay_and_sum(data, convex, PlaneWaves.from_degrees([0], sampling_hz=20e6), GRID, medium=LAYERS)
    with pytest.raises(ValueError, match="SphericalWaves"):
        delay_and_sum(data, probe, around, GRID, medium=LAYERS)
    with pytest.raises(ValueError, match="do not lie at depth 0"):
        transmit_delays(inside, GRID, medium=LAYERS)
    with pytest.raises(ValueError, match=r"medium must be a LayeredMedium, got 1540\.0"):
        receive_delays(probe, GRID, medium=1540.0)
