"""Full-matrix captures written here and read back, and damaged ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from imgtech.geometry import ElementArray, LinearArray
from imgtech.io.raw import read_ndt_fmc


def content(rng, *, full=True):
    x = (np.arange(4) - 1.5) * 0.7e-3 + 0.2e-3
    tx, rx = np.meshgrid(np.arange(1, 5), np.arange(1, 5), indexing="ij")
    keep = np.ones((4, 4), bool) if full else tx <= rx
    matrix = rng.standard_normal((4, 4, 9)).astype(np.float32)
    matrix = matrix + matrix.swapaxes(0, 1)
    zero = np.zeros(4)
    array = {"el_xc": x, "el_yc": zero, "el_zc": zero, "centre_freq": 3e6}
    array |= {"el_x1": x + 0.25e-3, "el_y1": zero, "el_z1": zero}
    exp = {
        "time_data": matrix[keep].T.astype(float),
        "tx": tx[keep].astype(np.uint8),
        "rx": rx[keep].astype(np.uint8),
        "time": 2e-6 + np.arange(9) / 25e6,
        "ph_velocity": 5900.0,
        "array": array,
    }
    return exp, matrix


@pytest.mark.parametrize("full", [True, False])
def test_full_and_half_matrices_are_read(tmp_path, rng, full):
    exp, matrix = content(rng, full=full)
    savemat(tmp_path / "a.mat", {"exp_data": exp})
    scan = read_ndt_fmc(tmp_path / "a.mat")
    np.testing.assert_allclose(scan.data, matrix)
    assert scan.probe == LinearArray(
        n_elements=4,
        pitch_mm=scan.probe.pitch_mm,
        element_width_mm=scan.probe.element_width_mm,
        center_mm=0.2,
    )
    assert scan.probe.pitch_mm == pytest.approx(0.7)
    assert scan.probe.element_width_mm == pytest.approx(0.5)
    np.testing.assert_allclose(scan.waves.sources_mm[:, 2], scan.probe.elements_mm)
    np.testing.assert_allclose(scan.waves.start_s, 2e-6)
    assert scan.waves.sampling_hz == pytest.approx(25e6)
    assert (scan.sound_speed_m_s, scan.center_hz) == (5900.0, 3e6)
    assert read_ndt_fmc(tmp_path / "a.mat", sound_speed_m_s=6000).sound_speed_m_s == 6000


def test_uneven_elements_keep_their_places(tmp_path, rng):
    exp, _ = content(rng)
    exp["array"]["el_zc"] = np.array([0, 1e-3, 0, 0])
    savemat(tmp_path / "a.mat", {"exp_data": exp})
    scan = read_ndt_fmc(tmp_path / "a.mat")
    assert isinstance(scan.probe, ElementArray)
    np.testing.assert_allclose(scan.probe.positions_mm[1], [1.0, 0.0, -0.15], atol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e.pop("time_data"), "no field time_data"),
        (lambda e: e.pop("array"), "no structure exp_data.array"),
        (lambda e: e.update(time=np.arange(9.0) ** 2), "even steps"),
        (lambda e: e.update(tx=e["tx"] + 1), "between 1 and 4"),
        (lambda e: e.update(tx=np.ones(16)), "no trace of the elements"),
        (lambda e: e.update(time_data=e["time_data"][:5]), "time_data must be"),
        (lambda e: e.update(time_data=e["time_data"] * np.nan), "must hold finite numbers"),
        (lambda e: e.update(ph_velocity=-1.0), "sound_speed_m_s must be positive"),
    ],
)
def test_wrong_files_are_named(tmp_path, rng, change, message):
    exp, _ = content(rng)
    change(exp)
    savemat(tmp_path / "a.mat", {"exp_data": exp})
    with pytest.raises(ValueError, match=message):
        read_ndt_fmc(tmp_path / "a.mat")


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_ndt_fmc(tmp_path / "none.mat")
    (tmp_path / "bad.mat").write_bytes(b"no matlab file at all" * 20)
    with pytest.raises(ValueError, match="damaged or no MATLAB file"):
        read_ndt_fmc(tmp_path / "bad.mat")
    savemat(tmp_path / "other.mat", {"a": 1})
    with pytest.raises(ValueError, match="no structure 'exp_data'"):
        read_ndt_fmc(tmp_path / "other.mat")
