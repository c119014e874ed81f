"""Real and independently simulated channel data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import hilbert
from scipy.spatial import cKDTree

from imgtech.geometry import ImageGrid
from imgtech.io.raw import read_ndt_fmc, read_pybf, read_pymust
from imgtech.recon.ultrasound import color_doppler, delay_and_sum, envelope, rf_to_iq


@pytest.fixture(scope="module")
def disk(data):
    """Complex images of the 32 frames of the rotating disk, and their grid."""
    scan = read_pymust(data("us_raw/rotating_disk_l7-4.mat"))
    iq = rf_to_iq(scan.data, scan.waves, center_hz=scan.center_hz)
    grid = ImageGrid(shape=(251, 201), spacing_mm=(0.1, 0.125), center_mm=(22.5, 0.0))
    settings = {"f_number": 1.0, "sound_speed_m_s": scan.sound_speed_m_s, "center_hz": scan.center_hz}
    return delay_and_sum(iq, scan.probe, scan.waves, grid, **settings), grid


def test_rotating_disk_stands_out_bright_and_round(disk):
    images, grid = disk
    power = np.mean(envelope(images) ** 2, axis=-1)
    z, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    bright = power > power.max() / 10**1.2
    centre = (z[bright].mean(), x[bright].mean())
    distance = np.hypot(z - centre[0], x - centre[1])
    inside = power[distance < 9].mean()
    outside = power[(distance > 11) & (z > 12)].mean()
    assert 10 * np.log10(inside / outside) > 12
    radii = [np.hypot(z - centre[0], x - centre[1])[bright & sector(z, x, centre, k)].max() for k in range(8)]
    np.testing.assert_allclose(radii, 10.0, atol=1.0)


def test_rotating_disk_turns_as_a_rigid_body(disk):
    """The axial velocity of a rotation grows with x alone; here the right side moves away first."""
    images, grid = disk
    step = np.angle((images[..., 1:] * images[..., :-1].conj()).sum(-1))
    z, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    inside = np.hypot(z - 22.3, x + 1.0) < 7
    design = np.stack([np.ones(inside.sum()), x[inside], z[inside]], axis=1)
    fit, residual, _, _ = np.linalg.lstsq(design, step[inside], rcond=None)
    assert abs(fit[1]) > 15 * abs(fit[2])
    assert 1 - residual[0] / np.sum((step[inside] - step[inside].mean()) ** 2) > 0.97


def test_the_ten_strongest_isolated_scatterers_peak_at_their_listed_positions(data):
    """Isolated: no other listed scatterer within two lateral resolutions, 2 lambda F.

    Strength is the envelope at the listed position; the peak is sought one wavelength around it. The
    excitation of three cycles gives the echo a flat top of a third of a millimetre with two humps, so the
    place is the middle of what reaches 90 % of the largest value, not the higher hump.
    """
    scan = read_pybf(data("us_raw/field2_3pw.hdf5"))
    wavelength_mm = 1e3 * scan.sound_speed_m_s / scan.center_hz
    f_number = 1.75
    gaps = cKDTree(scan.scatterers_mm).query(scan.scatterers_mm, k=2)[0][:, 1]
    isolated = scan.scatterers_mm[gaps >= 2 * wavelength_mm * f_number]
    assert len(isolated) == 336
    iq = rf_to_iq(scan.data, scan.waves, center_hz=scan.center_hz)

    def picture(place, n):
        grid = ImageGrid(shape=(n, n), spacing_mm=(0.01, 0.01), center_mm=tuple(place))
        settings = {"f_number": f_number, "center_hz": scan.center_hz}
        settings["sound_speed_m_s"] = scan.sound_speed_m_s
        return grid, np.abs(delay_and_sum(iq, scan.probe, scan.waves, grid, **settings))

    strength = [picture(place, 1)[1].item() for place in isolated]
    errors = []
    for place in isolated[np.argsort(strength)[-10:]]:
        _, image = picture(place, 61)
        top = np.argwhere(image >= 0.9 * image.max()).mean(axis=0)
        found = place + (top - 30) * 0.01
        errors.append(np.hypot(*(found - place)))
    assert max(errors) <= wavelength_mm / 4
    assert np.median(errors) <= wavelength_mm / 10


def test_calf_muscle_shows_its_aponeurosis(data):
    """The bright sheet between the muscles crosses the whole picture near 22 mm, sloping gently."""
    scan = read_pybf(data("us_raw/muscle_invivo_192el.hdf5"))
    iq = rf_to_iq(scan.data, scan.waves, center_hz=scan.center_hz)
    grid = ImageGrid(shape=(300, 81), spacing_mm=(0.1, 0.5), center_mm=(25.0, 0.0))
    image = envelope(delay_and_sum(iq, scan.probe, scan.waves, grid, center_hz=scan.center_hz))[..., 0]
    depth = grid.coordinates_mm[0][image.argmax(axis=0)]
    x = grid.coordinates_mm[1]
    line = np.polynomial.Polynomial.fit(x, depth, 1)
    near = np.abs(depth - line(x)) < 2
    assert near.mean() > 0.9
    assert 20 < line(0.0) < 24


def sector(z, x, centre, k):
    """Pixels whose direction from the centre lies within 10 degrees of the k-th of eight."""
    turn = np.exp(1j * np.pi * (2 * k + 1) / 8)
    return np.abs(np.angle(((x - centre[1]) + 1j * (z - centre[0])) / turn)) < np.deg2rad(10)


def test_rotating_disk_flows_towards_the_probe_left_and_away_right(disk):
    """Colour Doppler of the two halves, and the speed of rotation from its slope with an uncertainty."""
    images, grid = disk
    z, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    inside = np.hypot(z - 22.3, x + 1.0) < 8

    def flow(frames):
        return color_doppler(frames, center_hz=5e6, prf_hz=10e3, sound_speed_m_s=1480, window=(5, 5))

    velocity = flow(images).velocity_m_s
    assert (velocity[inside & (x < -3)] > 0).mean() > 0.99
    assert (velocity[inside & (x > 1)] < 0).mean() > 0.99

    def rotation_rad_s(frames):
        design = np.stack([np.ones(inside.sum()), 1e-3 * x[inside], 1e-3 * z[inside]], axis=1)
        return -np.linalg.lstsq(design, flow(frames).velocity_m_s[inside], rcond=None)[0][1]

    parts = [rotation_rad_s(images[..., k : k + 8]) for k in range(0, 32, 8)]
    rate, spread = np.mean(parts), np.std(parts, ddof=1) / 2
    assert spread < 0.01 * rate
    assert rate == pytest.approx(rotation_rad_s(images), abs=4 * spread)


def test_notch_and_back_wall_of_the_aluminium_block(data):
    """Full-matrix capture at the clock and speed of the file: the notch tip at 20 mm, the wall at 40 mm.

    The tip by the peak of its echo; the wall, which answers as a whole, by the moment its echo begins
    (a tenth of its peak): its peak comes half a pulse later, at 40.7 mm.
    """
    raw = read_ndt_fmc(data("us_raw/ndt_fmc_aluminium_notch.mat"))
    traces = hilbert(raw.data - raw.data[:, :, -150:].mean(), axis=2).astype(np.complex64)

    def column(z0, x0):
        grid = ImageGrid(shape=(180, 21), spacing_mm=(0.05, 0.1), center_mm=(z0, x0))
        settings = {"f_number": 0.7, "window": "hann", "sound_speed_m_s": raw.sound_speed_m_s}
        image = np.abs(delay_and_sum(traces, raw.probe, raw.waves, grid, **settings))
        return grid.coordinates_mm[0], image.max(axis=1)

    z, notch = column(20.0, 6.7)
    assert z[notch.argmax()] == pytest.approx(20.0, abs=0.5)
    z, wall = column(40.5, -0.5)
    before = np.flatnonzero(wall[: wall.argmax()] < 0.1 * wall.max())
    assert z[before[-1]] == pytest.approx(40.0, abs=0.5)
    assert z[wall.argmax()] == pytest.approx(40.7, abs=0.1)


def test_second_echo_of_the_wall_and_the_wave_along_the_surface_tell_one_pulse_delay(data):
    """Both ways need no nominal depth; the one needs no speed of sound, the other no wall."""
    raw = read_ndt_fmc(data("us_raw/ndt_fmc_aluminium_notch.mat"))
    traces = hilbert(raw.data - raw.data[:, :, -150:].mean(), axis=2)
    times_us = 1e6 * (raw.waves.start_s[0] + np.arange(traces.shape[2]) / raw.waves.sampling_hz)

    def peak_us(trace, first_us, last_us):
        inside = np.flatnonzero((times_us > first_us) & (times_us < last_us))
        return times_us[inside[np.abs(trace[inside]).argmax()]]

    total = traces.sum((0, 1))
    once, twice = peak_us(total, 11.0, 14.0), peak_us(total, 24.0, 27.0)
    from_wall_us = once - (twice - once)
    steps = np.arange(24, 57, 8)
    apart_mm = steps * raw.probe.pitch_mm
    arrivals = []
    for n, way_us in zip(steps, apart_mm / 6.3, strict=True):
        along = np.mean([traces[i, i + n] for i in range(64 - n)], axis=0)
        arrivals.append(peak_us(along, way_us - 0.2, way_us + 1.5))
    slowness, from_surface_us = np.polyfit(apart_mm, arrivals, 1)
    assert from_wall_us == pytest.approx(0.48, abs=0.04)
    assert from_surface_us == pytest.approx(from_wall_us, abs=0.1)
    assert 1 / slowness == pytest.approx(6.4, rel=0.06)  # mm/us, aluminium
