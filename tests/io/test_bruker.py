"""ParaVision folders: parameter files, the order of the raw data, the vendor's own image."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.io.raw import read_2dseq, read_bruker, read_jcampdx
from reference.bruker_files import ACQP, NX, NY, ORDER, REPETITIONS, parameter_file, sample, write_scan


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
