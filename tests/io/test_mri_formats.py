"""ISMRM raw data and BART files: what is written reads back, and readouts find their place by the header."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

pytest.importorskip("h5py")

from imgtech.geometry import ImageGrid, SlicePlane, Trajectory, trapezoid_positions
from imgtech.io.raw import MriScan, read_bart, read_cfl, read_ismrmrd, write_cfl, write_ismrmrd
from imgtech.io.raw import _ismrmrd_format as form
from imgtech.recon.mri import cartesian, image_to_kspace
from reference.ismrmrd_files import acquisition, header, write_file


def normal(rng, *shape):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)


def oblique(angle, y):
    c, s = np.cos(angle), np.sin(angle)
    return SlicePlane(center_mm=(3.0, y, -7.5), row=(c, 0, s), column=(-s, 0, c))


def whole_scan(rng) -> MriScan:
    """Everything at once: two slices, two echoes, both directions, noise, navigators, calibration."""
    n = 20
    common = {"source": "made", "matrix": (5, 4), "fov_mm": (110.0, 96.0), "dwell_s": 5e-6}
    return MriScan(
        **common,
        readouts=normal(rng, n, 3, 8),
        labels={
            "line": np.tile(np.arange(5), 4),
            "slice": np.repeat([0, 1], 10),
            "echo": np.tile(np.repeat([0, 1], 5), 2),
            "repetition": np.full(n, 2),
            "average": np.arange(n) % 3,
        },
        reversed_readouts=np.arange(n) % 2 == 1,
        center_line=2,
        navigators=normal(rng, 3, 3, 8),
        reversed_navigators=[True, False, True],
        noise=normal(rng, 3, 100),
        slice_thickness_mm=4.0,
        calibration=MriScan(
            **common,
            readouts=normal(rng, 3, 3, 8),
            labels={"line": [1, 2, 3], "slice": [1, 1, 1]},
            reversed_readouts=[False] * 3,
        ),
        acceleration=(2, 3),
        planes=(oblique(0.3, -2.0), oblique(0.3, 6.0)),
        frequency_hz=63.87e6,
        repetition_time_s=0.5,
        echo_times_s=(0.004, 0.0092),
        inversion_times_s=(0.05, 0.4),
    )


def test_a_written_scan_reads_back(tmp_path, rng):
    scan = whole_scan(rng)
    back = read_ismrmrd(write_ismrmrd(scan, tmp_path / "scan.mrd"))
    np.testing.assert_array_equal(back.readouts, scan.readouts)
    np.testing.assert_array_equal(back.navigators, scan.navigators)
    np.testing.assert_array_equal(back.noise, scan.noise)
    np.testing.assert_array_equal(back.reversed_readouts, scan.reversed_readouts)
    assert back.reversed_navigators.tolist() == [True, False, True]
    for name, values in scan.labels.items():
        np.testing.assert_array_equal(back.labels[name], values)
    assert back.matrix == (5, 4)
    assert back.fov_mm == pytest.approx((110.0, 96.0))
    assert back.slice_thickness_mm == 4.0
    assert back.dwell_s == pytest.approx(5e-6, rel=1e-6)
    assert back.acceleration == (2, 3)
    assert back.frequency_hz == 63.87e6
    assert back.repetition_time_s == pytest.approx(0.5)
    assert back.echo_times_s == pytest.approx((0.004, 0.0092))
    assert back.inversion_times_s == pytest.approx((0.05, 0.4))
    np.testing.assert_array_equal(back.calibration.readouts, scan.calibration.readouts)
    assert back.calibration.labels["line"].tolist() == [1, 2, 3]
    assert back.calibration.labels["slice"].tolist() == [1, 1, 1]
    assert back.notes == ()
    for plane, wanted in zip(back.planes, scan.planes, strict=True):
        np.testing.assert_allclose(plane.center_mm, wanted.center_mm, atol=1e-6)
        np.testing.assert_allclose(plane.row, wanted.row, atol=1e-6)
        np.testing.assert_allclose(plane.column, wanted.column, atol=1e-6)


def test_uneven_readouts_and_trajectories_read_back(tmp_path, rng):
    k = (np.arange(8) - 3.6) / 9.0 / 20.0
    epi = MriScan(
        source="made",
        readouts=normal(rng, 4, 2, 8),
        labels={"line": np.arange(4)},
        reversed_readouts=[True, False, True, False],
        matrix=(4, 9),
        fov_mm=(80.0, 180.0),
        readout_positions_per_mm=k * 9.0 * 20.0 / 180.0,
    )
    back = read_ismrmrd(write_ismrmrd(epi, tmp_path / "epi.h5", frequency_hz=1.2e8))
    np.testing.assert_allclose(back.readout_positions_per_mm, epi.readout_positions_per_mm, atol=1e-8)
    assert back.matrix == (4, 9)
    spokes = Trajectory.radial(7, 12, spacing_mm=2.0, golden=True)
    radial = MriScan(
        source="made",
        readouts=normal(rng, 7, 2, 12),
        labels={"line": np.arange(7)},
        reversed_readouts=[False] * 7,
        matrix=(5, 6),
        fov_mm=(11.0, 12.0),
        trajectory=spokes,
    )
    back = read_ismrmrd(write_ismrmrd(radial, tmp_path / "radial.h5", frequency_hz=1.2e8))
    assert back.matrix == (5, 6)
    kspace, found = back.samples_of({})
    np.testing.assert_allclose(found.positions_per_mm, spokes.positions_per_mm, atol=1e-7)
    np.testing.assert_array_equal(kspace[1, 3], radial.readouts[3, 1])
    with pytest.raises(ValueError, match="has a trajectory"):
        back.lines_of({})
    with pytest.raises(ValueError, match="Cartesian"):
        epi.samples_of({})


def test_lines_and_samples_lie_by_their_centres(tmp_path, rng):
    """Steps 0 to 7 around centre 3 of 12 lines; 10 samples around sample 2 of a row of 16."""
    samples = [normal(rng, 2, 13) for _ in range(8)]
    rows = [
        acquisition(s, {"line": i}, center_sample=4, discard_pre=2, discard_post=1)
        for i, s in enumerate(samples)
    ]
    file = write_file(
        tmp_path / "a.h5", header(encoded=(12, 16), fov=(240.0, 320.0), recon_x=(8, 160.0), center=3), rows
    )
    scan = read_ismrmrd(file)
    assert scan.labels["line"].tolist() == list(range(3, 11))
    assert scan.matrix == (12, 8)
    assert scan.spacing_mm == (20.0, 20.0)
    np.testing.assert_array_equal(scan.readouts[5][:, 6:], samples[5][:, 2:12])
    assert not scan.readouts[:, :, :6].any()
    assert scan.notes[-1] == "readouts of 10 samples padded with zeros to the encoded row of 16"


@pytest.mark.parametrize(("mode", "n_lines", "apart"), [("embedded", 4, False), ("separate", 2, True)])
def test_calibration_lines_belong_to_the_images_or_not(tmp_path, rng, mode, n_lines, apart):
    rows = [acquisition(normal(rng, 2, 6), {"line": i}) for i in (0, 4)]
    rows += [acquisition(normal(rng, 2, 6), {"line": i}, form.CALIBRATION) for i in (2, 3)]
    file = write_file(tmp_path / "a.h5", header(encoded=(6, 6), calibration=mode), rows)
    scan = read_ismrmrd(file)
    assert len(scan.readouts) == n_lines
    assert (scan.calibration is not None) == apart
    if apart:
        assert scan.calibration.labels["line"].tolist() == [2, 3]


def test_readouts_for_other_purposes_are_left_out_and_named(tmp_path, rng):
    rows = [acquisition(normal(rng, 2, 20), {}, form.NOISE, sample_time_us=2.5)]
    rows += [acquisition(normal(rng, 2, 6), {}, flag) for flag in (27, 27, form.NAVIGATION)]
    rows += [acquisition(normal(rng, 2, 6), {"line": i}) for i in range(4)]
    rows += [acquisition(normal(rng, 2, 6), {"line": 3}, encoding=1)]
    scan = read_ismrmrd(write_file(tmp_path / "a.h5", header(encoded=(4, 6)), rows))
    assert len(scan.readouts) == 4
    assert scan.noise.shape == (2, 20)
    assert scan.planes == ()
    assert scan.notes == (
        "1 readouts for navigation left out",
        "2 readouts for dummy left out",
        "1 readouts of other encodings left out",
        "slice 0 has no directions: places in the patient are not known",
        "noise was sampled every 2.5 us, images every 5 us",
    )


def test_ramps_follow_from_the_description(tmp_path, rng):
    times = {
        "rampUpTime": 150,
        "flatTopTime": 260,
        "rampDownTime": 170,
        "acqDelayTime": 30,
        "dwellTime": 20.0,
    }
    rows = [acquisition(normal(rng, 2, 25), {"line": i}, *[form.REVERSE] * (i % 2)) for i in range(4)]
    text = header(encoded=(4, 12), fov=(80.0, 240.0), recon_x=(12, 240.0), kind="epi", described=times)
    scan = read_ismrmrd(write_file(tmp_path / "a.h5", text, rows))
    wanted = trapezoid_positions(
        25,
        ramp_up_s=150e-6,
        flat_s=260e-6,
        ramp_down_s=170e-6,
        first_s=40e-6,
        dwell_s=20e-6,
        span_per_mm=12 / 240.0,
    )
    np.testing.assert_allclose(scan.readout_positions_per_mm, wanted, rtol=1e-6)
    assert scan.reversed_readouts.tolist() == [False, True, False, True]


def test_trajectories_have_a_unit(tmp_path, rng):
    """Stored x before y; the encoded pixels are 3 mm along y and 2 mm along x."""
    places = np.array([[0.5, 0.25], [-0.4, 0.1], [0.0, -0.5]])
    rows = [acquisition(normal(rng, 1, 3), {}, positions=np.c_[places, [7.0, 8.0, 9.0]])]
    text = header(encoded=(10, 20), fov=(30.0, 40.0), kind="radial")
    file = write_file(tmp_path / "a.h5", text, rows)
    scan = read_ismrmrd(file)
    np.testing.assert_allclose(scan.trajectory.positions_per_mm[0], places[:, ::-1] / [3.0, 2.0], atol=1e-7)
    by_fov = read_ismrmrd(file, trajectory_unit="cycles_per_fov")
    np.testing.assert_allclose(
        by_fov.trajectory.positions_per_mm[0], places[:, ::-1] / [30.0, 40.0], atol=1e-7
    )
    plain = read_ismrmrd(file, trajectory_unit="cycles_per_mm")
    np.testing.assert_allclose(plain.trajectory.positions_per_mm[0], places[:, ::-1], atol=1e-7)
    wide = write_file(tmp_path / "b.h5", text, [acquisition(normal(rng, 1, 3), {}, positions=3 * places)])
    with pytest.raises(ValueError, match=r"stay within 0.5, got 1\.5"):
        read_ismrmrd(wide)
    bare = write_file(tmp_path / "c.h5", text, [acquisition(normal(rng, 1, 3), {})])
    with pytest.raises(ValueError, match="radial scan needs positions of 3 samples"):
        read_ismrmrd(bare)


def test_what_is_no_whole_ismrmrd_file_is_refused(tmp_path, rng):
    good = write_ismrmrd(whole_scan(rng), tmp_path / "good.h5")
    cut = tmp_path / "cut.h5"
    cut.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    text = tmp_path / "text.h5"
    text.write_bytes(b"no hdf5" * 900)
    for file in (cut, text):
        with pytest.raises(ValueError, match=file.name):
            read_ismrmrd(file)
    with pytest.raises(FileNotFoundError):
        read_ismrmrd(tmp_path / "absent.h5")
    with pytest.raises(ValueError, match="must hold other/xml"):
        read_ismrmrd(good, dataset="other")
    with pytest.raises(ValueError, match="encoding must be below 1"):
        read_ismrmrd(good, encoding=1)
    with pytest.raises(ValueError, match="trajectory_unit must be one of"):
        read_ismrmrd(good, trajectory_unit="inches")


@pytest.mark.parametrize(
    ("text", "rows", "message"),
    [
        ("<ismrmrdHeader>", [{}], "must be XML"),
        ("<other><a>1</a></other>", [{}], "must be an ismrmrdHeader, got other"),
        (header(encoded=(4, 6)).replace("matrixSize", "size"), [{}], "number encodedSpace/matrixSize/z"),
        (header(encoded=(4, 6), fov=(0.0, 60.0)), [{}], "must be positive"),
        (header(encoded=(4, 6)), [{"line": 4}], "line must be at least 0 and below 4, got 4"),
        (header(encoded=(4, 6)), [{}, {"n_coils": 3}], r"must have one shape .*\(2, 6\), \(3, 6\)"),
        (header(encoded=(4, 6)), [{"n": 9}], "must fit into the encoded row of 6 samples, got 9"),
        (header(encoded=(4, 6)), [{"value": np.nan}], "readouts must be finite"),
        (header(encoded=(4, 6)), [{"value": 0.0}], "must hold a signal"),
        (header(encoded=(4, 6)), [{"flag": form.NOISE}], "must hold imaging readouts, got none of 1"),
        (header(encoded=(4, 6)), [{"cut": True}], "must hold 24 numbers, got 20"),
        (header(encoded=(4, 6), depth=3, kind="spiral"), [{}], "three-dimensional trajectories"),
    ],
)
def test_broken_contents_are_named(tmp_path, text, rows, message):
    made = []
    for row in rows:
        values = np.full((row.get("n_coils", 2), row.get("n", 6)), row.get("value", 1.0), np.complex64)
        flags = (row["flag"],) if "flag" in row else ()
        made.append(acquisition(values, {"line": row.get("line", 0)}, *flags, cut=row.get("cut", False)))
    file = write_file(tmp_path / "a.h5", text, made)
    with pytest.raises(ValueError, match=message):
        read_ismrmrd(file)


def test_a_scan_without_frequency_is_not_written(tmp_path, rng):
    scan = MriScan(
        source="made",
        readouts=normal(rng, 2, 1, 4),
        labels={"line": [0, 1]},
        reversed_readouts=[False] * 2,
        matrix=(2, 4),
        fov_mm=(10.0, 20.0),
    )
    with pytest.raises(ValueError, match="frequency_hz must be given"):
        write_ismrmrd(scan, tmp_path / "a.h5")
    with pytest.raises(ValueError, match="frequency_hz must be positive"):
        write_ismrmrd(scan, tmp_path / "a.h5", frequency_hz=-1.0)
    assert not (tmp_path / "a.h5").exists()


def test_the_head_has_the_size_of_the_format():
    assert form.acquisition_head().itemsize == 340
    assert form.acquisition_head().fields["idx"][1] == 242


@pytest.mark.peers
def test_the_package_of_the_format_reads_and_writes_the_same(tmp_path, rng):
    ismrmrd = pytest.importorskip("ismrmrd")
    from ismrmrd.hdf5 import acquisition_header_dtype

    ours = form.acquisition_head()
    assert {n: ours.fields[n][1] for n in ours.names} == {
        n: acquisition_header_dtype.fields[n][1] for n in acquisition_header_dtype.names
    }
    scan = whole_scan(rng)
    data = ismrmrd.Dataset(str(write_ismrmrd(scan, tmp_path / "a.h5")), create_if_needed=False)
    seen = ismrmrd.xsd.CreateFromDocument(data.read_xml_header())
    encoding = seen.encoding[0]
    assert (encoding.encodedSpace.matrixSize.y, encoding.encodedSpace.matrixSize.x) == (5, 8)
    assert encoding.encodedSpace.fieldOfView_mm.x == pytest.approx(192.0)
    assert encoding.reconSpace.matrixSize.x == 4
    assert encoding.encodingLimits.kspace_encoding_step_1.center == 2
    assert seen.experimentalConditions.H1resonanceFrequency_Hz == 63870000
    found = [data.read_acquisition(i) for i in range(data.number_of_acquisitions())]
    imaging = [a for a in found if not any(a.is_flag_set(f) for f in (19, 20, 24))]
    assert len(imaging) == len(scan.readouts)
    np.testing.assert_array_equal(imaging[7].data, scan.readouts[7])
    assert imaging[7].idx.kspace_encode_step_1 == 2
    assert imaging[7].is_flag_set(ismrmrd.ACQ_IS_REVERSE)
    assert imaging[12].idx.slice == 1
    np.testing.assert_allclose(imaging[12].position, scan.planes[1].center_mm)
    np.testing.assert_allclose(imaging[12].phase_dir, scan.planes[1].column, atol=1e-6)
    data.close()

    other = ismrmrd.Dataset(str(tmp_path / "b.h5"))
    other.write_xml_header(header(encoded=(4, 6), center=1).encode())
    values = normal(rng, 4, 2, 6)
    for number, samples in enumerate(values):
        one = ismrmrd.Acquisition.from_array(samples)
        one.idx.kspace_encode_step_1 = number
        one.center_sample = 3
        one.read_dir[:], one.phase_dir[:], one.slice_dir[:] = (0, 1, 0), (0, 0, 1), (1, 0, 0)
        one.position[:] = (5, -6, 7)
        if number == 3:
            one.set_flag(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
        other.append_acquisition(one)
    other.close()
    back = read_ismrmrd(tmp_path / "b.h5")
    np.testing.assert_array_equal(back.readouts, values[:3])
    np.testing.assert_array_equal(back.noise, values[3])
    assert back.labels["line"].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(back.planes[0].normal, [1, 0, 0])
    np.testing.assert_array_equal(back.planes[0].center_mm, [5, -6, 7])


def test_cfl_keeps_every_axis_and_says_what_is_wrong(tmp_path, rng):
    array = normal(rng, 2, 1, 3, 1, 4, 5)
    write_cfl(array, tmp_path / "a.cfl")
    np.testing.assert_array_equal(read_cfl(tmp_path / "a.hdr"), array)
    assert (tmp_path / "a.hdr").read_text().splitlines()[1].split() == ["5", "4", "1", "3", "1", "2"] + [
        "1"
    ] * 10
    flat = np.fromfile(tmp_path / "a.cfl", np.complex64)
    np.testing.assert_array_equal(flat[:5], array[0, 0, 0, 0, 0])
    with pytest.raises(ValueError, match="array must be finite"):
        write_cfl([np.inf], tmp_path / "b")
    with pytest.raises(TypeError, match="PathLike"):
        write_cfl(array, None)
    with pytest.raises(FileNotFoundError, match=r"b\.hdr: no such file"):
        read_cfl(tmp_path / "b")
    (tmp_path / "a.cfl").write_bytes(b"0" * 17)
    with pytest.raises(ValueError, match=r"must take 960 bytes, got 17"):
        read_cfl(tmp_path / "a")
    for text in ("# Dimensions\n", "# Dimensions\n3 x\n", "5 4", "# Dimensions\n5 0\n"):
        (tmp_path / "a.hdr").write_text(text)
        with pytest.raises(ValueError, match=r"a\.hdr"):
            read_cfl(tmp_path / "a")


def test_k_space_of_bart_becomes_a_scan(tmp_path, rng):
    kspace = normal(rng, 3, 1, 1, 1, 1, 2, 1, 4, 1, 6, 5)  # time, ..., te, maps, coil, z, line, sample
    kspace[:, :, :, :, :, :, :, :, :, 1::2] = 0
    write_cfl(kspace, tmp_path / "k")
    scan = read_bart(tmp_path / "k.cfl", fov_mm=(60.0, 45.0), slice_thickness_mm=3.0)
    assert scan.matrix == (6, 5)
    assert scan.spacing_mm == (10.0, 9.0)
    assert scan.n_coils == 4
    assert len(scan.images) == 6
    lines, acquired, backwards = scan.lines_of({"repetition": 2, "echo": 1})
    assert acquired.tolist() == [True, False] * 3
    assert not backwards.any()
    np.testing.assert_array_equal(lines, kspace[2, 0, 0, 0, 0, 1, 0, :, 0])
    with pytest.raises(ValueError, match="fov_mm must be positive"):
        read_bart(tmp_path / "k", fov_mm=(60.0, 0.0))
    write_cfl(np.zeros((2, 1, 4, 4)), tmp_path / "zero")
    with pytest.raises(ValueError, match="only zeros"):
        read_bart(tmp_path / "zero", fov_mm=(60.0, 45.0))
    write_cfl(np.ones((2, 3, 4, 4)), tmp_path / "deep")
    with pytest.raises(ValueError, match=r"dimensions \[2\] must be 1"):
        read_bart(tmp_path / "deep", fov_mm=(60.0, 45.0))
    gaps = np.ones((2, 1, 4, 4), complex)
    gaps[:, :, 2, 3] = 0
    write_cfl(gaps, tmp_path / "gaps")
    with pytest.raises(ValueError, match="gaps along the readout"):
        read_bart(tmp_path / "gaps", fov_mm=(60.0, 45.0))


@pytest.mark.skipif(shutil.which("bart") is None, reason="the program bart is not installed")
def test_the_program_bart_understands_the_files(tmp_path, rng):
    images = normal(rng, 3, 1, 6, 9)
    write_cfl(images, tmp_path / "image")
    subprocess.run(["bart", "fft", "-u", "3", "image", "kspace"], cwd=tmp_path, check=True, timeout=60)
    found = read_cfl(tmp_path / "kspace")
    assert found.shape == images.shape
    np.testing.assert_allclose(found[:, 0], image_to_kspace(images[:, 0]), atol=2e-6)


def test_siemens_files_have_their_axes_turned(tmp_path, rng):
    """Their directions belong to the other sign of the Fourier transform."""
    values = acquisition(normal(rng, 1, 6), {"line": 1})
    head = values[0]
    head["position"], head["read_dir"], head["phase_dir"] = (1, 2, 3), (0, 1, 0), (0, 0, 1)
    text = header(encoded=(4, 6))
    vendor = (
        "<acquisitionSystemInformation><systemVendor>SIEMENS</systemVendor></acquisitionSystemInformation>"
    )
    for name, sign, content in (
        ("a", 1.0, text),
        ("b", -1.0, text.replace("<experimentalConditions>", vendor + "<experimentalConditions>")),
    ):
        scan = read_ismrmrd(write_file(tmp_path / f"{name}.h5", content, [values]))
        np.testing.assert_array_equal(scan.planes[0].row, [0, sign, 0])
        np.testing.assert_array_equal(scan.planes[0].column, [0, 0, sign])
        np.testing.assert_array_equal(scan.planes[0].center_mm, [1, 2, 3])


@pytest.mark.peers
@pytest.mark.skipif(
    shutil.which("ismrmrd_generate_cartesian_shepp_logan") is None,
    reason="the programs of ISMRMRD (Debian package ismrmrd-tools) are not installed",
)
def test_a_file_of_the_format_s_own_programs_shows_its_phantom(tmp_path):
    """Two repetitions, oversampling, noise readouts; the phantom is the modified one of Shepp and Logan."""
    from imgtech.phantoms import shepp_logan

    options = ["-m", "96", "-c", "6", "-r", "2", "-n", "0.01", "-C", "-o"]
    program = "ismrmrd_generate_cartesian_shepp_logan"
    subprocess.run([program, *options, str(tmp_path / "a.h5")], check=True, timeout=60, capture_output=True)
    scan = read_ismrmrd(tmp_path / "a.h5")
    assert scan.matrix == (96, 96)
    assert scan.fov_mm == (300.0, 300.0)
    assert scan.readouts.shape == (192, 6, 192)
    assert scan.noise.shape[0] == 6
    grid = ImageGrid.fft((96, 96), spacing_mm=scan.spacing_mm)
    wanted = shepp_logan(radius_mm=150.0, contrast="modified").image(grid)
    for image in scan.images:
        lines, acquired, _ = scan.lines_of(image)
        assert acquired.all()
        found = cartesian(lines, spacing_mm=scan.spacing_mm, crop=(96, 96), combine="rss").ravel()

        def likeness(*views, seen=found):
            return max(np.corrcoef(seen, view.ravel())[0, 1] for view in views)

        # its rows may run either way, its columns not; the coils shade the image
        assert likeness(wanted, wanted[::-1]) > 0.7
        assert likeness(wanted[:, ::-1], wanted[::-1, ::-1]) < 0.62
