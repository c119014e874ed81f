"""The command line: what it prints, what it writes and how it ends."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from pydicom.data import get_testdata_file
from typer.testing import CliRunner

import imgtech
from imgtech.cli import qc as qc_command
from imgtech.cli.app import app
from imgtech.cli.recon import ultrasound as recon_us
from imgtech.geometry import ImageGrid, LinearArray, ParallelBeam, PlaneWaves
from imgtech.io.raw import ChannelData, read_2dseq
from imgtech.phantoms import uniform_disk
from imgtech.qc import Limit, Measurement, Report, Source

GUIDE = Source(document="ACR Large Phantom Guidance", edition="2018")
INSIDE = Limit(lower=4.3, upper=5.7, source=GUIDE)


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def report_of(*values):
    def one(i, value):
        given = {"error": "no edge was found"} if value is None else {"value": value, "uncertainty": 0.05}
        return Measurement(
            name=f"thickness {i}", unit="mm", definition=GUIDE, algorithm="a-1", limit=INSIDE, **given
        )

    measurements = tuple(one(i, value) for i, value in enumerate(values))
    return Report(
        protocol="acr-mri-large", edition="2022", measurements=measurements, subject={"station": "A"}
    )


@pytest.fixture
def canned(monkeypatch):
    """Let ``qc`` measure the given values."""

    def use(*values):
        monkeypatch.setattr(qc_command, "run", lambda folder, **_: report_of(*values))

    return use


def test_version_is_that_of_the_package():
    result = call("--version")
    assert result.exit_code == 0
    assert result.stdout.strip() == f"imgtech {imgtech.__version__}"


def test_what_is_measured_and_not_rated_is_no_pass(monkeypatch):
    report = report_of(5.0, 6.5)
    hearsay = Limit(lower=4.3, upper=5.7, source=dataclasses.replace(GUIDE, verified=False))
    items = tuple(dataclasses.replace(m, limit=hearsay) for m in report.measurements)
    monkeypatch.setattr(qc_command, "run", lambda *_, **__: dataclasses.replace(report, measurements=items))
    result = call("qc", "acr-mri-large", "folder")
    assert result.exit_code == 3
    text = " ".join(result.stdout.split())
    assert "verdict: unrated 0 of 2 items rated 2 not rated: limit unverified; confirm it with" in text
    assert "pass" not in text.replace("--limits-confirmed-by or choose", "")


def test_a_confirmation_needs_a_name():
    result = call("qc", "acr-mri-large", "folder", "--limits-confirmed-by", " ")
    assert result.exit_code == 2
    assert "limits_confirmed_by must be the name of a person, got ' '" in result.stderr


@pytest.mark.parametrize(
    ("values", "code", "word"),
    [
        ((5.0, 5.2), 0, "pass"),
        ((5.0, 5.68), 0, "warn"),
        ((5.0, 6.5), 1, "fail"),
        ((5.0, None), 2, "error"),
        ((6.5, None), 2, "error"),
    ],
)
def test_exit_code_of_qc_tells_the_verdict(canned, values, code, word):
    canned(*values)
    result = call("qc", "acr-mri-large", "folder")
    assert result.exit_code == code
    assert f"verdict: {word}" in result.stdout


def test_qc_prints_and_writes_every_measurement(canned, tmp_path):
    canned(5.0, None)
    result = call("qc", "p", "f", "--json", tmp_path / "a.json", "--html", tmp_path / "a.html")
    assert "5.000 ± 0.098 mm" in result.stdout
    assert "no edge was" in result.stdout
    written = json.loads((tmp_path / "a.json").read_text())
    assert [m["name"] for m in written["measurements"]] == ["thickness 0", "thickness 1"]
    page = (tmp_path / "a.html").read_text()
    assert "thickness 0" in page
    assert "Not measured: no edge was found" in page
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.html", "a.json"]


def test_qc_hands_the_decision_rule_on(monkeypatch):
    seen = {}

    def run(folder, **options):
        seen.update(options)
        return report_of(5.68).decided_by(options["decision_rule"])

    monkeypatch.setattr(qc_command, "run", run)
    result = call("qc", "p", "f", "--decision-rule", "guarded-acceptance")
    assert seen["decision_rule"] == "guarded-acceptance"
    assert result.exit_code == 1
    assert "decision rule: guarded-acceptance, confidence 0.975" in result.stdout
    assert "iso-14253-1" in call("qc", "--list").stdout


def test_qc_hands_settings_and_the_description_of_a_phantom_on(monkeypatch):
    seen = {}

    def run(folder, **options):
        seen.update(options)
        return report_of(5.0)

    monkeypatch.setattr(qc_command, "run", run)
    call("qc", "p", "f", "--set", "n_elements=128", "--set", "db_per_level=0.25", "--phantom", "p.yaml")
    assert seen["settings"] == {"n_elements": 128, "db_per_level": 0.25}
    assert isinstance(seen["settings"]["n_elements"], int)
    assert seen["phantom"].name == "p.yaml"


def test_qc_lists_the_protocols_with_their_editions():
    result = call("qc", "--list")
    assert result.exit_code == 0
    assert "acr-mri-large" in result.stdout
    assert "2022" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("qc", "acr-mri-large", "{tmp}/nowhere"), "does not exist"),
        (("qc", "acr-mri-large", "{tmp}"), "no DICOM file"),
        (("qc", "acr-mri-huge", "{tmp}"), "acr-mri-large"),
        (("qc", "acr-mri-large", "{tmp}", "--edition", "1066"), "2022"),
        (("qc", "acr-mri-large"), "needs a protocol and a folder"),
        (("qc", "site", "{tmp}"), "phantom must be given"),
        (("qc", "site", "{tmp}", "--phantom", "{tmp}/none.yaml"), "cannot be read"),
        (("qc", "us-multipurpose", "{tmp}", "--set", "db_per_level"), "--set must be NAME=VALUE"),
        (("qc", "us-multipurpose", "{tmp}", "--set", "gain=2"), "settings must not hold 'gain'"),
        (("info", "{tmp}/nowhere"), "no such file or folder"),
        (("info", "{tmp}"), "no DICOM file"),
        (("recon", "mri", "{tmp}"), "no file named fid"),
        (("recon", "mri", "{tmp}/nowhere"), "no such file or folder"),
        (("recon", "ct", "{tmp}/a.npz"), "no such file"),
        (("recon", "ct", "{tmp}/a.h5"), "no such file"),
        (("recon", "ct", "{tmp}/a.npz", "--axis", "x"), "--axis must be a channel"),
        (("recon", "us", "{tmp}/a.mat"), "no such file"),
        (("recon", "us", "{tmp}/a.hdf5"), "no such file"),
    ],
)
def test_bad_input_ends_with_one_sentence_and_code_2(tmp_path, arguments, words):
    result = call(*(a.format(tmp=tmp_path) for a in arguments))
    assert result.exit_code == 2
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("imgtech: ")
    assert words in lines[0]


def test_damaged_files_end_with_one_sentence(tmp_path):
    for name, command in (("a.npz", "ct"), ("a.h5", "ct"), ("a.mat", "us"), ("a.hdf5", "us")):
        (tmp_path / name).write_bytes(b"MATLAB 5.0 but damaged" * 10)
        result = call("recon", command, tmp_path / name, "--out", tmp_path / "out")
        assert result.exit_code == 2
        assert len(result.stderr.strip().splitlines()) == 1
        assert name in result.stderr
    assert not (tmp_path / "out").exists()


def test_report_for_a_missing_folder_is_an_error_of_one_sentence(canned, tmp_path):
    canned(5.0)
    result = call("qc", "p", "f", "--html", tmp_path / "no" / "a.html")
    assert result.exit_code == 2
    assert "does not exist" in result.stderr


def test_no_traceback_reaches_the_terminal(tmp_path):
    command = [
        sys.executable,
        "-c",
        "from imgtech.cli import main; main()",
        "qc",
        "acr-mri-large",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_missing_packages_are_named_with_the_command_that_brings_them():
    code = (
        "import importlib.util as u, sys; real = u.find_spec;"
        "u.find_spec = lambda n, *a: None if n in ('typer', 'rich') else real(n, *a);"
        "from imgtech.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        'imgtech: the command line needs typer, rich; it comes with: pip install "imgtech[app]"'
    )


def test_info_of_a_dicom_file_gives_kind_geometry_and_tags():
    result = call("info", get_testdata_file("CT_small.dcm"), "--json")
    item = json.loads(result.stdout)["items"][0]
    assert item["modality"] == "CT"
    assert item["matrix"] == [128, 128]
    assert item["spacing_mm"] == pytest.approx([0.661468, 0.661468])
    assert item["manufacturer"] == "GE MEDICAL SYSTEMS"
    text = call("info", get_testdata_file("CT_small.dcm")).stdout
    assert "CT Image Storage" in text
    assert "128 x 128" in text


def test_info_of_arrays_is_a_table(tmp_path):
    np.savez(tmp_path / "a.npz", sinogram=np.zeros((3, 5)), channel_spacing_mm=0.7)
    text = call("info", tmp_path / "a.npz").stdout
    assert "3 x 5" in text
    assert "0.7" in text
    items = json.loads(call("info", tmp_path / "a.npz", "--json").stdout)["items"]
    assert items[0] == {"name": "sinogram", "shape": [3, 5], "kind": "float64"}


def test_recon_ct_of_a_plain_archive_gives_the_value_of_a_disk(tmp_path):
    beam = ParallelBeam.half_turn(
        n_views=120, n_channels=81, channel_spacing_mm=0.6, detector_offset_mm=0.9, start_rad=0.1
    )
    disk = uniform_disk(radius_mm=11.0, value=0.02, center_mm=(3.0, -5.0))
    np.savez(
        tmp_path / "a.npz",
        sinogram=disk.sinogram(beam),
        angles_rad=beam.angles_rad,
        channel_spacing_mm=0.6,
        detector_offset_mm=0.9,
    )
    result = call("recon", "ct", tmp_path / "a.npz", "--out", tmp_path / "out", "--size", 64)
    assert result.exit_code == 0, result.stderr
    image = np.load(tmp_path / "out" / "image.npy")
    grid = ImageGrid.square(64, fov_mm=81 * 0.6)
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    assert image.shape == (1, 64, 64)
    assert image[0][np.hypot(y - 3, x + 5) < 8].mean() == pytest.approx(0.02, rel=2e-3)
    assert (tmp_path / "out" / "image_000.png").read_bytes()[:4] == b"\x89PNG"


def test_recon_ct_of_a_fan_beam_file_scales_the_field_of_view_to_the_axis(data, tmp_path):
    result = call("recon", "ct", data("ct_raw/fan_htc2022_ta.mat"), "--out", tmp_path / "out", "--size", 200)
    assert result.exit_code == 0, result.stderr
    assert f"pixels of {0.2 * 560 * 410.66 / 553.74 / 200:.4g} x" in result.stdout
    disk = np.load(tmp_path / "out" / "image.npy")[0] > 0.02
    assert 0.8 < disk.any(axis=0).mean() < 0.9


def test_recon_mri_of_a_real_scan_equals_the_image_of_the_vendor(data, tmp_path):
    folder = data("mri_raw/bruker_flash")
    result = call("recon", "mri", folder, "--out", tmp_path, "--zero-fill", 2)
    assert result.exit_code == 0, result.stderr
    assert "pixels identical, largest difference 1" in result.stdout
    gap = np.abs(np.load(tmp_path / "paravision.npy").astype(int) - read_2dseq(folder))
    assert np.mean(gap == 0) >= 0.999
    assert gap.max() <= 1
    assert np.load(tmp_path / "image.npy").shape == (3, 256, 256)
    assert "0.09766 x 0.09766 mm" in result.stdout


def test_info_of_a_real_bruker_scan(data):
    item = json.loads(call("info", data("mri_raw/bruker_flash"), "--json").stdout)["items"][0]
    assert item["matrix"] == [128, 128]
    assert item["slice_order"] == [0, 2, 1]
    assert item["method"] == "mic_flash"


def test_recon_us_of_the_real_rotating_disk_shows_the_disk(data, tmp_path):
    result = call("recon", "us", data("us_raw/rotating_disk_l7-4.mat"), "--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    decibels = np.load(tmp_path / "image.npy")
    assert decibels.shape[0] == 32
    assert decibels.max() == 0.0
    assert len(list(tmp_path.glob("image_*.png"))) == 32
    mean = decibels.mean(axis=0)
    n_z, n_x = mean.shape
    inside = mean[int(0.3 * n_z) : int(0.55 * n_z), int(0.35 * n_x) : int(0.6 * n_x)].mean()
    outside = mean[int(0.75 * n_z) : int(0.95 * n_z), int(0.1 * n_x) : int(0.9 * n_x)].mean()
    assert inside - outside > 10


def test_recon_us_of_the_simulation_runs_with_a_depth_and_a_sound_speed(data, tmp_path):
    path = data("us_raw/field2_3pw.hdf5")
    arguments = ("--depth-mm", 30, "--sound-speed-m-s", 1540, "--dynamic-range-db", 40)
    result = call("recon", "us", path, "--out", tmp_path, *arguments)
    assert result.exit_code == 0, result.stderr
    assert np.load(tmp_path / "image.npy").min() == pytest.approx(-40.0)
    too_short = call("recon", "us", path, "--out", tmp_path, "--depth-mm", 0.0001)
    assert too_short.exit_code == 2
    nowhere = call("recon", "us", path, "--out", tmp_path, "--depth-mm", "nan")
    assert (nowhere.exit_code, "depth_mm must be finite" in nowhere.stderr) == (2, True)


def test_recon_us_does_not_take_the_speed_of_the_file_for_a_speed_of_zero(data, tmp_path):
    path = data("us_raw/rotating_disk_l7-4.mat")
    result = call("recon", "us", path, "--out", tmp_path, "--sound-speed-m-s", 0)
    assert result.exit_code == 2
    assert "sound_speed_m_s must be positive" in result.stderr


def test_recon_us_draws_where_the_data_lie(tmp_path):
    """A probe and a fan off the middle, a pulse that is late: the grid follows them."""
    probe = LinearArray(n_elements=24, pitch_mm=0.3, center_mm=4.1)
    waves = PlaneWaves.from_degrees([0], sampling_hz=20e6, start_s=9e-6, pulse_delay_s=2e-6)
    raw = ChannelData(
        data=np.zeros((1, 24, 420)),
        probe=probe,
        waves=waves,
        center_hz=5e6,
        sound_speed_m_s=1540.0,
    )
    grid = recon_us._ultrasound_grid(raw, 1540.0, None)
    z, x = grid.coordinates_mm
    top_mm, end_mm = 7e-6 * 770e3, (7e-6 + 420 / 20e6) * 770e3
    assert z[0] == pytest.approx(top_mm, abs=grid.spacing_mm[0])
    assert z[-1] == pytest.approx(end_mm, abs=grid.spacing_mm[0])
    assert (x[0] + x[-1]) / 2 == pytest.approx(4.1)
    path = tmp_path / "lines.mha"
    header = """DimSize = 41 31
ElementType = MET_UCHAR
UltrasoundImageOrientation = FM
UltrasoundImageType = BRIGHTNESS
ElementDataFile = LOCAL
"""
    path.write_bytes(header.encode() + np.full((31, 41), 9, np.uint8).tobytes())
    places = ("--radii-mm", 10, 30, "--angles-deg", -10, 50)
    result = call("recon", "us", path, "--out", tmp_path / "fan", *places)
    assert result.exit_code == 0, result.stderr
    fan = np.load(tmp_path / "fan" / "image.npy")[0]
    assert fan.shape[1] > 0.9 * fan.shape[0]
    inner = fan[1:-1, 1:-1]  # the tips of the fan need not touch the outermost pixels
    assert (inner.max(axis=0) == 0).all()
    assert (inner.max(axis=1) == 0).all()


def test_recon_us_reads_full_matrices_and_beamformed_lines(data, tmp_path):
    notch = data("us_raw/ndt_fmc_aluminium_notch.mat")
    result = call("recon", "us", notch, "--out", tmp_path / "a", "--depth-mm", 50, "--f-number", 0.7)
    assert result.exit_code == 0, result.stderr
    assert "64 transmit(s) x 64 elements" in result.stdout
    assert len(np.load(tmp_path / "a" / "image.npy")) == 1
    lines = data("us_raw/BkCurvilinearRfData.igs.mhd")
    places = ("--radii-mm", 10, 60, "--angles-deg", -70, 70)
    result = call("recon", "us", lines, "--out", tmp_path / "b", *places)
    assert result.exit_code == 0, result.stderr
    fan = np.load(tmp_path / "b" / "image.npy")[0]
    assert fan[0, 0] == fan[-1, -1] == -60.0
    assert fan[250].max() > -30
    without = call("recon", "us", lines, "--out", tmp_path / "c")
    assert without.exit_code == 2
    assert "--radii-mm and --angles-deg" in without.stderr


def test_qc_of_a_real_phantom_is_complete(data, tmp_path):
    confirmed = ("--limits-confirmed-by", "A. Physicist")
    result = call("qc", "acr-mri-large", data("mr_acr/Siemens"), "--html", tmp_path / "a.html", *confirmed)
    assert result.exit_code in (0, 1)
    page = (tmp_path / "a.html").read_text()
    assert len(re.findall(r"confirmed by A. Physicist on \d{4}-\d\d-\d\d, not read by imgtech", page)) == 14
    assert "slice thickness" in page
    assert "data:image/png;base64," in page
    assert "http" not in page
