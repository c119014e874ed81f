"""Raw CT files of our own: plain binary with YAML, and DICOM-CT-PD."""

import numpy as np
import pydicom
import pytest

from imgtech.geometry import ConeBeam, FanBeam, ParallelBeam
from imgtech.io.raw import CtScan, read_ct_pd, read_raw, write_ct_pd, write_raw

DETECTOR = {
    "source_axis_mm": 400.0, "source_detector_mm": 712.5, "n_channels": 7, "channel_spacing_mm": 1.5,
    "n_rows": 4, "row_spacing_mm": 1.25, "detector_offset_mm": 0.375, "row_offset_mm": 0.5,
}  # fmt: skip
HELIX = ConeBeam.helical(
    pitch_mm=9.0,
    n_turns=1.5,
    n_views_per_turn=10,
    start_rad=0.4,
    center_z_mm=-20.0,
    detector="curved",
    **DETECTOR,
)
CIRCLE = ConeBeam.full_turn(n_views=9, start_rad=5.9, **DETECTOR)


def scan(beam, seed=3, **more):
    values = np.random.default_rng(seed).uniform(-0.01, 5.0, beam.shape).astype(np.float32)
    return CtScan(sinogram=values if values.ndim == 3 else values[None], beam=beam, **more)


def close(one, two):
    for name in ("source_axis_mm", "source_detector_mm", "channel_spacing_mm", "row_spacing_mm",
                 "detector_offset_mm", "row_offset_mm", "source_z_mm", "focal_shift_mm"):  # fmt: skip
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), atol=2e-4, err_msg=name)
    turned = np.exp(1j * (one.angles_rad - two.angles_rad))
    np.testing.assert_allclose(turned, 1.0, atol=1e-6)
    assert one.shape == two.shape
    assert one.detector == two.detector


@pytest.mark.parametrize("beam", [HELIX, CIRCLE], ids=["helix", "circle"])
def test_ct_pd_comes_back_as_it_went(tmp_path, beam):
    photons = np.linspace(1e4, 5e4, 7)
    out = scan(beam)
    files = write_ct_pd(out, tmp_path / "new", water_per_mm=0.0195, photons_per_channel=photons)
    assert len(files) == beam.n_views
    back = read_ct_pd(tmp_path / "new")
    close(back.beam, beam)
    np.testing.assert_allclose(back.sinogram, out.sinogram, atol=4.5e-5)
    assert back.header["water_per_mm"] == 0.0195
    assert back.header["scan"] == ("HELICAL" if beam is HELIX else "AXIAL")
    assert back.header["LogFlag"] == "YES"
    np.testing.assert_allclose(back.header["photons_per_channel"][2], photons, rtol=1e-6)
    steps = np.diff(back.beam.angles_rad)
    np.testing.assert_allclose(steps, steps[0], atol=1e-6)  # goes on over full turns


def test_flying_focal_spot_comes_back(tmp_path):
    shifts = np.zeros((HELIX.n_views, 3))
    shifts[::2] = (-0.66, -5.4, 0.15)
    beam = ConeBeam.helical(
        pitch_mm=9.0, n_turns=1.5, n_views_per_turn=10, detector="curved", focal_shift_mm=shifts, **DETECTOR
    )
    write_ct_pd(scan(beam), tmp_path, water_per_mm=0.02)
    close(read_ct_pd(tmp_path).beam, beam)
    header = pydicom.dcmread(tmp_path / "view_00001.dcm")
    assert header[0x7033, 0x100E].value == "FFSXYZ"
    assert header[0x7033, 0x100D].value == pytest.approx(5.4, abs=1e-3)  # farther from the axis


def test_ct_pd_elements_say_what_the_format_means_by_them(tmp_path):
    out = scan(HELIX)
    write_ct_pd(out, tmp_path, water_per_mm=0.02)
    header = pydicom.dcmread(tmp_path / "view_00004.dcm")
    phi, radius = header[0x7031, 0x1001].value, header[0x7031, 0x1003].value
    source = HELIX.vectors().sources_mm[3]  # z, y, x
    np.testing.assert_allclose([-radius * np.sin(phi), radius * np.cos(phi)], source[[2, 1]], atol=1e-3)
    assert header[0x7031, 0x1002].value == pytest.approx(source[0], abs=1e-4)
    assert (header.Rows, header.Columns) == (7, 4)
    assert header[0x7029, 0x100B].value == "CYLINDRICAL"
    column, row = header[0x7031, 0x1033].value  # from 1; columns run against ours, rows with z
    assert (column, row) == (4.25, pytest.approx(2.1, abs=1e-6))
    values = header.pixel_array * header.RescaleSlope + header.RescaleIntercept
    assert values[0, 0] == pytest.approx(out.sinogram[3, 0, 6], abs=4.5e-5)
    assert values[6, 3] == pytest.approx(out.sinogram[3, 3, 0], abs=4.5e-5)


def test_files_without_explicit_kinds_and_the_central_column_of_ge(tmp_path):
    write_ct_pd(scan(CIRCLE), tmp_path, water_per_mm=0.02)
    for file in tmp_path.glob("*.dcm"):
        dataset = pydicom.dcmread(file)
        dataset.Manufacturer = "GE MEDICAL SYSTEMS"
        column, row = dataset[0x7031, 0x1033].value
        dataset[0x7031, 0x1033].value = [7 - column, row]
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        dataset.save_as(file, implicit_vr=True, little_endian=True)
    assert isinstance(pydicom.dcmread(tmp_path / "view_00001.dcm")[0x7031, 0x1001].value, bytes)
    close(read_ct_pd(tmp_path).beam, CIRCLE)


def _change(tmp_path, name, change):
    dataset = pydicom.dcmread(tmp_path / name)
    change(dataset)
    dataset.save_as(tmp_path / name)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: (p / "view_00003.dcm").unlink(), "views are missing, 1 of them, the first is 3"),
        (
            lambda p: _change(p, "view_00003.dcm", lambda d: d.pop((0x7031, 0x1003))),
            r"\(7031,1003\) is missing",
        ),
        (lambda p: _change(p, "view_00003.dcm", lambda d: setattr(d, "InstanceNumber", 2)), "is there twice"),
        (
            lambda p: _change(p, "view_00003.dcm", lambda d: setattr(d[0x7029, 0x1002], "value", 1.6)),
            "DetectorElementTransverseSpacing must stay 1.5",
        ),
        (
            lambda p: [_change(p, f.name, lambda d: setattr(d[0x7029, 0x100B], "value", "SPHERICAL"))
                       for f in p.glob("*.dcm")],
            "DetectorShape must be CYLINDRICAL or FLAT",
        ),
        (
            lambda p: _change(p, "view_00001.dcm", lambda d: setattr(d[0x7039, 0x1009], "value", "NO")),
            "LogFlag must be YES",
        ),
        (
            lambda p: _change(p, "view_00003.dcm", lambda d: setattr(d, "PixelData", b"ab")),
            r"view_00003\.dcm is damaged or cut short",
        ),
        (lambda p: [f.unlink() for f in p.glob("*.dcm")], "holds no DICOM-CT-PD file"),
    ],
)  # fmt: skip
def test_broken_ct_pd_folders_are_refused_by_name(tmp_path, spoil, words):
    write_ct_pd(scan(CIRCLE), tmp_path, water_per_mm=0.02)
    spoil(tmp_path)
    with pytest.raises(ValueError, match=words):
        read_ct_pd(tmp_path)


def test_scans_that_do_not_fit_the_format_are_refused(tmp_path):
    fan = FanBeam.full_turn(
        source_axis_mm=400.0, source_detector_mm=700.0, n_views=8, n_channels=6, channel_spacing_mm=1.0
    )
    for wrong, words in (
        (scan(fan), "must be of a cone beam, got FanBeam"),
        (scan(CIRCLE, quantity="counts"), "must hold line integrals, got counts"),
    ):
        with pytest.raises(ValueError, match=words):
            write_ct_pd(wrong, tmp_path, water_per_mm=0.02)
    with pytest.raises(ValueError, match="water_per_mm must be positive"):
        write_ct_pd(scan(CIRCLE), tmp_path, water_per_mm=0.0)
    write_ct_pd(scan(CIRCLE), tmp_path, water_per_mm=0.02)
    with pytest.raises(ValueError, match="no DICOM files yet"):
        write_ct_pd(scan(CIRCLE), tmp_path, water_per_mm=0.02)
    with pytest.raises(ValueError, match="no such folder"):
        read_ct_pd(tmp_path / "nowhere")


FAN = FanBeam.short_scan(
    source_axis_mm=400.0,
    source_detector_mm=700.0,
    n_views=8,
    n_channels=6,
    channel_spacing_mm=1.1,
    detector="curved",
)
PARALLEL = ParallelBeam.half_turn(n_views=5, n_channels=4, channel_spacing_mm=0.3, detector_offset_mm=0.1)


@pytest.mark.parametrize("beam", [PARALLEL, FAN, HELIX], ids=["parallel", "fan", "cone"])
def test_plain_files_come_back_as_they_went(tmp_path, beam):
    pytest.importorskip("yaml", reason="needs PyYAML")
    out = scan(beam, header={"object": "water", "kV": 120.0})
    assert read_raw(write_raw(out, tmp_path / "a.yaml")) == out
    pixels = (out.sinogram.shape[1 if beam is HELIX else 0], beam.n_channels)
    counts = scan(
        beam, quantity="counts", flats=np.full((2, *pixels), 900.0), darks=np.full((3, *pixels), 90.0)
    )
    assert read_raw(write_raw(counts, tmp_path / "b.yaml")) == counts


DESCRIPTION = """
data: a.raw
type: uint16
shape: [1, 6, 4]
quantity: counts
beam:
  kind: fan
  source_axis_mm: 300
  source_detector_mm: 500
  angles_deg: {start: 10, step: 60, count: 6}
  n_channels: 4
  channel_spacing_mm: 0.5
"""


def test_a_description_written_by_hand_is_understood(tmp_path):
    pytest.importorskip("yaml", reason="needs PyYAML")
    (tmp_path / "a.yaml").write_text(DESCRIPTION)
    np.arange(24, dtype="<u2").tofile(tmp_path / "a.raw")
    found = read_raw(tmp_path / "a.yaml")
    np.testing.assert_allclose(found.beam.angles_rad, np.deg2rad(10 + 60 * np.arange(6)))
    assert found.sinogram[0, 1, 2] == 6.0
    assert found.quantity == "counts"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("shape: [1, 6, 4]", "shape: [1, 6, 5]", r"a\.raw: must hold 60 bytes .* got 48"),
        ("shape: [1, 6, 4]", "shape: six", "shape must be a list of sizes"),
        ("type: uint16", "type: complex", "type must be one of float32"),
        ("type: uint16\n", "", "must have data, type and shape"),
        ("kind: fan", "kind: star", "beam must have a kind of parallel, fan, cone"),
        ("source_axis_mm: 300", "source_axis_mm: -300", "source_axis_mm must be positive"),
        ("n_channels: 4", "channels: 4", "channels"),
        ("count: 6", "count: 5", "sinogram must end with shape"),
        ("count: 6", "count: 6.5", "count of angles_deg must be a whole number, got 6.5"),
        ("count: 6", "counts: 6", "angles_deg must hold count, or be a list"),
        ("kind: fan", "kind: [fan]", r"kind of parallel, fan, cone, got \{'kind': \['fan'\]"),
        ("data: a.raw", "data: [", "no readable YAML"),
        ("quantity: counts", "quantity: volts", "quantity must be one of"),
    ],
)
def test_bad_descriptions_are_refused_by_name(tmp_path, old, new, words):
    pytest.importorskip("yaml", reason="needs PyYAML")
    (tmp_path / "a.yaml").write_text(DESCRIPTION.replace(old, new))
    np.arange(24, dtype="<u2").tofile(tmp_path / "a.raw")
    with pytest.raises(ValueError, match=words):
        read_raw(tmp_path / "a.yaml")


def test_a_file_in_this_folder_is_named_once(tmp_path, monkeypatch):
    pytest.importorskip("yaml", reason="needs PyYAML")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(DESCRIPTION.replace("type: uint16\n", ""))
    with pytest.raises(ValueError, match=r"^a\.yaml: the file must have data, type and shape"):
        read_raw("a.yaml")


def test_missing_files_are_named(tmp_path):
    pytest.importorskip("yaml", reason="needs PyYAML")
    with pytest.raises(FileNotFoundError, match=r"a\.yaml: no such file"):
        read_raw(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_text(DESCRIPTION)
    with pytest.raises(FileNotFoundError, match=r"a\.raw: no such file; a\.yaml names it"):
        read_raw(tmp_path / "a.yaml")
