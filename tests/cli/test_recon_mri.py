"""``imgtech recon mri`` on scanner files, judged by the objects in them."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
from scipy import ndimage

pytest.importorskip("typer")
pytest.importorskip("twixtools")

from typer.testing import CliRunner

from imgtech.cli.app import app
from imgtech.io import read_series
from imgtech.io.raw import read_pulseq, read_siemens
from imgtech.recon.mri import ghost_phase, navigator_phase, regrid_readout


def recon(path, out, *options):
    result = CliRunner().invoke(app, ["recon", "mri", str(path), "--out", str(out), *options])
    return result, np.load(out / "image.npy") if (out / "image.npy").is_file() else None


def ghost_above_background(image):
    """Mean signal half a field of view away from the object, over that in neither, relative to the object."""
    object_ = image > 0.3 * np.percentile(image, 99)
    object_ = ndimage.binary_fill_holes(object_)
    near = ndimage.binary_dilation(object_, iterations=3)
    half = image.shape[0] // 2
    ghost = np.roll(ndimage.binary_erosion(object_), half, axis=0) & ~near
    empty = ~near & ~np.roll(near, half, axis=0)
    assert ghost.sum() > 100
    assert empty.sum() > 100
    return (image[ghost].mean() - image[empty].mean()) / image[object_].mean()


@pytest.mark.parametrize("name", ["siemens_epi_ramp", "siemens_pulseq/05_EPI"])
def test_the_ghost_of_an_epi_scan_falls_below_two_percent(data, tmp_path, name):
    result, images = recon(data(f"mri_raw/{name}.dat"), tmp_path / "a")
    assert result.exit_code == 0, result.output
    assert "ghost phase from the image's entropy" in result.output
    left, before = recon(data(f"mri_raw/{name}.dat"), tmp_path / "b", "--ghost", "none")
    assert left.exit_code == 0
    assert ghost_above_background(before[0]) > 0.05
    assert ghost_above_background(images[0]) <= 0.02


def test_navigators_alone_help_too(data, tmp_path):
    file = data("mri_raw/siemens_epi_ramp.dat")
    result, images = recon(file, tmp_path, "--ghost", "navigator")
    assert "3 navigators" in result.output
    _, before = recon(file, tmp_path / "none", "--ghost", "none")
    assert ghost_above_background(images[0]) < 0.5 * ghost_above_background(before[0])
    refused, _ = recon(data("mri_raw/siemens_pulseq/05_EPI.dat"), tmp_path, "--ghost", "navigator")
    assert refused.exit_code == 2
    assert "needs navigators" in refused.output


def test_lines_without_phase_encoding_confirm_what_the_image_says(data):
    folder = data("mri_raw/siemens_pulseq")
    sequence = read_pulseq(folder / "05_EPI.seq")

    def even(name):
        scan = read_siemens(folder / f"{name}.dat", sequence)
        lines, _, backwards = scan.lines_of({})
        out = np.empty((4, 128, 128), np.complex64)
        for sign, chosen in ((1, ~backwards), (-1, backwards)):
            out[:, chosen] = regrid_readout(
                lines[:, chosen], sign * scan.readout_positions_per_mm, n_pixels=128, spacing_mm=2.0
            )
        return out, backwards

    image, backwards = even("05_EPI")
    partner, directions = even("05_EPI_noPE")
    found = ghost_phase(image, backwards, spacing_mm=2.0)
    told = navigator_phase(np.moveaxis(partner, 1, 0)[::-1], directions[::-1], spacing_mm=2.0)
    assert found.slope_rad_per_mm == pytest.approx(told.slope_rad_per_mm, rel=0.1)
    assert found.constant_rad == pytest.approx(told.constant_rad, abs=0.15)


def test_the_phantom_of_the_gre_has_its_size(data, tmp_path):
    result, images = recon(data("mri_raw/siemens_gre.dat"), tmp_path)
    assert result.exit_code == 0, result.output
    assert images.shape == (1, 160, 160)
    assert "readouts are even: 320 samples for 160 pixels" in result.output
    # the same bottle by the echo-planar scan, in millimetres: 2.5 mm pixels there, 1.25 mm here
    _, epi = recon(data("mri_raw/siemens_epi_ramp.dat"), tmp_path / "epi")
    widths = []
    for image, spacing in ((images[0], 1.25), (epi[0], 2.5)):
        inside = np.flatnonzero((image > 0.3 * np.percentile(image, 99)).any(axis=0))
        widths.append(np.ptp(inside) * spacing)
    assert widths[0] == pytest.approx(widths[1], abs=5.0)
    assert 180 < widths[0] < 200


def test_bars_and_dots_of_the_pulseq_phantom_are_there(data, tmp_path):
    result, images = recon(data("mri_raw/siemens_pulseq/02_GRE_3echoes.dat"), tmp_path)
    assert result.exit_code == 0, result.output
    assert images.shape == (3, 256, 256)
    assert "02_GRE_3echoes.seq" in result.output
    first = images[0]
    dots, n_dots = ndimage.label(first > 0.6 * first.max())
    sizes = ndimage.sum_labels(np.ones_like(first), dots, np.arange(1, n_dots + 1))
    assert np.count_nonzero((sizes > 20) & (sizes < 200)) >= 8  # bright discs of about 1 cm
    assert images[2].mean() < images[0].mean()  # later echoes have decayed


def test_what_cannot_be_done_is_one_sentence(data, tmp_path):
    file = tmp_path / "text.dat"
    file.write_bytes(b"no twix" * 3000)
    for arguments in ([str(file)], [str(tmp_path / "absent.dat")]):
        result = CliRunner().invoke(app, ["recon", "mri", *arguments])
        assert result.exit_code == 2
        assert "Traceback" not in result.output
    result, _ = recon(data("mri_raw/siemens_gre.dat"), tmp_path, "--ghost", "guess")
    assert result.exit_code == 2
    assert "ghost must be one of" in result.output


def test_an_mr_series_is_written_that_reads_back_and_passes_the_validator(data, tmp_path):
    scan = data("mri_raw/siemens_pulseq/02_GRE_3echoes.dat")
    result, images = recon(scan, tmp_path / "a", "--format", "npy,dicom,nifti")
    assert result.exit_code == 0, result.output
    assert "the orientation is not read" in result.output
    for number, image in enumerate(images):
        folder = tmp_path / "a" / f"dicom_echo{number}"
        series = read_series(folder)
        assert series.modality == "MR"
        assert np.abs(series.pixels[0] - image).max() <= np.ptp(image) / 65535
        assert (tmp_path / "a" / f"echo{number}.nii.gz").is_file()
        if validator := shutil.which("dciodvfy"):
            told = subprocess.run([validator, *folder.iterdir()], capture_output=True, text=True)
            assert "Error" not in told.stderr + told.stdout


def test_coils_combine_adaptively_to_the_same_object(data, tmp_path):
    file = data("mri_raw/siemens_pulseq/05_EPI.dat")
    result, adaptive = recon(file, tmp_path / "a", "--combine", "adaptive")
    assert result.exit_code == 0, result.output
    _, rss = recon(file, tmp_path / "b")
    bright = rss > 0.3 * np.percentile(rss, 99)
    assert adaptive.dtype == rss.dtype
    assert np.median(adaptive[bright] / rss[bright]) == pytest.approx(1.0, abs=0.02)
    assert np.percentile(adaptive, 5) < np.percentile(rss, 5)  # the floor of noise
    refused, _ = recon(file, tmp_path / "c", "--combine", "sum")
    assert refused.exit_code == 2
    assert "combine must be" in refused.output
