"""Parallel-beam files: plain archives and DXchange."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.io.raw import CtScan, read_dxchange, read_sinogram
from imgtech.phantoms import uniform_disk
from imgtech.recon.ct import fbp
from imgtech.recon.ct.corrections import flat_field, to_line_integrals

BEAM = ParallelBeam.half_turn(
    n_views=90, n_channels=61, channel_spacing_mm=0.6, detector_offset_mm=1.5, start_rad=0.2
)
DISK = uniform_disk(radius_mm=9.0, value=0.03, center_mm=(2.0, -3.1))


def test_archive_gives_back_sinogram_and_beam(tmp_path):
    sinogram = DISK.sinogram(BEAM)
    np.savez(
        tmp_path / "a.npz",
        sinogram=sinogram,
        angles_rad=BEAM.angles_rad,
        channel_spacing_mm=0.6,
        detector_offset_mm=1.5,
    )
    scan = read_sinogram(tmp_path / "a.npz")
    assert scan.beam == BEAM
    np.testing.assert_array_equal(scan.sinogram, sinogram[None])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"angles_rad": None}, "angles_rad is missing"),
        ({"angles_rad": np.zeros(3)}, "sinogram must end with shape"),
        ({"channel_spacing_mm": -1.0}, "channel_spacing_mm must be positive"),
        ({"sinogram": np.ones(5)}, "must have 2 or 3 axes"),
        ({"sinogram": np.full((4, 5), np.nan)}, "sinogram must be finite"),
    ],
)
def test_archive_that_is_no_scan_is_refused_by_name(tmp_path, changes, words):
    arrays = {"sinogram": np.ones((4, 5)), "angles_rad": np.arange(4.0), "channel_spacing_mm": 0.7} | changes
    np.savez(tmp_path / "a.npz", **{k: v for k, v in arrays.items() if v is not None})
    with pytest.raises(ValueError, match=words) as caught:
        read_sinogram(tmp_path / "a.npz")
    assert "a.npz" in str(caught.value)


def test_text_instead_of_an_archive_and_a_missing_file_are_named(tmp_path):
    (tmp_path / "a.npz").write_text("hello")
    with pytest.raises(ValueError, match=r"a\.npz: no NumPy \.npz archive"):
        read_sinogram(tmp_path / "a.npz")
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_sinogram(tmp_path / "b.npz")
    (tmp_path / "a.h5").write_text("hello")
    with pytest.raises(ValueError, match="no readable HDF5 file"):
        read_dxchange(tmp_path / "a.h5", channel_spacing_mm=1.0)


def write_dxchange(path, beam, dark=100.0, white=30000.0):
    """Counts of the disk, seen with a dark level and a white field that differ by pixel."""
    shading = 1 + 0.2 * np.sin(np.arange(beam.n_channels) / 5)
    counts = dark + (white * shading) * np.exp(-DISK.sinogram(beam, dtype=np.float64))
    with h5py.File(path, "w") as file:
        file["exchange/data"] = np.stack([counts, counts], axis=1)
        file["exchange/data_dark"] = np.full((3, 2, beam.n_channels), dark) + np.arange(-1, 2)[:, None, None]
        file["exchange/data_white"] = np.broadcast_to(dark + white * shading, (4, 2, beam.n_channels))
        file["exchange/theta"] = np.rad2deg(beam.angles_rad)


def integrals(scan):
    return to_line_integrals(flat_field(scan.sinogram, scan.flats, scan.darks))


def test_counts_become_line_integrals_about_the_given_axis(tmp_path):
    write_dxchange(tmp_path / "a.h5", BEAM)
    axis = 30 - 1.5 / 0.6  # where position 0 falls among the 61 channels
    scan = read_dxchange(tmp_path / "a.h5", channel_spacing_mm=0.6, axis_channel=axis)
    assert scan.quantity == "counts"
    assert scan.beam.detector_offset_mm == pytest.approx(1.5)
    np.testing.assert_allclose(scan.beam.angles_rad, BEAM.angles_rad, rtol=1e-12)
    np.testing.assert_allclose(integrals(scan), np.stack([DISK.sinogram(BEAM)] * 2), atol=1e-6)
    grid = ImageGrid(shape=(30, 40), spacing_mm=(0.5, 0.4))
    image = fbp(integrals(scan)[0], scan.beam, grid)
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    assert image[np.hypot(y - 2, x + 3.1) < 3].mean() == pytest.approx(0.03, rel=0.01)


def test_axis_stands_in_the_middle_by_default_and_half_a_count_is_left(tmp_path):
    write_dxchange(tmp_path / "a.h5", BEAM)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["exchange/data"][0, 0, 7] = 50.0
        white = file["exchange/data_white"][0, 0, 7] - 100.0
    scan = read_dxchange(tmp_path / "a.h5", channel_spacing_mm=0.6)
    assert scan.beam.detector_offset_mm == 0.0
    assert integrals(scan)[0, 0, 7] == pytest.approx(-np.log(0.5 / white), rel=1e-6)


def test_broken_dxchange_files_are_refused_by_name(tmp_path):
    write_dxchange(tmp_path / "a.h5", BEAM)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["exchange/data_white"][:, 1, 4] = 90.0
    with pytest.raises(ValueError, match=r"flats must lie above the dark field.*pixel \(1, 4\)"):
        integrals(read_dxchange(tmp_path / "a.h5", channel_spacing_mm=0.6))
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["exchange/data"][3, 1, 4] = np.nan
    with pytest.raises(ValueError, match=r"a\.h5: sinogram must be finite, got nan at index \(1, 3, 4\)"):
        read_dxchange(tmp_path / "a.h5", channel_spacing_mm=0.6)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file["exchange/theta"]
    with pytest.raises(ValueError, match="exchange/theta is missing"):
        read_dxchange(tmp_path / "a.h5", channel_spacing_mm=0.6)


def test_scans_are_equal_by_content_and_refuse_fields_of_other_pixels():
    def scan(**change):
        given = {"flats": np.ones((3, 1, 61)), "header": {"kV": 45.0, "names": ["a"]}} | change
        return CtScan(sinogram=DISK.sinogram(BEAM)[None], beam=BEAM, **given)

    assert scan() == scan()
    assert hash(scan()) == hash(scan())
    assert scan() != scan(header={"kV": 46.0, "names": ["a"]})
    with pytest.raises(ValueError, match=r"flats must end with shape \(1, 61\)"):
        scan(flats=np.ones((3, 1, 60)))
    with pytest.raises(ValueError, match="quantity must be one of"):
        scan(quantity="voltage")


def test_real_tooth_has_least_below_zero_about_its_own_axis(data):
    path = data("ct_raw/parallel_tooth.h5")
    grid = ImageGrid.square(160, fov_mm=480.0)

    def below_zero(axis):
        scan = read_dxchange(path, channel_spacing_mm=1.0, axis_channel=axis)
        image = fbp(integrals(scan)[0], scan.beam, grid, window="hann")
        return -image[image < 0].sum()

    assert min((288.0, 292.0, 294.0, 296.0, 298.0, 300.0, 304.0), key=below_zero) == 296.0
