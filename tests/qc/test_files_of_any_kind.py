"""A protocol on files as they come: byte orders, compression, Enhanced objects, parts, copies."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, RLELossless, generate_uid

from imgtech import qc
from imgtech.io import read_series, write_series
from imgtech.phantoms.twins import Placement, acr_ct
from reference.ct_twins import Scan
from reference.mr_twins import MrScan, as_series, flood_twin, single_images

ENHANCED = {"CT": "1.2.840.10008.5.1.4.1.1.2.1", "MR": "1.2.840.10008.5.1.4.1.1.4.1"}


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> tuple[Path, qc.Report]:
    """An ACR CT phantom, turned and off the middle, and its report."""
    place = Placement(center_mm=(6.3, -11.7), z_mm=4.1, roll_rad=math.radians(17.0))
    scan = Scan(placement=place, reach_mm=(-25.0, 145.0), noise_hu=5.0)
    folder = tmp_path_factory.mktemp("acr") / "plain"
    write_series(scan.series(acr_ct(), np.random.default_rng(7)), folder, step=1.0)
    report = qc.run(folder, protocol="acr-ct")
    assert not [m.name for m in report.measurements if m.error]
    return folder, report


def _same(report: qc.Report, plain: qc.Report) -> None:
    assert [m.name for m in report.measurements] == [m.name for m in plain.measurements]
    for m, other in zip(report.measurements, plain.measurements, strict=True):
        assert (m.value, m.uncertainty, m.error) == (other.value, other.uncertainty, other.error), m.name


def _changed(folder: Path, to: Path, change: Callable[[Dataset, int], None]) -> None:
    to.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(sorted(folder.iterdir())):
        ds = pydicom.dcmread(path)
        change(ds, number)
        ds.save_as(to / f"{'changed ' if (to / path.name).exists() else ''}{path.name}")


def test_big_endian_files_measure_the_same(plain, tmp_path: Path) -> None:
    folder, report = plain
    for path in sorted(folder.iterdir()):
        read = pydicom.dcmread(path)
        ds = Dataset()
        for element in read:
            ds.add(element)
        ds.file_meta = read.file_meta
        ds.PixelData = np.frombuffer(read.PixelData, "<u2").astype(">u2").tobytes()
        ds["PixelData"].VR = "OW"
        ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        ds.save_as(tmp_path / path.name, little_endian=False, implicit_vr=False, enforce_file_format=True)
    _same(qc.run(tmp_path, protocol="acr-ct"), report)


def test_compressed_files_measure_the_same(plain, tmp_path: Path) -> None:
    folder, report = plain
    _changed(folder, tmp_path, lambda ds, _: ds.compress(RLELossless, generate_instance_uid=False))
    assert pydicom.dcmread(next(tmp_path.iterdir())).file_meta.TransferSyntaxUID == RLELossless
    _same(qc.run(tmp_path, protocol="acr-ct"), report)


def _enhanced(folder: Path, to: Path) -> None:
    """All slices in one object, in no order, position and rescale per frame."""
    slices = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    order = np.random.default_rng(3).permutation(len(slices))
    ds = pydicom.dcmread(sorted(folder.iterdir())[0])
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
                 "RescaleSlope", "RescaleIntercept", "RescaleType", "SliceLocation", "KVP"):  # fmt: skip
        if name in ds:
            delattr(ds, name)
    kind = ENHANCED[ds.Modality]
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = kind
    shared, measures, direction = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = slices[0].PixelSpacing, slices[0].SliceThickness
    direction.ImageOrientationPatient = slices[0].ImageOrientationPatient
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [direction]
    ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence = [shared], []
    for k in order:
        frame, place, values = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = slices[k].ImagePositionPatient
        values.RescaleSlope, values.RescaleIntercept = slices[k].RescaleSlope, slices[k].RescaleIntercept
        values.RescaleType = "HU" if ds.Modality == "CT" else "US"
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [place], [values]
        ds.PerFrameFunctionalGroupsSequence.append(frame)
    ds.NumberOfFrames = len(slices)
    ds.PixelData = b"".join(slices[k].PixelData for k in order)
    ds["PixelData"].VR = "OW"
    to.mkdir(exist_ok=True)
    ds.save_as(to / "enhanced.dcm", enforce_file_format=True)


def test_an_enhanced_ct_object_measures_the_same(plain, tmp_path: Path) -> None:
    folder, report = plain
    _enhanced(folder, tmp_path)
    found = qc.run(tmp_path, protocol="acr-ct")
    assert all(m.error is None for m in found.measurements)
    for name in ("CT number bone", "noise", "roll", "MTF50 bone rod", "distance of the beads"):
        assert found[name].value == pytest.approx(report[name].value, rel=1e-6)


def test_an_enhanced_mr_object_measures_the_same(tmp_path: Path) -> None:
    scan = dataclasses.replace(MrScan(), sigma=7.0)
    image = single_images(scan, flood_twin(80.0), np.random.default_rng(5))[0]
    stack = np.concatenate([0.2 * image.pixels, image.pixels, 0.3 * image.pixels])
    write_series(as_series(stack, scan.grid, [-10.0, 0.0, 10.0], 1.5), tmp_path / "plain")
    _enhanced(tmp_path / "plain", tmp_path / "enhanced")
    one, two = (qc.run(tmp_path / name, protocol="mr-snr-nema") for name in ("plain", "enhanced"))
    assert one["SNR from the air"].value == pytest.approx(two["SNR from the air"].value, rel=1e-6)
    assert "enhanced.dcm" in [p.name for p in (tmp_path / "enhanced").iterdir()]


def test_copies_of_slices_under_new_names_count_once(plain, tmp_path: Path) -> None:
    folder, report = plain
    _changed(folder, tmp_path, lambda ds, _: None)

    def renamed(ds: Dataset, _: int) -> None:
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()

    for path in sorted(folder.iterdir())[3:9]:
        ds = pydicom.dcmread(path)
        renamed(ds, 0)
        ds.save_as(tmp_path / f"copy {path.name}")
    found = qc.run(tmp_path, protocol="acr-ct")
    _same(found, report)
    assert any("6 copies of slices" in note for note in found.notes)


def test_two_different_slices_at_one_place_are_refused(plain, tmp_path: Path) -> None:
    folder, _ = plain
    _changed(folder, tmp_path, lambda ds, _: None)
    ds = pydicom.dcmread(sorted(folder.iterdir())[5])
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.PixelData = ds.PixelData[2:] + ds.PixelData[:2]
    ds.save_as(tmp_path / "other.dcm")
    with pytest.raises(ValueError, match="two slices lie at"):
        qc.run(tmp_path, protocol="acr-ct")


def test_the_right_series_of_a_mixed_folder_is_taken_and_named(plain, tmp_path: Path) -> None:
    folder, report = plain
    _changed(folder, tmp_path / "a", lambda ds, _: None)
    (tmp_path / "notes.txt").write_text("weekly")
    other, view = (pydicom.dcmread(sorted(folder.iterdir())[k]) for k in (0, 1))
    for ds, modality, name in ((other, "MR", "other.dcm"), (view, "CT", "overview.dcm")):
        ds.Modality, ds.SeriesInstanceUID, ds.SeriesNumber = modality, generate_uid(), 41
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.save_as(tmp_path / name)
    found = qc.run(tmp_path, protocol="acr-ct")
    _same(found, report)
    assert any(note.startswith("of 3 stacks of images, series") for note in found.notes)


def test_a_scan_in_two_series_is_joined_and_parts_that_differ_are_not(tmp_path: Path) -> None:
    z = np.arange(-40.0, 40.0, 5.0)
    values = np.arange(16.0)[:, None, None] + np.zeros((16, 24, 26))
    grid = MrScan().grid
    grid = dataclasses.replace(grid, shape=(24, 26), center_mm=(0.0, 0.0))
    series = as_series(values, grid, z, 1.5)
    write_series(series, tmp_path / "whole", step=1.0)

    def second(ds: Dataset, number: int) -> None:
        if number % 3 == 0:
            ds.SeriesInstanceUID, ds.SeriesNumber = "1.2.3.99", 12

    _changed(tmp_path / "whole", tmp_path / "parts", second)
    first = pydicom.dcmread(sorted((tmp_path / "parts").iterdir())[1])
    joined = read_series(
        tmp_path / "parts", series=(str(first.SeriesNumber or first.SeriesInstanceUID), "12")
    )
    assert joined.pixels[:, 3, 4].tolist() == list(range(16))
    assert joined.positions_mm == pytest.approx(z)
    with pytest.raises(ValueError, match="2 stacks of images"):
        read_series(tmp_path / "parts")

    def wider(ds: Dataset, number: int) -> None:
        second(ds, number)
        if number % 3 == 0:
            ds.PixelSpacing = [2.0, 1.0]

    _changed(tmp_path / "whole", tmp_path / "wide", wider)
    with pytest.raises(ValueError, match="must have pixels and a direction in common"):
        read_series(tmp_path / "wide", series=("1.2.3.99", str(first.SeriesInstanceUID)))


@pytest.mark.parametrize("way", ["goes on", "interleaves"])
def test_a_ct_scan_in_two_series_is_measured_whole_and_said(plain, tmp_path: Path, way: str) -> None:
    folder, report = plain
    number_of = len(list(folder.iterdir()))
    uid = generate_uid()

    def second(ds: Dataset, number: int) -> None:
        if (number >= number_of // 2) if way == "goes on" else (number % 3 == 0):
            ds.SeriesInstanceUID, ds.SeriesNumber = uid, 12

    _changed(folder, tmp_path, second)
    found = qc.run(tmp_path, protocol="acr-ct")
    _same(found, report)
    assert any("are taken as one scan" in note and "12" in note for note in found.notes)


@pytest.mark.parametrize("what", ["frame", "gap", "same places", "kernel", "shifted"])
def test_series_that_do_not_go_on_are_not_joined(plain, tmp_path: Path, what: str) -> None:
    folder, _ = plain
    number_of, uid, other = len(list(folder.iterdir())), generate_uid(), generate_uid()

    def second(ds: Dataset, number: int) -> None:
        if number < number_of // 2:
            return
        ds.SeriesInstanceUID, ds.SeriesNumber = uid, 12
        x, y, z = (float(c) for c in ds.ImagePositionPatient)
        if what == "frame":
            ds.FrameOfReferenceUID = other
        elif what == "gap":
            ds.ImagePositionPatient = [x, y, z + 2.0]
        elif what == "same places":
            first = pydicom.dcmread(sorted(folder.iterdir())[number - number_of // 2])
            ds.ImagePositionPatient = first.ImagePositionPatient
        elif what == "shifted":
            ds.ImagePositionPatient = [x + 0.4, y, z]
        else:
            ds.ConvolutionKernel = "BONE"

    _changed(folder, tmp_path, second)
    with pytest.raises(ValueError, match="2 stacks of images, choose one"):
        qc.run(tmp_path, protocol="acr-ct")


def test_an_acr_mri_scan_in_parts_is_measured_whole(data, tmp_path: Path) -> None:
    folder = data("mr_acr/Siemens")
    report = qc.run(folder, protocol="acr-mri-large")

    def second(ds: Dataset, number: int) -> None:
        if number >= 5:
            ds.SeriesInstanceUID, ds.SeriesNumber = "1.2.3.98", 77

    _changed(folder, tmp_path, second)
    found = qc.run(tmp_path, protocol="acr-mri-large")
    _same(found, report)
    assert any("taken as one scan" in note for note in found.notes)
