"""Siemens raw data and Pulseq sequences: what is read, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.io.raw import MriScan, PulseqSequence, read_pulseq, read_siemens
from imgtech.io.raw.pulseq import labelled_by

pytest.importorskip("twixtools")
pytest.importorskip("pypulseq")


def scan_of(n: int = 4, **changed) -> MriScan:
    rng = np.random.default_rng(2)
    fields = {
        "source": "made",
        "readouts": rng.normal(size=(n, 2, 6)) + 1j,
        "labels": {"line": np.arange(n)},
        "reversed_readouts": np.zeros(n, bool),
        "matrix": (n, 3),
        "fov_mm": (80.0, 90.0),
    }
    return MriScan(**(fields | changed))


def test_gre_of_two_coils(data):
    scan = read_siemens(data("mri_raw/siemens_gre.dat"))
    assert scan.readouts.shape == (160, 2, 320)
    assert scan.matrix == (160, 160)
    assert scan.fov_mm == (200.0, 200.0)
    assert scan.spacing_mm == (1.25, 1.25)
    assert scan.slice_thickness_mm == 4.0
    assert scan.dwell_s == pytest.approx(11.6e-6)
    assert scan.center_line == 80
    assert scan.navigators is None
    assert scan.readout_positions_per_mm is None
    lines, acquired, backwards = scan.lines_of(scan.images[0])
    assert acquired.all()
    assert not backwards.any()
    np.testing.assert_array_equal(lines[1, 33], scan.readouts[33, 1])
    strongest = np.unravel_index(np.abs(lines[0]).argmax(), lines[0].shape)
    assert np.abs(np.array(strongest) - (80, 160)).max() <= 2


def test_epi_has_navigators_directions_and_ramps(data):
    scan = read_siemens(data("mri_raw/siemens_epi_ramp.dat"))
    assert scan.readouts.shape == (80, 2, 160)
    assert scan.reversed_navigators.tolist() == [True, False, True]
    assert scan.reversed_readouts.tolist() == [False, True] * 40
    k = scan.readout_positions_per_mm
    # 160 us up, 240 us flat, 160 us down; 496 us of samples begin 32 us in: 80 pixels over 200 mm
    assert np.ptp(k) == pytest.approx(0.4 * (1 - 0.5 / 245.0), rel=0.003)
    np.testing.assert_allclose(k, -k[::-1], atol=1e-12)
    steps = np.diff(k)
    assert steps[0] < 0.35 * steps[79]
    np.testing.assert_allclose(steps[45:115], steps[79], rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "matrix", "fov", "images"),
    [("01_GRE", 256, 256.0, 1), ("01_GRE_example", 256, 224.0, 1), ("02_GRE_3echoes", 256, 256.0, 3)],
)
def test_pulseq_scans_get_their_raster_from_the_sequence(data, name, matrix, fov, images):
    folder = data("mri_raw/siemens_pulseq")
    sequence = read_pulseq(folder / f"{name}.seq")
    scan = read_siemens(folder / f"{name}.dat", sequence)
    assert scan.matrix == (matrix, matrix)
    assert scan.fov_mm == (fov, fov)
    assert len(scan.images) == images
    assert [image["echo"] for image in scan.images] == list(range(images))
    for image in scan.images:
        _, acquired, _ = scan.lines_of(image)
        assert acquired.all()
    assert sequence.times_s.shape == (256 * images, 256)


def test_the_directions_of_a_pulseq_epi(data):
    folder = data("mri_raw/siemens_pulseq")
    scan = read_siemens(folder / "05_EPI.dat", read_pulseq(folder / "05_EPI.seq"))
    assert scan.matrix == (128, 128)
    _, _, backwards = scan.lines_of(scan.images[0])
    np.testing.assert_array_equal(backwards[:-1], ~backwards[1:])
    assert not backwards[127]  # the first line taken is the highest, and it runs forward


def test_what_is_no_whole_twix_file_is_refused(data, tmp_path):
    whole = data("mri_raw/siemens_gre.dat").read_bytes()
    for name, content in (("cut", whole[: len(whole) // 2]), ("text", b"no twix" * 4000), ("empty", b"")):
        file = tmp_path / f"{name}.dat"
        file.write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name}\.dat"):
            read_siemens(file)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_siemens(tmp_path / "absent.dat")
    sequence = data("mri_raw/siemens_pulseq/01_GRE.seq").read_text()
    for name, content in (("cut", sequence[:900]), ("text", "no sequence")):
        file = tmp_path / f"{name}.seq"
        file.write_text(content)
        with pytest.raises(ValueError, match=rf"{name}\.seq"):
            read_pulseq(file)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_pulseq(tmp_path / "absent.seq")


def test_a_pulseq_scan_without_its_sequence_is_refused_or_says_so(data):
    folder = data("mri_raw/siemens_pulseq")
    with pytest.raises(ValueError, match="Pulseq scan needs the sequence"):
        read_siemens(folder / "05_EPI.dat")
    with pytest.raises(ValueError, match=r"must take 256 readouts of 256 samples, got 128 of 152"):
        read_siemens(folder / "01_GRE.dat", read_pulseq(folder / "05_EPI.seq"))


def test_readouts_taken_twice_are_averaged():
    scan = scan_of(labels={"line": [0, 2, 2, 3]})
    lines, acquired, _ = scan.lines_of({"echo": 0})
    assert acquired.tolist() == [True, False, True, True]
    np.testing.assert_allclose(lines[:, 2], (scan.readouts[1] + scan.readouts[2]) / 2)
    assert not lines[:, 1].any()


def test_images_are_told_apart_by_their_labels():
    scan = scan_of(labels={"line": [0, 0, 1, 1], "echo": [0, 1, 0, 1], "slice": [2, 2, 2, 2]})
    assert [dict(image) for image in scan.images] == [
        {"slice": 2, "echo": e, "repetition": 0, "phase": 0, "set": 0} for e in (0, 1)
    ]
    lines, acquired, _ = scan.lines_of(scan.images[1])
    np.testing.assert_array_equal(lines[:, 1], scan.readouts[3])
    assert acquired.tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"readouts": np.full((4, 2, 6), np.nan)},
            r"made: readouts must be finite, got .*nan.* at \(0, 0, 0\)",
        ),
        ({"readouts": np.zeros((4, 2, 6))}, "made: readouts must hold a signal, got only zeros"),
        ({"readouts": np.ones((4, 6))}, "readouts must have 3 axes"),
        ({"labels": {"line": [0, 1, 2, 4]}}, "line must be at least 0 and below 4, got 0 to 4"),
        ({"labels": {"row": [0, 1, 2, 3]}}, r"labels must be among .*'row'"),
        ({"labels": {"line": [0, 1]}}, "labels must hold 4 values for line"),
        ({"reversed_readouts": [True]}, "reversed_readouts must hold 4 values"),
        ({"fov_mm": (0.0, 90.0)}, "fov_mm must be positive"),
        ({"matrix": (0, 3)}, "matrix must be at least 1"),
        ({"matrix": (4,)}, r"matrix must be a pair \(y, x\), got \(4,\)"),
        ({"fov_mm": (80.0,)}, r"fov_mm must have 2 numbers, got \(80\.0,\)"),
        ({"acceleration": (2,)}, r"acceleration must be a pair \(lines, partitions\), got \(2,\)"),
        ({"readout_positions_per_mm": [0.1, 0.2]}, "must hold 6 positions"),
        ({"navigators": np.ones((3, 1, 6))}, r"navigators must end with shape \(2, 6\)"),
    ],
)
def test_a_scan_that_does_not_fit_together_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        scan_of(**changed)


def test_lines_that_cannot_be_sorted_are_refused():
    with pytest.raises(ValueError, match=r"none for \{'echo': 3\}"):
        scan_of().lines_of({"echo": 3})
    with pytest.raises(ValueError, match="image must name labels"):
        scan_of().lines_of({"row": 3})
    with pytest.raises(ValueError, match="one partition, got 4"):
        scan_of(labels={"partition": np.arange(4)}).lines_of({})
    both = scan_of(labels={"line": [0, 0, 1, 2]}, reversed_readouts=[False, True, False, False])
    with pytest.raises(ValueError, match="line 0 must have one direction"):
        both.lines_of({})


def sequence_of(ky_steps, kx, backwards=()) -> PulseqSequence:
    """A Cartesian sequence in a field of view of 120 by 90 mm."""
    positions = np.zeros((len(ky_steps), len(kx), 3))
    positions[..., 1] = np.asarray(ky_steps, float)[:, None] / 120.0
    positions[..., 2] = kx
    positions[list(backwards), :, 2] *= -1
    times = np.arange(len(ky_steps))[:, None] + 1e-5 * np.arange(len(kx))
    return PulseqSequence(source="made", positions_per_mm=positions, times_s=times, fov_mm=(4.0, 120.0, 90.0))


def test_lines_echoes_and_directions_follow_from_positions():
    kx = (np.arange(6) - 2.5) / 90.0
    sequence = sequence_of([-2, -1, 0, 1, -2, -1, 0, 1], kx, backwards=(1, 3, 5, 7))
    readouts = np.ones((8, 1, 6), np.complex64)
    scan = labelled_by(sequence, source="made", readouts=readouts, noise=None, header={})
    assert scan.matrix == (4, 6)
    assert scan.labels["line"].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert scan.labels["echo"].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert scan.reversed_readouts.tolist() == [False, True] * 4
    np.testing.assert_allclose(scan.readout_positions_per_mm, kx)
    assert scan.slice_thickness_mm == 4.0
    assert scan.dwell_s == pytest.approx(1e-5)
    # the outermost line may sit on either edge of an even raster
    other = labelled_by(
        sequence_of([-1, 0, 1, 2], kx), source="", readouts=readouts[:4], noise=None, header={}
    )
    assert other.matrix == (4, 6)
    assert other.labels["line"].tolist() == [1, 2, 3, 0]


def test_sequences_that_are_not_cartesian_are_refused():
    kx = (np.arange(6) - 2.5) / 90.0
    readouts = np.ones((3, 1, 6), np.complex64)
    with pytest.raises(ValueError, match=r"0\.3 steps beside it"):
        labelled_by(sequence_of([-1, 0.3, 1], kx), source="", readouts=readouts, noise=None, header={})
    radial = sequence_of([0, 0, 0], kx)
    turned = radial.positions_per_mm.copy()
    turned[1, :, 2] *= 0.5
    spokes = PulseqSequence(
        source="made", positions_per_mm=turned, times_s=radial.times_s, fov_mm=(4, 120, 90)
    )
    with pytest.raises(ValueError, match="same positions"):
        labelled_by(spokes, source="", readouts=readouts, noise=None, header={})


@pytest.mark.parametrize("name", ["siemens_gre", "siemens_epi_ramp"])
def test_the_plane_of_a_slice_is_that_of_the_protocol(data, name):
    """Quaternion against the normal and the in-plane rotation of zero: phase encoding along A-P."""
    scan = read_siemens(data(f"mri_raw/{name}.dat"))
    piece = scan.header["MeasYaps"]["sSliceArray"]["asSlice"][0]
    (plane,) = scan.planes
    normal = np.array([piece["sNormal"].get(axis, 0.0) for axis in ("dSag", "dCor", "dTra")])
    position = [piece["sPosition"][axis] for axis in ("dSag", "dCor", "dTra")]
    np.testing.assert_allclose(plane.normal, -normal, atol=1e-6)
    np.testing.assert_allclose(plane.center_mm, position, atol=1e-4)
    phase = np.array([0.0, normal[2], -normal[1]]) / np.hypot(normal[1], normal[2])
    np.testing.assert_allclose(plane.column, -phase, atol=1e-6)
    np.testing.assert_allclose(plane.row, [1.0, 0.0, 0.0], atol=1e-6)


def test_timings_and_frequency_of_the_protocol(data):
    scan = read_siemens(data("mri_raw/siemens_gre.dat"))
    assert scan.echo_times_s == pytest.approx((0.003,))
    assert scan.repetition_time_s == pytest.approx(0.010)
    assert scan.frequency_hz == 123263034.0
