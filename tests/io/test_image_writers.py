"""Images out and in again: DICOM, NIfTI and TIFF keep values, places and tags."""

import dataclasses

import numpy as np
import pydicom
import pytest

from imgtech.geometry import ImageGrid
from imgtech.io import (
    Series,
    SeriesTags,
    read_nifti,
    read_series,
    read_tiff_stack,
    series_from_grid,
    write_nifti,
    write_series,
    write_tiff_stack,
)

TILTED = (0.0, 0.8, 0.6, 1.0, 0.0, 0.0)  # rows run along y and z, columns along x


def series(modality="CT", orientation=TILTED, n=4, **change):
    pixels = np.random.default_rng(2).normal(40.0, 300.0, (n, 5, 7)).astype(np.float32)
    normal = np.cross(orientation[:3], orientation[3:])
    origin = np.array([12.5, -30.25, 7.0])
    start = float(normal @ origin)
    given = {
        "pixels": pixels,
        "spacing_mm": (0.7, 1.1),
        "positions_mm": start + 2.5 * np.arange(n),
        "slice_thickness_mm": 2.0,
        "orientation": orientation,
        "origin_mm": tuple(origin),
        "modality": modality,
    }
    return Series(**(given | change))


@pytest.mark.parametrize("modality", ["CT", "MR", "NM"])
def test_dicom_series_comes_back_with_values_place_and_tags(tmp_path, modality):
    tags = SeriesTags(
        manufacturer="maker", station="B7", series_description="phantom", study_date="20260102",
        tube_voltage_kv=120.0, echo_time_ms=4.6, field_strength_t=1.5, kernel="hann",
    )  # fmt: skip
    out = series(modality, tags=tags)
    files = write_series(out, tmp_path / "new", patient_id="QA-1", patient_name="Phantom^Water")
    assert [f.name for f in files] == [f"IM_{k:04d}.dcm" for k in (1, 2, 3, 4)]
    back = read_series(tmp_path / "new")
    step = np.ptp(out.pixels) / 65535
    np.testing.assert_allclose(back.pixels, out.pixels, atol=0.51 * step + 1e-4)
    assert back.spacing_mm == (0.7, 1.1)
    assert back.slice_thickness_mm == 2.0
    assert back.modality == modality
    np.testing.assert_allclose(back.positions_mm, out.positions_mm, atol=1e-9)
    np.testing.assert_allclose(back.orientation, TILTED, atol=1e-12)
    np.testing.assert_allclose(back.origin_mm, out.origin_mm, atol=1e-12)
    assert (back.tags.manufacturer, back.tags.station, back.tags.study_date) == ("maker", "B7", "20260102")
    assert back.tags.tube_voltage_kv == (120.0 if modality == "CT" else None)
    assert back.tags.echo_time_ms == (4.6 if modality == "MR" else None)
    header = pydicom.dcmread(files[2])
    assert header.PatientID == "QA-1"
    assert header.InstanceNumber == 3
    uids = {pydicom.dcmread(f).SOPInstanceUID for f in files}
    assert len(uids) == 4
    assert {pydicom.dcmread(f).SeriesInstanceUID for f in files} == {header.SeriesInstanceUID}
    np.testing.assert_allclose(header.ImagePositionPatient, np.array(out.origin_mm) + 5.0 * out.normal)


def test_whole_hounsfield_units_stay_exact(tmp_path):
    pixels = np.arange(-1024.0, -1024 + 140).reshape(4, 5, 7)
    write_series(series(pixels=pixels), tmp_path, step=1.0)
    np.testing.assert_array_equal(read_series(tmp_path).pixels, pixels)
    header = pydicom.dcmread(tmp_path / "IM_0001.dcm")
    assert (header.RescaleSlope, header.RescaleIntercept, header.RescaleType) == (1, -1024, "HU")
    assert header.SOPClassUID.name == "CT Image Storage"


def test_a_series_of_one_value_and_one_slice_is_kept(tmp_path):
    write_series(series(pixels=np.full((1, 5, 7), -3.5), n=1), tmp_path)
    assert (read_series(tmp_path).pixels == -3.5).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: write_series(series(), p, step=0.0), "step must be positive"),
        (lambda p: write_series(series(), p, step=1e-4), "step must be at least"),
        (lambda p: write_series(series(orientation=(1, 0, 0, 0.5, 0.8, 0)), p), "at right angles"),
        (lambda p: (write_series(series(), p), write_series(series(), p)), "no DICOM files yet"),
        (lambda p: write_nifti(series(), p / "a.img"), "must end in .nii"),
        (lambda p: write_nifti(series(positions_mm=np.array([0.0, 1, 2, 5])), p / "a.nii"), "even distances"),
        (lambda p: write_tiff_stack([[np.nan]], p / "a.tif"), "images must be finite"),
        (lambda p: write_tiff_stack([1.0], p / "a.tif"), "images must have 2 or 3 axes"),
        (lambda p: read_tiff_stack(p), "holds no TIFF file"),
    ],
)
def test_bad_input_is_refused_by_name(tmp_path, call, words):
    pytest.importorskip("nibabel", reason="needs nibabel")
    pytest.importorskip("tifffile", reason="needs tifffile")
    with pytest.raises(ValueError, match=words):
        call(tmp_path)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_nifti_has_every_voxel_where_dicom_has_it(tmp_path, name):
    nibabel = pytest.importorskip("nibabel", reason="needs nibabel")
    out = series()
    file = write_nifti(out, tmp_path / name)
    image = nibabel.load(file)
    assert image.shape == (7, 5, 4)
    k, j, i = 2, 3, 5
    lps = np.array(out.origin_mm) + i * 1.1 * np.array(TILTED[:3]) + j * 0.7 * np.array(TILTED[3:])
    lps = lps + k * 2.5 * out.normal
    np.testing.assert_allclose(image.affine @ [i, j, k, 1], [-lps[0], -lps[1], lps[2], 1], atol=1e-5)
    assert image.get_fdata()[i, j, k] == out.pixels[k, j, i]
    back = read_nifti(file, modality="CT")
    np.testing.assert_array_equal(back.pixels, out.pixels)
    assert back.spacing_mm == out.spacing_mm
    np.testing.assert_allclose(back.positions_mm, out.positions_mm, atol=1e-4)
    np.testing.assert_allclose(back.orientation, TILTED, atol=1e-6)


def test_nifti_of_others_with_slices_the_other_way_round(tmp_path):
    nibabel = pytest.importorskip("nibabel", reason="needs nibabel")
    values = np.arange(24.0, dtype=np.float32).reshape(4, 3, 2)
    affine = np.diag([-0.5, -0.7, -3.0, 1.0])  # x and y as in DICOM, slices downwards
    affine[:3, 3] = [1.0, 2.0, 40.0]
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "a.nii")
    back = read_nifti(tmp_path / "a.nii")
    np.testing.assert_array_equal(back.pixels[0], values[:, :, 1].T)
    np.testing.assert_allclose(back.positions_mm, [37.0, 40.0])
    assert back.origin_mm == (-1.0, -2.0, 37.0)
    sheared = affine.copy()
    sheared[0, 1] = 0.3
    nibabel.save(nibabel.Nifti1Image(values, sheared), tmp_path / "b.nii")
    with pytest.raises(ValueError, match="axes must be at right angles"):
        read_nifti(tmp_path / "b.nii")
    nibabel.save(nibabel.Nifti1Image(np.ones((2, 3, 4, 5), np.float32), affine), tmp_path / "c.nii")
    with pytest.raises(ValueError, match="must hold one volume"):
        read_nifti(tmp_path / "c.nii")
    (tmp_path / "d.nii").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="no readable NIfTI file"):
        read_nifti(tmp_path / "d.nii")
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_nifti(tmp_path / "e.nii")


def test_grid_becomes_a_series_at_its_place():
    grid = ImageGrid(shape=(5, 7), spacing_mm=(0.7, 1.1), center_mm=(10.0, -4.0))
    out = series_from_grid(np.ones((2, 5, 7)), grid, modality="CT", slices_mm=[3.0, 5.5])
    assert out.origin_mm == (-4.0 - 3 * 1.1, 10.0 - 2 * 0.7, 3.0)
    assert out.slice_thickness_mm == 2.5
    solid = dataclasses.replace(
        grid, shape=(2, 5, 7), spacing_mm=(2.5, 0.7, 1.1), center_mm=(4.25, 10.0, -4.0)
    )
    same = series_from_grid(np.ones((2, 5, 7)), solid, modality="CT")
    assert same == out
    for change, words in (
        ({"pixels": np.ones((3, 5, 7))}, "pixels must have the shape"),
        ({"slices_mm": [5.5, 3.0]}, "slices_mm must ascend"),
        ({"grid": solid}, "slices_mm must not be given"),
    ):
        given = {"pixels": np.ones((2, 5, 7)), "grid": grid, "slices_mm": [3.0, 5.5]} | change
        with pytest.raises(ValueError, match=words):
            series_from_grid(modality="CT", **given)


def test_tiff_pages_and_folders_come_in_the_order_of_their_numbers(tmp_path):
    tifffile = pytest.importorskip("tifffile", reason="needs tifffile")
    stack = np.random.default_rng(1).random((3, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(read_tiff_stack(write_tiff_stack(stack, tmp_path / "a.tif")), stack)
    (tmp_path / "many").mkdir()
    for number in (2, 10, 9):
        tifffile.imwrite(tmp_path / "many" / f"view_{number}.tif", np.full((4, 5), number, np.uint16))
    found = read_tiff_stack(tmp_path / "many")
    assert found.dtype == np.uint16
    assert found[:, 0, 0].tolist() == [2, 9, 10]
    tifffile.imwrite(tmp_path / "many" / "view_11.tif", np.zeros((4, 6), np.uint16))
    with pytest.raises(ValueError, match=r"view_11\.tif: must have the size \(4, 5\)"):
        read_tiff_stack(tmp_path / "many")
    tifffile.imwrite(tmp_path / "colour.tif", np.zeros((4, 6, 3), np.uint8), photometric="rgb")
    with pytest.raises(ValueError, match="must hold grey images"):
        read_tiff_stack(tmp_path / "colour.tif")
    (tmp_path / "b.tif").write_bytes(b"text")
    with pytest.raises(ValueError, match=r"b\.tif: no readable TIFF file"):
        read_tiff_stack(tmp_path / "b.tif")
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        read_tiff_stack(tmp_path / "c.tif")
