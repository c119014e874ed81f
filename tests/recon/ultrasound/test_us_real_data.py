"""Real and independently simulated channel data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from imgtech.geometry import ImageGrid
from imgtech.io.raw import read_pybf, read_pymust
from imgtech.recon.ultrasound import delay_and_sum, envelope, rf_to_iq


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

    Strength is the envelope at the listed position; the peak is sought one wavelength around it.
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
        grid, image = picture(place, 61)
        k = np.unravel_index(image.argmax(), image.shape)
        found = np.array([c[i] for c, i in zip(grid.coordinates_mm, k, strict=True)])
        errors.append(np.hypot(*(found - place)))
    assert max(errors) <= wavelength_mm / 2
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
