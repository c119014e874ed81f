"""Readers of channel data: what the files state arrives, and damaged files are named."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from imgtech.geometry import ImageGrid, LinearArray, PlaneWaves
from imgtech.io.raw import ChannelData, read_pybf, read_pymust
from imgtech.phantoms import GaussianPulse, wires
from imgtech.recon.ultrasound import delay_and_sum, rf_to_iq

PARAM = {
    "fs": 20e6,
    "pitch": 0.3e-3,
    "fc": 5e6,
    "c": 1480.0,
    "t0": 4e-6,
    "PRF": 5000.0,
    "width": 0.25e-3,
    "Nelements": 16,
    "TXdelay": np.zeros(16),
    "bandwidth": 60.0,
}


def write_mat(path, *, drop=(), rf=None, **change):
    param = {k: v for k, v in (PARAM | change).items() if k not in drop}
    content = {"RF": np.arange(30 * 16 * 2, dtype=np.int16).reshape(30, 16, 2) if rf is None else rf}
    content["param"] = param
    savemat(path, {k: v for k, v in content.items() if k not in drop})
    return path


def write_pybf(path, *, simulation=True, angles=(-0.2, 0.1), drop=(), frames=1, data=None):
    fields = {
        "data/f_sampling": 20e6,
        "data/fps": 7.0,
        "data/tx_mode/PW_2_11": np.array([angles]),
        "trans_params/bandwidth": 0.5,
        "trans_params/f_central": 5e6,
        "trans_params/x_num_of_elements": 6.0,
        "trans_params/x_pitch": 0.3e-3,
        "trans_params/x_width": 0.2e-3,
    }
    if simulation:
        fields |= {
            "sim_params/start_time": -1e-6,
            "data/correction_time_shift": 3e-6,
            "sim_params/scatters_data": np.array([[1e-3, 4e-3], [0, 0], [20e-3, 30e-3]]),
        }
    else:
        fields |= {"hardware_params/start_time": 2e-6, "hardware_params/correction_time": 0.5e-6}
    for i in range(frames):
        for k in range(len(angles)):
            shot = np.arange(6 * 40, dtype=np.int16).reshape(6, 40) + 1000 * k + 10000 * i
            fields[f"data/rf_data/frame_{i + 1}/shot_{k + 1}"] = shot if data is None else data[k]
    with h5py.File(path, "w") as file:
        for name, value in fields.items():
            if name not in drop:
                file[name] = value
    return path


def test_pymust_file_arrives_with_its_units(tmp_path):
    scan = read_pymust(write_mat(tmp_path / "a.mat"))
    assert scan.data.shape == (1, 16, 30, 2)
    assert scan.data.dtype == np.int16
    assert scan.data[0, 5, 7, 1] == (7 * 16 + 5) * 2 + 1
    assert scan.probe == LinearArray(n_elements=16, pitch_mm=0.3, element_width_mm=0.25)
    assert scan.waves == PlaneWaves.from_degrees([0], sampling_hz=20e6, start_s=4e-6)
    assert (scan.center_hz, scan.sound_speed_m_s, scan.prf_hz) == (5e6, 1480.0, 5000.0)
    assert scan.bandwidth_hz == pytest.approx(3e6)
    assert scan.scatterers_mm is None
    few = read_pymust(
        write_mat(tmp_path / "b.mat", drop=("PRF", "width", "bandwidth", "t0"), rf=np.ones((9, 16)))
    )
    assert few.data.shape == (1, 16, 9)
    assert (few.prf_hz, few.bandwidth_hz, few.waves.start_s[0]) == (None, None, 0.0)


def test_pymust_delays_of_a_steered_wave_become_its_angle_and_time_zero(tmp_path):
    """An echo simulated on imgtech's clock and written on MUST's (first element at 0) comes back."""
    angle, speed = np.deg2rad(-9.0), 1480.0
    probe = LinearArray(n_elements=16, pitch_mm=0.3, element_width_mm=0.25)
    delays = probe.elements_mm * 1e-3 * np.sin(angle) / speed
    waves = PlaneWaves(angles_rad=np.array([angle]), sampling_hz=20e6, start_s=4e-6 + delays.min())
    rf = wires(depths_mm=[11.0], lateral_mm=[0.8]).echoes(
        probe, waves, pulse=GaussianPulse(center_hz=5e6), n_samples=400, sound_speed_m_s=speed
    )
    scan = read_pymust(write_mat(tmp_path / "a.mat", TXdelay=delays - delays.min(), rf=rf[0].T))
    assert scan.waves.angles_rad[0] == pytest.approx(angle)
    assert scan.waves.start_s[0] == pytest.approx(waves.start_s[0], abs=1e-12)
    iq = rf_to_iq(scan.data, scan.waves, center_hz=5e6)
    grid = ImageGrid(shape=(41, 31), spacing_mm=(0.02, 0.05), center_mm=(11.0, 0.8))
    image = np.abs(delay_and_sum(iq, scan.probe, scan.waves, grid, sound_speed_m_s=speed, center_hz=5e6))
    assert np.unravel_index(image.argmax(), image.shape) == (20, 15)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"drop": ("RF",)}, "no field 'RF'"),
        ({"drop": ("param",)}, "no field 'param'"),
        ({"drop": ("fs",)}, r"no field param\.fs"),
        ({"drop": ("TXdelay",)}, r"no field param\.TXdelay"),
        ({"TXdelay": np.zeros(15)}, "TXdelay must hold 16 delays"),
        ({"TXdelay": np.full(16, np.nan)}, r"param\.TXdelay must hold finite numbers"),
        ({"TXdelay": 1e-7 * np.arange(16.0) ** 2}, "TXdelay must be that of a plane wave"),
        ({"fc": [5e6, 6e6]}, r"param\.fc must be one number"),
        ({"fs": "fast"}, r"param\.fs must hold finite numbers"),
        ({"Nelements": 17}, "RF must be real and"),
        ({"rf": np.ones((4, 16), complex)}, "RF must be real and"),
        ({"c": -1480.0}, "sound_speed_m_s must be positive"),
    ],
)
def test_wrong_pymust_files_are_named(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        read_pymust(write_mat(tmp_path / "a.mat", **change))


def test_pybf_simulation_arrives_with_its_units_and_clock(tmp_path):
    scan = read_pybf(write_pybf(tmp_path / "a.hdf5"), sound_speed_m_s=1500)
    assert scan.data.shape == (2, 6, 40)
    assert scan.data.dtype == np.int16
    assert scan.data[1, 3, 5] == 1000 + 3 * 40 + 5
    assert scan.probe.elements_mm[-1] == pytest.approx(0.75)
    assert scan.probe.element_width_mm == pytest.approx(0.2)
    np.testing.assert_allclose(scan.waves.angles_rad, [-0.2, 0.1])
    np.testing.assert_allclose(scan.waves.start_s, -1e-6)
    assert scan.waves.pulse_delay_s == pytest.approx(2e-6)
    assert (scan.center_hz, scan.sound_speed_m_s, scan.prf_hz) == (5e6, 1500.0, 7.0)
    assert scan.bandwidth_hz == pytest.approx(2.5e6)
    np.testing.assert_allclose(scan.scatterers_mm, [[20, 1], [30, 4]])


def test_pybf_recording_counts_from_the_first_element_that_fires(tmp_path):
    scan = read_pybf(write_pybf(tmp_path / "a.hdf5", simulation=False, frames=2))
    assert scan.data.shape == (2, 6, 40, 2)
    assert scan.data[1, 3, 5, 1] == 10000 + 1000 + 3 * 40 + 5
    first_s = 0.75e-3 / 1540 * np.sin([0.2, 0.1])
    np.testing.assert_allclose(scan.waves.start_s, 2e-6 - first_s)
    assert scan.waves.pulse_delay_s == pytest.approx(0.5e-6)
    assert scan.scatterers_mm is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"drop": ("data/f_sampling",)}, "no field data/f_sampling"),
        ({"drop": ("sim_params/start_time",)}, "no field sim_params/start_time"),
        ({"drop": ("data/rf_data/frame_1/shot_2",)}, "no field data/rf_data/frame_1/shot_2"),
        ({"drop": ("data/tx_mode/PW_2_11",)}, "no group data/tx_mode"),
        ({"data": [np.ones((5, 40)), np.ones((5, 40))]}, "with 6 elements"),
        ({"data": [np.ones((6, 40)), np.ones((6, 41))]}, "the same length"),
        ({"data": [np.ones((6, 40), complex)] * 2}, "must hold real numbers"),
    ],
)
def test_wrong_pybf_files_are_named(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        read_pybf(write_pybf(tmp_path / "a.hdf5", **change))


@pytest.mark.parametrize(
    ("reader", "writer"), [(read_pymust, write_mat), (read_pybf, write_pybf)], ids=["pymust", "pybf"]
)
def test_damaged_absent_and_foreign_files_are_named(tmp_path, reader, writer):
    path = tmp_path / "scan"
    with pytest.raises(FileNotFoundError, match="no such file"):
        reader(path)
    whole = writer(tmp_path / "whole.mat").read_bytes()
    for content in (whole[: len(whole) // 2], b"not a scan at all" * 50, b""):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="scan"):
            reader(path)


def test_truncated_real_recordings_are_named(tmp_path, data):
    for reader, name in ((read_pymust, "rotating_disk_l7-4.mat"), (read_pybf, "field2_3pw.hdf5")):
        cut = tmp_path / name
        cut.write_bytes(data(f"us_raw/{name}").read_bytes()[:900_000])
        with pytest.raises(ValueError, match="is damaged or no"):
            reader(cut)


def test_real_files_arrive_as_their_documentation_says(data):
    path = data("us_raw/rotating_disk_l7-4.mat")
    disk = read_pymust(path)
    assert disk.data.shape == (1, 128, 334, 32)
    np.testing.assert_array_equal(disk.data[0, 17, :, 3], loadmat(path)["RF"][:, 17, 3])
    assert disk.waves.start_s[0] == pytest.approx(9.95e-6)
    field = read_pybf(data("us_raw/field2_3pw.hdf5"))
    assert field.data.shape == (3, 192, 2313)
    np.testing.assert_allclose(np.rad2deg(field.waves.angles_rad), [-12, 0, 12])
    assert field.scatterers_mm.shape == (2748, 2)
    pulse_s = (70 + 278 + 278 - 2 - 1) / 2 / 120e6  # half of excitation * response * response, in the file
    assert field.waves.pulse_delay_s == pytest.approx(pulse_s, rel=1e-6)
    muscle = read_pybf(data("us_raw/muscle_invivo_192el.hdf5"))
    assert muscle.data.shape == (1, 192, 1408, 2)
    assert muscle.bandwidth_hz == pytest.approx(3.975e6)


def test_channel_data_are_read_only_and_checked():
    probe, waves = LinearArray(n_elements=3, pitch_mm=0.3), PlaneWaves.from_degrees([0], sampling_hz=1e6)
    scan = ChannelData(data=np.ones((1, 3, 5)), probe=probe, waves=waves, center_hz=1e6, sound_speed_m_s=1500)
    with pytest.raises(ValueError, match="read-only"):
        scan.data[0, 0, 0] = 2
    with pytest.raises(ValueError, match="1 transmits and 3 elements"):
        ChannelData(data=np.ones((1, 4, 5)), probe=probe, waves=waves, center_hz=1e6, sound_speed_m_s=1500)
