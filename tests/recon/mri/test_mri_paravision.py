"""The vendor's own reconstruction, down to the stored integers."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from imgtech.io.raw import read_2dseq, read_bruker
from imgtech.recon.mri import cartesian, paravision_images, root_sum_of_squares
from reference.bruker_files import ACQP, METHOD, NX, NY, parameter_file, write_scan


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
