"""DICOM series: order, units, choice of series, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from imgtech.io import Series, SeriesTags, list_series, read_series
from reference.dicom_files import SHAPE, SPACING, stored, write_enhanced, write_slice


def _stack(folder: Path, positions: list[float], **extra: object) -> Path:
    """Slices whose file names run against their positions."""
    for i, z in enumerate(positions):
        write_slice(folder / f"{len(positions) - i:02d}.dcm", z_mm=z, pixels=stored(i), **extra)
    return folder


def test_slices_are_sorted_by_position_not_by_name(tmp_path: Path) -> None:
    series = read_series(_stack(tmp_path, [-4.0, 6.0, 16.0]))
    np.testing.assert_array_equal(series.pixels, np.stack([stored(0), stored(1), stored(2)]))
    np.testing.assert_allclose(series.positions_mm, [-4.0, 6.0, 16.0])
    assert series.origin_mm == (-11.0, -22.0, -4.0)


def test_spacing_is_that_of_rows_then_columns(tmp_path: Path) -> None:
    series = read_series(_stack(tmp_path, [3.0]))
    assert series.spacing_mm == SPACING
    assert series.grid.shape == SHAPE
    assert series.grid.fov_mm == (5 * 1.25, 7 * 0.75)
    assert series.slice_thickness_mm == 4.0


def test_position_runs_along_the_normal_of_an_oblique_stack(tmp_path: Path) -> None:
    c, s = np.cos(0.4), np.sin(0.4)
    series = read_series(_stack(tmp_path, [5.0, 15.0], orientation=(c, s, 0.0, 0.0, 0.0, -1.0)))
    assert np.diff(series.positions_mm)[0] == pytest.approx(10.0, abs=1e-4)
    np.testing.assert_allclose(series.normal, [-s, c, 0.0], atol=1e-12)


def test_slope_and_intercept_give_real_values(tmp_path: Path) -> None:
    series = read_series(_stack(tmp_path, [0.0], RescaleSlope=2.5, RescaleIntercept=-7.0))
    np.testing.assert_allclose(series.pixels[0], 2.5 * stored(0).astype(float) - 7.0)
    assert series.pixels.dtype == np.float32


def test_philips_scale_slope_gives_the_value_of_the_reconstruction(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "a.dcm", z_mm=0.0, pixels=stored(1), RescaleSlope=2.0, RescaleIntercept=6.0)
    import pydicom

    ds = pydicom.dcmread(path)
    block = ds.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    block.add_new(0x0E, "FL", 0.25)
    ds.save_as(path)
    series = read_series(path)
    np.testing.assert_allclose(series.pixels[0], (2.0 * stored(1).astype(float) + 6.0) / (2.0 * 0.25))
    assert any("2005,100E" in note for note in series.notes)


def test_big_endian_reads_like_little_endian(tmp_path: Path) -> None:
    series = read_series(_stack(tmp_path, [0.0], big_endian=True))
    np.testing.assert_array_equal(series.pixels[0], stored(0))


def test_negative_stored_values_stay_negative(tmp_path: Path) -> None:
    write_slice(tmp_path / "a.dcm", z_mm=0.0, pixels=stored(0).astype(np.int16) - 60)
    assert read_series(tmp_path).pixels.min() == -60.0


def test_enhanced_frames_keep_their_own_position_and_slope(tmp_path: Path) -> None:
    pixels = np.stack([stored(2), stored(0), stored(1)])
    series = read_series(write_enhanced(tmp_path / "e.dcm", [16.0, -4.0, 6.0], pixels, [3.0, 1.0, 2.0]))
    np.testing.assert_allclose(series.positions_mm, [-4.0, 6.0, 16.0])
    for i, slope in enumerate([1.0, 2.0, 3.0]):
        np.testing.assert_allclose(series.pixels[i], slope * stored(i).astype(float) - 3.0)
    assert series.spacing_mm == SPACING
    assert (series.tags.echo_time_ms, series.tags.repetition_time_ms) == (20.0, 500.0)


def test_two_series_are_named_and_one_can_be_chosen(tmp_path: Path) -> None:
    write_slice(tmp_path / "a.dcm", z_mm=0.0, pixels=stored(0), number=3, series_uid="1.3")
    write_slice(tmp_path / "b.dcm", z_mm=0.0, pixels=stored(1), number=12, series_uid="1.12")
    with pytest.raises(ValueError, match=r"2 stacks of images.*series 3 .*series 12 "):
        read_series(tmp_path)
    np.testing.assert_array_equal(read_series(tmp_path, series="12").pixels[0], stored(1))
    np.testing.assert_array_equal(read_series(tmp_path, series="1.3").pixels[0], stored(0))
    with pytest.raises(ValueError, match="series must be one of"):
        read_series(tmp_path, series="4")


def test_two_echoes_of_a_series_are_two_stacks(tmp_path: Path) -> None:
    write_slice(tmp_path / "a.dcm", z_mm=0.0, pixels=stored(0), EchoTime=20.0)
    write_slice(tmp_path / "b.dcm", z_mm=0.0, pixels=stored(1), EchoTime=80.0)
    assert [info.tags.echo_time_ms for info in list_series(tmp_path)] == [20.0, 80.0]
    np.testing.assert_array_equal(read_series(tmp_path, echo_time_ms=80.0).pixels[0], stored(1))


def test_phase_images_are_kept_apart_from_magnitude(tmp_path: Path) -> None:
    write_slice(tmp_path / "a.dcm", z_mm=0.0, pixels=stored(0), ImageType=["ORIGINAL", "PRIMARY", "M"])
    write_slice(tmp_path / "b.dcm", z_mm=0.0, pixels=stored(1), ImageType=["ORIGINAL", "PRIMARY", "P"])
    assert len(list_series(tmp_path)) == 2


def test_a_missing_slice_is_named_and_may_be_allowed(tmp_path: Path) -> None:
    _stack(tmp_path, [0.0, 10.0, 20.0, 40.0])
    with pytest.raises(ValueError, match=r"missing.*20\.00 and 40\.00 mm"):
        read_series(tmp_path)
    assert "40.00" in read_series(tmp_path, allow_gaps=True).notes[0]


def test_two_images_at_one_place_are_refused(tmp_path: Path) -> None:
    _stack(tmp_path, [0.0, 10.0, 10.0])
    with pytest.raises(ValueError, match=r"two slices lie at 10\.00 mm"):
        read_series(tmp_path)


def test_a_copy_of_a_file_counts_once(tmp_path: Path) -> None:
    _stack(tmp_path, [0.0, 10.0])
    (tmp_path / "copy.dcm").write_bytes((tmp_path / "01.dcm").read_bytes())
    assert read_series(tmp_path).pixels.shape == (2, *SHAPE)


def test_slices_that_share_one_uid_are_told_apart_by_their_places(tmp_path: Path) -> None:
    _stack(tmp_path, [0.0, 10.0, 20.0], SOPInstanceUID="1.2.3.5")
    assert read_series(tmp_path).pixels.shape == (3, *SHAPE)


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    _stack(tmp_path, [0.0, 10.0])
    (tmp_path / "notes.txt").write_text("weekly QA")
    (tmp_path / "empty").write_bytes(b"")
    assert read_series(tmp_path).pixels.shape == (2, *SHAPE)


def test_an_empty_folder_and_a_missing_path_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no DICOM file; it is empty"):
        list_series(tmp_path)
    with pytest.raises(ValueError, match="does not exist"):
        read_series(tmp_path / "gone")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_a_file_cut_short_is_named(tmp_path: Path, share: float) -> None:
    _stack(tmp_path, [0.0, 10.0, 20.0])
    bad = tmp_path / "02.dcm"
    whole = bad.read_bytes()
    bad.write_bytes(whole[: max(140, int(share * len(whole)))])
    with pytest.raises(ValueError, match=r"02\.dcm is damaged"):
        read_series(tmp_path)


def test_a_compressed_file_without_plugin_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = get_testdata_file("MR_small_RLE.dcm")
    import pydicom

    def without_plugin(self: object) -> None:
        raise RuntimeError("Unable to decompress: missing dependencies")

    monkeypatch.setattr(pydicom.dataset.Dataset, "pixel_array", property(without_plugin))
    with pytest.raises(ValueError, match=r"RLE Lossless; pip install"):
        read_series(path)


def test_compressed_pixels_equal_the_plain_ones() -> None:
    plain, packed = (read_series(get_testdata_file(f"MR_small{end}.dcm")) for end in ("", "_RLE"))
    np.testing.assert_array_equal(plain.pixels, packed.pixels)


def test_colour_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"colour|pixel spacing"):
        read_series(get_testdata_file("examples_rgb_color.dcm"))


def test_a_series_refuses_positions_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="positions_mm must name each of the 2 slices"):
        Series(
            pixels=np.ones((2, 3, 4)),
            spacing_mm=(1.0, 2.0),
            positions_mm=np.array([1.0]),
            slice_thickness_mm=None,
            modality="MR",
        )


def test_a_series_cannot_be_changed() -> None:
    source = np.ones((1, 3, 4), dtype=np.float32)
    series = Series(
        pixels=source,
        spacing_mm=(1.0, 2.0),
        positions_mm=np.array([1.0]),
        slice_thickness_mm=None,
        modality="MR",
        tags=SeriesTags(model="A"),
    )
    source[0, 0, 0] = 9.0
    assert series.pixels[0, 0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        series.pixels[0, 0, 0] = 2.0
    assert series.tags.known() == {"model": "A"}


def test_hounsfield_units_of_real_ct_are_those_of_air(data) -> None:
    series = read_series(data("ct_catphan504/CBCT_3"))
    assert series.modality == "CT"
    assert series.pixels.shape == (64, 512, 512)
    assert series.pixels.min() == -1000.0
    assert np.ptp(np.diff(series.positions_mm)) < 1e-3


def test_real_enhanced_mr_gives_eleven_slices_ten_millimetres_apart(data) -> None:
    series = read_series(data("mr_acr/Siemens_Sola_1.5T_T1"))
    np.testing.assert_allclose(np.diff(series.positions_mm), 10.0, atol=1e-3)
    assert series.tags.field_strength_t == 1.5
    assert series.tags.receive_coil == "HeadNeck_20_TCS"


def test_files_without_preamble_are_read(data) -> None:
    series = read_series(data("xray_planar/qc3.dcm"))
    assert series.pixels.shape == (1, 768, 1024)
    assert any("detector" in note for note in series.notes)


def test_nuclear_slices_lie_where_the_slice_vector_says(tmp_path: Path) -> None:
    """Stored from the top down, spacing negative: the third frame is the second slice."""
    import pydicom
    from pydicom.dataset import Dataset

    path = write_slice(tmp_path / "nm.dcm", z_mm=0.0, pixels=np.stack([stored(0), stored(1), stored(2)]))
    ds = pydicom.dcmread(path)
    del ds.ImagePositionPatient, ds.ImageOrientationPatient
    ds.Modality, ds.NumberOfFrames, ds.SliceVector, ds.SpacingBetweenSlices = "NM", 3, [1, 3, 2], -2.5
    detector = Dataset()
    detector.ImagePositionPatient, detector.ImageOrientationPatient = [1.0, 2.0, 30.0], [1, 0, 0, 0, 1, 0]
    ds.DetectorInformationSequence = [detector]
    ds.save_as(path)
    series = read_series(path)
    np.testing.assert_allclose(series.positions_mm, [25.0, 27.5, 30.0])
    np.testing.assert_array_equal(series.pixels, np.stack([stored(1), stored(2), stored(0)]))
    assert series.origin_mm == (1.0, 2.0, 25.0)
    del ds.SliceVector, ds.DetectorInformationSequence
    ds.save_as(path)
    numbered = read_series(path)
    np.testing.assert_array_equal(numbered.positions_mm, [0.0, 1.0, 2.0])
    assert any("positions are their numbers" in note for note in numbered.notes)


def test_a_localizer_is_noted(tmp_path: Path) -> None:
    kind = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    noted = read_series(write_slice(tmp_path / "a.dcm", z_mm=0.0, pixels=stored(0), ImageType=kind))
    assert "the files call their images a localizer (ImageType)" in noted.notes
    plain = read_series(write_slice(tmp_path / "b.dcm", z_mm=0.0, pixels=stored(0), ImageType=kind[:2]))
    assert not any("localizer" in note for note in plain.notes)
