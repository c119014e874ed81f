"""PICMUS files written here in the layout of the challenge and read back."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import PlaneWaves
from imgtech.io.raw import read_picmus

h5py = pytest.importorskip("h5py")


def write(path, rng, **change):
    x = (np.arange(5) - 2) * 0.3e-3 + 0.1e-3
    fields = {
        "data/real": rng.standard_normal((3, 5, 11)).astype(np.float32),
        "data/imag": np.zeros((3, 5, 11), np.float32),
        "angles": np.array([-0.2, 0.0, 0.3]),
        "probe_geometry": np.stack([x, 0 * x, 0 * x]),
        "sampling_frequency": np.array([20.832e6]),
        "initial_time": np.array([2e-6]),
        "sound_speed": np.array([1540.0]),
        "modulation_frequency": np.array([0.0]),
        "PRF": np.array([100.0]),
    } | change
    with h5py.File(path, "w") as file:
        for name, value in fields.items():
            if value is not None:
                file[f"US/US_DATASET0000/{name}"] = value
    return fields


def test_fields_arrive_in_their_units(tmp_path, rng):
    fields = write(tmp_path / "a.hdf5", rng)
    scan = read_picmus(tmp_path / "a.hdf5", center_hz=5e6)
    np.testing.assert_array_equal(scan.data, fields["data/real"])
    assert scan.data.dtype == np.float32
    np.testing.assert_allclose(scan.probe.elements_mm, [-0.5, -0.2, 0.1, 0.4, 0.7])
    assert scan.waves == PlaneWaves(angles_rad=[-0.2, 0.0, 0.3], sampling_hz=20.832e6, start_s=2e-6)
    assert (scan.center_hz, scan.sound_speed_m_s, scan.prf_hz) == (5e6, 1540.0, 100.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modulation_frequency": np.array([5e6])}, "data must be RF"),
        ({"probe_geometry": np.ones((3, 5))}, "even row"),
        ({"probe_geometry": np.ones((5, 3))}, r"must be \(3, element\)"),
        ({"probe_geometry": np.array([[0, 1, 3.0], [0] * 3, [0] * 3])}, "even row"),
        ({"angles": None}, "no field US/US_DATASET0000/angles"),
        ({"angles": np.array([0.1])}, "1 transmits and 5 elements"),
        ({"sampling_frequency": np.array([0.0])}, "sampling_hz must be positive"),
    ],
)
def test_wrong_files_are_named(tmp_path, rng, change, message):
    write(tmp_path / "a.hdf5", rng, **change)
    with pytest.raises(ValueError, match=message):
        read_picmus(tmp_path / "a.hdf5")


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_picmus(tmp_path / "none.hdf5")
    (tmp_path / "bad.hdf5").write_bytes(b"nothing" * 50)
    with pytest.raises(ValueError, match="damaged or no HDF5"):
        read_picmus(tmp_path / "bad.hdf5")
