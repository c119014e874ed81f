"""ParaVision folders: parameter files, the order of the raw data, the vendor's own image."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from imgtech.io.raw import read_2dseq, read_bruker, read_jcampdx
from imgtech.recon.mri import cartesian, paravision_images, root_sum_of_squares

NX, NY, ORDER, REPETITIONS = 20, 6, (2, 0, 1), 2
STEPS = (0, -1, 1, -2, 2, -3)  # centre first
ACQP = {
    "ACQ_dim": "2",
    "ACQ_size": f"( 2 )\n{2 * NX} {NY}",
    "NI": "3",
    "NR": str(REPETITIONS),
    "ACQ_phase_factor": "2",
    "ACQ_obj_order": "( 3 )\n" + " ".join(map(str, ORDER)),
    "BYTORDA": "big",
    "GO_raw_data_format": "GO_16BIT_SGN_INT",
    "GO_block_size": "Standard_KBlock_Format",
}
METHOD = {
    "PVM_EncMatrix": f"( 2 )\n{NX} {NY}",
    "PVM_EncSteps1": "( 6 )\n" + " ".join(map(str, STEPS)),
    "PVM_EncActReceivers": "( 3 )\nOn Off On",
    "PVM_Fov": "( 2 )\n25 18",
    "PVM_AntiAlias": "( 2 )\n2 1",
    "PVM_SliceThick": "1.5",
}


def parameter_file(path, values):
    lines = ["##TITLE=Parameter List", "$$ a comment", *(f"##${k}={v}" for k, v in values.items()), "##END="]
    path.write_text("\n".join(lines) + "\n")


def sample(coil, repetition, target, line, x):
    """A number that tells where it belongs."""
    return (1000 * coil + 100 * repetition + 10 * target + line) + 1j * (x - 7)


def write_scan(folder, acqp=None, method=None):
    """A scan of 2 coils, 2 repetitions and 3 slices, written by loops in the vendor's order."""
    parameter_file(folder / "acqp", ACQP | (acqp or {}))
    parameter_file(folder / "method", METHOD | (method or {}))
    words = []
    for repetition in range(REPETITIONS):
        for group in range(NY // 2):
            for target in ORDER:
                for step in STEPS[2 * group : 2 * group + 2]:
                    block = []
                    for coil in range(2):
                        for x in range(NX):
                            value = sample(coil, repetition, target, step + NY // 2, x)
                            block += [value.real, value.imag]
                    words += block + [99] * (512 - len(block))  # padding to 1024 bytes of 16-bit words
    np.array(words, ">i2").tofile(folder / "fid")
    return folder


def test_every_sample_of_a_scan_finds_its_place(tmp_path):
    scan = read_bruker(write_scan(tmp_path))
    assert scan.kspace.shape == (2, REPETITIONS * 3, NY, NX)
    assert scan.kspace.dtype == np.complex64
    for coil in range(2):
        for frame in range(6):
            for line in range(NY):
                expected = [sample(coil, frame // 3, frame % 3, line, x) for x in range(NX)]
                np.testing.assert_array_equal(scan.kspace[coil, frame, line], expected)


def test_geometry_of_a_scan_counts_the_oversampling(tmp_path):
    scan = read_bruker(write_scan(tmp_path))
    assert scan.fov_mm == (18.0, 25.0)
    assert scan.spacing_mm == (3.0, 2.5)
    assert scan.grid.fov_mm == (18.0, 50.0)
    assert scan.slice_order == ORDER
    assert scan.slice_thickness_mm == 1.5
    assert (scan.n_coils, scan.n_objects) == (2, 3)


def test_scan_cannot_be_changed(tmp_path):
    scan = read_bruker(write_scan(tmp_path))
    with pytest.raises(ValueError, match="read-only"):
        scan.kspace[0] = 0
    with pytest.raises(TypeError):
        scan.acqp["NI"] = 4


def test_parameter_files_hold_numbers_arrays_texts_words_and_structs(tmp_path):
    file = tmp_path / "acqp"
    file.write_text(
        "##TITLE=Parameter List\n$$ Tue Nov  5 2013\n##$NI=3\n##$RG=80.6\n##$Method=mic_flash\n"
        "##$time=( 24 )\n<11:59:49  5 Nov 2013>\n##$steps=( 2, 3 )\n-1 0 1 \n2.5 3 4\n"
        "##$words=( 2 )\nRead User_Defined\n##$names=( 2, 20 )\n<one> <two \nthree>\n"
        "##$pulse=(1, 2.5, <\ngauss.exc>, adiabatic)\n##$table=( 2 )\n(<a>, 1, 0) (<b>, 30,\n 0)\n"
        "##$nested=(1, (2, 3), <x>)\n##$zeros=( 5 )\n7 @3*(0) 8\n$$ @vis= NI RG\n##END=\n"
    )
    got = read_jcampdx(file)
    assert (got["NI"], got["RG"], got["Method"]) == (3, 80.6, "mic_flash")
    assert got["TITLE"] == "Parameter List"
    assert got["time"] == "11:59:49  5 Nov 2013"
    np.testing.assert_array_equal(got["steps"], [[-1, 0, 1], [2.5, 3, 4]])
    assert got["words"] == ("Read", "User_Defined")
    assert got["names"] == ("one", "two three")
    assert got["pulse"] == (1, 2.5, "gauss.exc", "adiabatic")
    assert got["table"] == (("a", 1, 0), ("b", 30, 0))
    assert got["nested"] == (1, (2, 3), "x")
    np.testing.assert_array_equal(got["zeros"], [7, 0, 0, 0, 8])
    with pytest.raises(ValueError, match="read-only"):
        got["steps"][0] = 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello", "must start with ##TITLE"),
        ("##TITLE=x\n##$a=( 3 )\n1 2\n", "a cannot be read: 3 numbers are declared, got 2"),
        ("##TITLE=x\n##$a=( 2 )\nOn\n", "a cannot be read: 2 entries are declared, got 1"),
        ("##TITLE=x\n##$a=( 2, 8 )\n<b>\n", "a cannot be read: 2 texts are declared, got 1"),
        ("##TITLE=x\n##$a=(1, (2, 3)\n", "a cannot be read: a parenthesis is not closed"),
        ("##TITLE=x\n##$a=1)\n", "a cannot be read: a parenthesis closes"),
    ],
)
def test_broken_parameter_file_is_named(tmp_path, text, words):
    (tmp_path / "reco").write_text(text)
    with pytest.raises(ValueError, match="reco: ") as caught:
        read_jcampdx(tmp_path / "reco")
    assert words in str(caught.value)


def test_missing_folder_and_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        read_bruker(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no ParaVision scan, there is no file named fid"):
        read_bruker(tmp_path)
    with pytest.raises(FileNotFoundError, match="2dseq: no such image file"):
        read_2dseq(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such parameter file"):
        read_jcampdx(tmp_path / "method")


@pytest.mark.parametrize("name", ["ACQ_dim", "ACQ_size", "NI", "NR", "ACQ_obj_order", "BYTORDA"])
def test_missing_parameter_is_named_with_its_file(tmp_path, name):
    write_scan(tmp_path)
    parameter_file(tmp_path / "acqp", {k: v for k, v in ACQP.items() if k != name})
    with pytest.raises(ValueError, match=f"acqp: parameter {name} is missing"):
        read_bruker(tmp_path)


@pytest.mark.parametrize(
    ("acqp", "method", "words"),
    [
        ({"ACQ_dim": "3"}, {}, "ACQ_dim must be 2, got 3"),
        ({"ACQ_size": "( 2 )\n30 6"}, {}, "ACQ_size must be twice the read size"),
        ({"NI": "4"}, {}, "NI must be the length of ACQ_obj_order"),
        ({"ACQ_phase_factor": "4"}, {}, "ACQ_phase_factor divide 6"),
        ({"BYTORDA": "middle"}, {}, "BYTORDA must be one of little"),
        ({"GO_raw_data_format": "GO_8BIT"}, {}, "GO_raw_data_format must be one of"),
        ({"NR": "3"}, {}, "fid: must hold 55296 bytes"),
        ({"GO_block_size": "continuous"}, {}, "fid: must hold 5760 bytes"),
        ({}, {"PVM_EncSteps1": "( 6 )\n-3 -2 -1 0 1 1"}, "PVM_EncSteps1 must name each of 6 lines once"),
    ],
)
def test_scan_of_another_kind_is_refused(tmp_path, acqp, method, words):
    with pytest.raises(ValueError, match=words):
        read_bruker(write_scan(tmp_path, acqp, method))


def test_truncated_empty_and_blank_fid_are_refused(tmp_path):
    fid = write_scan(tmp_path) / "fid"
    content = fid.read_bytes()
    fid.write_bytes(content[:-2])
    with pytest.raises(ValueError, match=r"fid: must hold 36864 bytes .* got 36862"):
        read_bruker(tmp_path)
    fid.write_bytes(b"")
    with pytest.raises(ValueError, match="got 0"):
        read_bruker(tmp_path)
    fid.write_bytes(bytes(len(content)))
    with pytest.raises(ValueError, match="not all zero"):
        read_bruker(tmp_path)


def test_real_scan_has_the_geometry_of_its_protocol(data):
    scan = read_bruker(data("mri_raw/bruker_flash"))
    assert scan.kspace.shape == (1, 3, 128, 128)
    assert scan.kspace.dtype == np.complex128
    assert scan.spacing_mm == (0.1953125, 0.1953125)
    assert scan.slice_order == (0, 2, 1)
    assert scan.method["ExcPulse"][8] == "gauss.exc"
    assert scan.acqp["ACQ_grad_matrix"].shape == (3, 3, 3)
    assert scan.reco["RECO_rotate"].shape == (2, 3)
    echo = np.abs(scan.kspace[0]).reshape(3, -1).argmax(axis=1)
    assert all(abs(i // 128 - 64) <= 5 and abs(i % 128 - 64) <= 5 for i in echo)


def test_reconstruction_equals_the_image_of_the_vendor(data):
    folder = data("mri_raw/bruker_flash")
    ours = paravision_images(read_bruker(folder))
    theirs = read_2dseq(folder)
    assert ours.dtype == theirs.dtype == np.int16
    gap = np.abs(ours.astype(int) - theirs)
    assert np.mean(gap == 0) >= 0.999
    assert gap.max() <= 1


def test_slices_of_the_vendor_are_not_alike(data):
    theirs = read_2dseq(data("mri_raw/bruker_flash")).astype(float)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.corrcoef(theirs[i].ravel(), theirs[j].ravel())[0, 1] < 0.95
        assert np.corrcoef(theirs[i].ravel(), theirs[i].T.ravel())[0, 1] < 0.99


def test_plain_reconstruction_shows_the_same_picture_as_the_vendor(data):
    folder = data("mri_raw/bruker_flash")
    scan = read_bruker(folder)
    images = root_sum_of_squares(cartesian(scan.kspace))
    for image, stored, swapped in zip(images, read_2dseq(folder), (False, True, True), strict=True):
        upright = image.T if swapped else image
        assert np.corrcoef(upright.ravel(), stored.ravel())[0, 1] > 0.99999


def synthetic_reco(tmp_path, **changes):
    """A scan with one coil and one object whose reconstruction shifts, pads, cuts and transposes."""
    values = {
        "RECO_ft_size": "( 2 )\n32 8",
        "RECO_size": "( 2 )\n24 6",
        "RECO_rotate": "( 2, 1 )\n0.25 0.5",
        "RECO_offset": "( 2, 1 )\n5 1",
        "RECO_qopts": "( 2 )\nQUAD_NEGATION CONJ_AND_QNEG",
        "RECO_transposition": "( 1 )\n1",
        "RECO_map_min": "( 1 )\n2",
        "RECO_map_max": "( 1 )\n60",
        "RECO_map_offset": "( 1 )\n1.5",
        "RECO_map_slope": "( 1 )\n3",
        "RECO_wordtype": "_16BIT_SGN_INT",
        "RECO_byte_order": "bigEndian",
    } | changes
    acqp = {
        "NI": "1",
        "NR": "1",
        "ACQ_phase_factor": "1",
        "ACQ_obj_order": "( 1 )\n0",
        "BYTORDA": "little",
        "GO_raw_data_format": "GO_32BIT_FLOAT",
        "GO_block_size": "continuous",
    }
    parameter_file(tmp_path / "acqp", ACQP | acqp)
    parameter_file(tmp_path / "method", METHOD | {"PVM_EncActReceivers": "( 1 )\nOn"})
    rng = np.random.default_rng(5)
    rng.normal(size=NY * NX * 2).astype("<f4").tofile(tmp_path / "fid")
    (tmp_path / "pdata" / "1").mkdir(parents=True)
    parameter_file(tmp_path / "pdata" / "1" / "reco", {k: v for k, v in values.items() if v is not None})
    return read_bruker(tmp_path)


def test_vendor_steps_follow_their_description(tmp_path):
    scan = synthetic_reco(tmp_path)
    data = np.conj(scan.kspace[0, 0]).copy()
    data[:, 1::2] *= -1
    data[1::2, :] *= -1
    padded = np.zeros((8, 32), complex)
    padded[:NY, :NX] = data
    turn_y, turn_x = (np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n) for n in (8, 32))
    image = np.abs(turn_y @ padded @ turn_x)
    expected = np.zeros((6, 24))
    for y in range(6):
        for x in range(24):
            value = image[(y + 1 - 4) % 8, (x + 5 - 8) % 32]
            expected[y, x] = np.floor((min(max(value, 2), 60) - 1.5) * 3)
    np.testing.assert_array_equal(paravision_images(scan), expected.T[None])


def test_images_are_read_in_the_shape_after_transposition(tmp_path):
    synthetic_reco(tmp_path)
    stored = np.arange(2 * 24 * 6).reshape(2, 24, 6)
    stored.astype(">i2").tofile(tmp_path / "pdata" / "1" / "2dseq")
    np.testing.assert_array_equal(read_2dseq(tmp_path), stored)
    (tmp_path / "pdata" / "1" / "2dseq").write_bytes(b"123")
    with pytest.raises(ValueError, match="must hold whole images of 288 bytes, got 3"):
        read_2dseq(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"RECO_map_slope": None}, "RECO_map_slope is missing"),
        ({"RECO_rotate": "( 3 )\n0 0 0"}, "RECO_rotate must have shape"),
        ({"RECO_wdw_mode": "( 2 )\nNO_WDW SINE"}, "RECO_wdw_mode must be NO_WDW, got SINE"),
        ({"RECO_image_type": "PHASE_IMAGE"}, "RECO_image_type must be MAGNITUDE_IMAGE"),
        ({"RECO_ft_size": "( 2 )\n16 8"}, "RECO_ft_size must hold k-space"),
        ({"RECO_transposition": "( 1 )\n2"}, "RECO_transposition must be 0 or 1"),
        ({"RECO_qopts": "( 2 )\nNO_QOPTS MIRROR"}, "RECO_qopts must be two of"),
    ],
)
def test_vendor_step_that_is_not_followed_is_named(tmp_path, changes, words):
    with pytest.raises(ValueError, match=words):
        paravision_images(synthetic_reco(tmp_path, **changes))


def test_vendor_reconstruction_needs_its_parameters(data, tmp_path):
    for name in ("fid", "acqp", "method"):
        shutil.copy(data("mri_raw/bruker_flash") / name, tmp_path / name)
    with pytest.raises(ValueError, match="pdata/1/reco are missing"):
        paravision_images(read_bruker(tmp_path))
    with pytest.raises(ValueError, match="pdata/1/reco are missing"):
        paravision_images(read_bruker(write_scan(tmp_path)))
