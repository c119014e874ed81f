"""Delay-and-sum: against the naive sum, against geometry and against diffraction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import hilbert

import imgtech
from imgtech.geometry import ImageGrid, LinearArray, PlaneWaves
from imgtech.phantoms import GaussianPulse, wires
from imgtech.recon.ultrasound import delay_and_sum, envelope, rf_to_iq
from reference.delay_and_sum import naive_delay_and_sum

PROBE = LinearArray(n_elements=13, pitch_mm=0.31, center_mm=0.7)
WAVES = PlaneWaves.from_degrees(
    [-9, 2, 7], sampling_hz=21e6, start_s=[2e-6, 2.5e-6, 3e-6], pulse_delay_s=0.3e-6
)
GRID = ImageGrid(shape=(23, 16), spacing_mm=(0.37, 0.23), center_mm=(6.0, 0.4))
SETTINGS = {"f_number": 1.2, "sound_speed_m_s": 1500.0}
WINDOWS = {
    "boxcar": lambda u: np.ones_like(u),
    "hann": lambda u: np.cos(np.pi * u / 2) ** 2,
    "hamming": lambda u: 0.54 + 0.46 * np.cos(np.pi * u),
    "blackman": lambda u: 0.42 + 0.5 * np.cos(np.pi * u) + 0.08 * np.cos(2 * np.pi * u),
    "tukey": lambda u: np.where(u < 0.5, 1.0, np.sin(np.pi * u) ** 2),
}


def noise(rng, dtype, *frames):
    data = rng.standard_normal((3, 13, 151, *frames))
    if np.dtype(dtype).kind == "c":
        data = data + 1j * rng.standard_normal(data.shape)
    return data.astype(dtype)


@pytest.mark.parametrize("frames", [(), (5,)], ids=["one frame", "ensemble"])
@pytest.mark.parametrize(
    ("dtype", "center_hz", "tolerance"),
    [
        (np.float32, None, 1e-5),
        (np.float64, None, 1e-10),
        (np.complex64, None, 1e-5),
        (np.complex128, None, 1e-10),
        (np.complex64, 5.1e6, 1e-5),
        (np.complex128, 5.1e6, 1e-10),
    ],
)
def test_every_mode_agrees_with_the_naive_sum(rng, dtype, center_hz, tolerance, frames):
    data = noise(rng, dtype, *frames)
    for window in ("boxcar", "hann"):
        image = delay_and_sum(
            data, PROBE, WAVES, GRID, **SETTINGS, window=window, center_hz=center_hz, compound=False
        )
        expected = naive_delay_and_sum(
            data, PROBE, WAVES, GRID, **SETTINGS, weight=WINDOWS[window], center_hz=center_hz
        )
        assert image.dtype == dtype
        assert image.shape == (3, 23, 16, *frames)
        assert np.abs(image - expected).max() <= tolerance * np.abs(expected).max()
        compound = delay_and_sum(data, PROBE, WAVES, GRID, **SETTINGS, window=window, center_hz=center_hz)
        assert np.abs(compound - expected.sum(0)).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("window", WINDOWS)
def test_windows_agree_with_the_naive_sum(rng, window):
    data = noise(rng, np.complex128)
    image = delay_and_sum(data, PROBE, WAVES, GRID, **SETTINGS, window=window, center_hz=5e6)
    expected = naive_delay_and_sum(
        data, PROBE, WAVES, GRID, **SETTINGS, weight=WINDOWS[window], center_hz=5e6
    ).sum(0)
    np.testing.assert_allclose(image, expected, atol=1e-10 * np.abs(expected).max())


def test_no_f_number_takes_every_element(rng):
    data = noise(rng, np.float64)
    image = delay_and_sum(data, PROBE, WAVES, GRID, f_number=0, window="hann")
    expected = naive_delay_and_sum(
        data, PROBE, WAVES, GRID, f_number=0, weight=np.ones_like, sound_speed_m_s=1540
    )
    np.testing.assert_allclose(image, expected.sum(0), atol=1e-12)


def test_integers_neither_overflow_nor_change(rng):
    data = rng.integers(-32768, 32767, (3, 13, 151), dtype=np.int16, endpoint=True)
    image = delay_and_sum(data, PROBE, WAVES, GRID)
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, delay_and_sum(data.astype(np.float32), PROBE, WAVES, GRID))
    assert np.abs(image).max() > 40000


def test_an_element_counts_exactly_inside_the_f_number_cone():
    probe = LinearArray(n_elements=40, pitch_mm=0.5, center_mm=0.25)  # elements at multiples of 0.5 mm
    waves = PlaneWaves.from_degrees([0], sampling_hz=20e6)
    grid = ImageGrid(shape=(3, 1), spacing_mm=(4.0, 1.0), center_mm=(8.0, 0.0))
    image = delay_and_sum(np.ones((1, 40, 900)), probe, waves, grid, f_number=2.0)
    np.testing.assert_allclose(image[:, 0], [5, 9, 13])  # depth 4: |x| <= 1, so -1 -0.5 0 0.5 1; ...


def test_times_outside_the_record_add_nothing():
    grid = ImageGrid(shape=(2, 1), spacing_mm=(1.0, 1.0), center_mm=(7.5, 0.0))
    probe = LinearArray(n_elements=1, pitch_mm=0.3)
    flight = 2 * np.array([7e-3, 8e-3]) / 1500
    for start_s, expected in (
        (flight[0] - 0.1e-9, [1, 1]),
        (flight[0] + 1e-9, [0, 1]),  # the first pixel lies before the record
        (flight[1] - 29 / 20e6 - 1e-9, [1, 0]),  # the second one after its last sample
        (flight[1] - 29 / 20e6 + 0.1e-9, [1, 1]),
    ):
        waves = PlaneWaves.from_degrees([0], sampling_hz=20e6, start_s=start_s)
        for frames in ((), (2,)):
            ones = np.ones((1, 1, 30, *frames))
            image = delay_and_sum(ones, probe, waves, grid, sound_speed_m_s=1500)
            np.testing.assert_allclose(image.reshape(2, -1)[:, -1], expected, atol=1e-12)


def test_point_images_at_its_place_for_either_steering():
    probe = LinearArray(n_elements=64, pitch_mm=0.3, center_mm=1.0)
    pulse = GaussianPulse(center_hz=5e6, fractional_bandwidth=0.6)
    place = (21.37, 3.19)
    for angle in (-12, -4, 5, 13):
        waves = PlaneWaves.from_degrees([angle], sampling_hz=25e6, start_s=6e-6, pulse_delay_s=0.7e-6)
        rf = wires(depths_mm=[place[0]], lateral_mm=[place[1]]).echoes(
            probe, waves, pulse=pulse, n_samples=1000, sound_speed_m_s=1480
        )
        iq = rf_to_iq(rf, waves, center_hz=5e6)
        grid = ImageGrid(shape=(41, 37), spacing_mm=(0.05, 0.08), center_mm=(21.3, 3.1))
        image = delay_and_sum(
            iq, probe, waves, grid, f_number=1.5, window="hann", sound_speed_m_s=1480, center_hz=5e6
        )
        np.testing.assert_allclose(peak_mm(envelope(image), grid), place, atol=0.01)


def test_probe_grid_and_object_move_together():
    images = []
    for shift in (0.0, 4.7):
        probe = LinearArray(n_elements=32, pitch_mm=0.3, center_mm=shift)
        waves = PlaneWaves.from_degrees([0], sampling_hz=25e6, start_s=5e-6)
        rf = wires(depths_mm=[12.0], lateral_mm=[shift + 0.5]).echoes(
            probe, waves, pulse=GaussianPulse(center_hz=5e6), n_samples=500, dtype=np.float64
        )
        grid = ImageGrid(shape=(31, 20), spacing_mm=(0.04, 0.1), center_mm=(12.1, shift + 0.4))
        images.append(delay_and_sum(rf, probe, waves, grid))
    np.testing.assert_allclose(images[0], images[1], atol=1e-9 * np.abs(images[0]).max())
    assert np.abs(images[0] - images[0][:, ::-1]).max() > 1


@pytest.mark.parametrize("f_number", [2.0, 3.0])
def test_lateral_width_of_a_wire_follows_diffraction(f_number):
    """Boxcar aperture, narrow band: amplitude sinc(x / lambda F), so FWHM = 1.2067 lambda F."""
    probe = LinearArray(n_elements=128, pitch_mm=0.2, center_mm=-0.6)
    waves = PlaneWaves.from_degrees([0], sampling_hz=25e6, start_s=30e-6)
    rf = wires(depths_mm=[30.0], lateral_mm=[0.35]).echoes(
        probe, waves, pulse=GaussianPulse(center_hz=5e6, fractional_bandwidth=0.15), n_samples=500
    )
    iq = rf_to_iq(rf, waves, center_hz=5e6)
    grid = ImageGrid(shape=(1, 801), spacing_mm=(1.0, 0.005), center_mm=(30.0, 0.35))
    profile = envelope(delay_and_sum(iq, probe, waves, grid, f_number=f_number, center_hz=5e6))[0]
    assert width_mm(profile, 0.005) == pytest.approx(1.2067 * 0.308 * f_number, rel=0.05)


def test_iq_rf_and_analytic_data_give_the_same_image():
    probe = LinearArray(n_elements=32, pitch_mm=0.3, center_mm=0.4)
    waves = PlaneWaves.from_degrees([-6, 8], sampling_hz=200e6, start_s=[9e-6, 9.3e-6], pulse_delay_s=0.2e-6)
    rf = wires(depths_mm=[11.3], lateral_mm=[-0.7]).echoes(
        probe,
        waves,
        pulse=GaussianPulse(center_hz=5e6, fractional_bandwidth=0.3),
        n_samples=2000,
        dtype=np.float64,
    )
    grid = ImageGrid(shape=(160, 25), spacing_mm=(0.02, 0.1), center_mm=(11.3, -0.6))
    analytic = delay_and_sum(hilbert(rf, axis=2), probe, waves, grid)
    np.testing.assert_allclose(analytic.real, delay_and_sum(rf, probe, waves, grid), atol=1e-10)
    iq = rf_to_iq(rf, waves, center_hz=4.6e6, bandwidth_hz=7e6)  # not the centre of the band: phases count
    from_iq = delay_and_sum(iq, probe, waves, grid, center_hz=4.6e6)
    assert np.abs(from_iq - analytic).max() < 0.005 * np.abs(analytic).max()


def test_the_bits_do_not_depend_on_the_number_of_threads(rng):
    probe = LinearArray(n_elements=64, pitch_mm=0.3, center_mm=0.7)
    grid = ImageGrid(shape=(150, 101), spacing_mm=(0.1, 0.23), center_mm=(12.0, 0.4))
    for dtype, frames in ((np.float32, ()), (np.complex64, ()), (np.float32, (4,)), (np.complex64, (4,))):
        data = rng.standard_normal((3, 64, 400, *frames)).astype(dtype)
        images = []
        for n in (1, 2):
            with imgtech.threads(n):
                images.append(delay_and_sum(data, probe, WAVES, grid))
        np.testing.assert_array_equal(images[0], images[1])


def test_input_is_left_alone(rng):
    data = noise(rng, np.complex64)
    before = data.copy()
    delay_and_sum(data[:, :, ::-1], PROBE, WAVES, GRID, center_hz=5e6)
    np.testing.assert_array_equal(data, before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": np.ones((3, 12, 151))}, "data must have 3 transmits and 13 elements"),
        ({"data": np.ones((13, 151))}, "data must have 3 or 4 axes"),
        ({"data": np.ones((3, 13, 1))}, "at least 2 samples"),
        ({"data": np.full((3, 13, 151), np.nan)}, "data must be finite"),
        ({"data": np.full((3, 13, 151), "a")}, "data must be real"),
        ({"center_hz": 5e6}, "center_hz must be absent for real data"),
        ({"data": np.ones((3, 13, 151), complex), "center_hz": 0.0}, "center_hz must be positive"),
        ({"window": "kaiser"}, "window must be one of boxcar"),
        ({"f_number": -1.0}, "f_number must not be negative"),
        ({"sound_speed_m_s": 0.0}, "sound_speed_m_s must be positive"),
        ({"grid": ImageGrid(shape=(3, 3), spacing_mm=(1.0, 1.0))}, "above the probe"),
        (
            {
                "data": np.ones((3, 13, 5)),
                "waves": PlaneWaves.from_degrees([0, 1, 2], sampling_hz=21e6, pulse_delay_s=0.3e-6),
            },
            "data must hold echoes of the grid: they come",
        ),
        ({"waves": PlaneWaves.from_degrees([0, 1, 2], sampling_hz=21e6, start_s=1e-3)}, "hold echoes"),
        ({"interpolation": "spline"}, "interpolation must be one of"),
        ({"directivity": "hard"}, "directivity must be one of"),
        ({"directivity": "soft"}, "frequency_hz must be given"),
        ({"receive_weights": np.ones(12)}, "receive_weights must have shape"),
        ({"transmit_weights": np.ones((3, 16, 23))}, "transmit_weights must have shape"),
        ({"transmit_weights": [1.0, np.nan, 1.0]}, "transmit_weights must be finite"),
    ],
)
def test_wrong_values_are_named(change, message):
    arguments = {"data": np.ones((3, 13, 151)), "probe": PROBE, "waves": WAVES, "grid": GRID} | change
    with pytest.raises(ValueError, match=message):
        delay_and_sum(**arguments)


def peak_mm(image, grid):
    """Place of the largest value, by a paraboloid through it and its eight neighbours."""
    i, j = np.unravel_index(image.argmax(), image.shape)
    p = np.log(image[i - 1 : i + 2, j - 1 : j + 2].astype(np.float64))
    slope = np.array([p[2, 1] - p[0, 1], p[1, 2] - p[1, 0]]) / 2
    cross = (p[2, 2] - p[2, 0] - p[0, 2] + p[0, 0]) / 4
    bend = np.array([[p[2, 1] - 2 * p[1, 1] + p[0, 1], cross], [cross, p[1, 2] - 2 * p[1, 1] + p[1, 0]]])
    step = -np.linalg.solve(bend, slope) * grid.spacing_mm
    return np.array([grid.coordinates_mm[0][i], grid.coordinates_mm[1][j]]) + step


def width_mm(profile, spacing_mm):
    """Full width at half maximum, the crossings found by linear interpolation."""
    half = profile.max() / 2
    above = np.flatnonzero(profile >= half)
    first, last = above[0], above[-1]
    left = first - (profile[first] - half) / (profile[first] - profile[first - 1])
    right = last + (profile[last] - half) / (profile[last] - profile[last + 1])
    return (right - left) * spacing_mm
