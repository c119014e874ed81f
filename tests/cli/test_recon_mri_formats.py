"""``imgtech recon mri`` on ISMRM raw data and BART files, made from closed-form k-space."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("typer")
pytest.importorskip("h5py")

from typer.testing import CliRunner

from imgtech.cli.app import app
from imgtech.geometry import ImageGrid, SlicePlane, Trajectory
from imgtech.io import read_series
from imgtech.io.raw import MriScan, write_cfl, write_ismrmrd
from imgtech.phantoms import CoilSensitivities, complex_gaussian, shepp_logan, uniform_disk
from imgtech.recon.mri import cartesian, image_to_kspace

MATRIX, FOV = (60, 48), (150.0, 144.0)
SPACING = (2.5, 3.0)


def recon(path, out, *options):
    result = CliRunner().invoke(app, ["recon", "mri", str(path), "--out", str(out), *options])
    return result, np.load(out / "image.npy") if (out / "image.npy").is_file() else None


def kspace_of_two_slices():
    """Two objects, four coils, twofold readout oversampling."""
    raster = Trajectory.of_grid(ImageGrid.fft((60, 96), spacing_mm=SPACING))
    coils = CoilSensitivities.ring(n_coils=4, radius_mm=110.0)
    head = shepp_logan(radius_mm=60.0, contrast="modified", attenuation_per_mm=1.0)
    disk = uniform_disk(radius_mm=31.0, value=2.0, center_mm=(12.0, -18.0))
    return np.stack([head.kspace(raster, coils), disk.kspace(raster, coils)])


def scan_of(kspace, **changed) -> MriScan:
    lines = np.moveaxis(kspace, 1, 2).reshape(-1, 4, 96)
    fields = {
        "source": "made",
        "readouts": lines,
        "labels": {"line": np.tile(np.arange(60), 2), "slice": np.repeat([0, 1], 60)},
        "reversed_readouts": np.zeros(120, bool),
        "matrix": MATRIX,
        "fov_mm": FOV,
        "slice_thickness_mm": 4.0,
        "frequency_hz": 63.87e6,
    }
    return MriScan(**(fields | changed))


def test_slices_of_a_file_come_out_where_it_says(tmp_path):
    kspace = kspace_of_two_slices()
    planes = [
        SlicePlane(center_mm=(5.0, y, -20.0), row=(0.8, 0.0, 0.6), column=(-0.6, 0.0, 0.8))
        for y in (3.0, 11.0)
    ]
    file = write_ismrmrd(scan_of(kspace, planes=tuple(planes)), tmp_path / "scan.mrd")
    result, images = recon(file, tmp_path / "out", "--format", "npy,dicom")
    assert result.exit_code == 0, result.output
    assert "read as ISMRM raw data" in result.output
    assert "2 slice(s) placed in the patient as the file says" in result.output
    wanted = np.stack([cartesian(k, spacing_mm=SPACING, crop=MATRIX, combine="rss") for k in kspace])
    np.testing.assert_allclose(images, wanted, rtol=1e-4, atol=1e-4)
    series = read_series(tmp_path / "out" / "dicom")
    # row cross column is -y: the slice at y = 11 comes first
    np.testing.assert_allclose(series.pixels, wanted[::-1], atol=2e-4 * wanted.max())
    np.testing.assert_allclose(series.orientation, (0.8, 0, 0.6, -0.6, 0, 0.8), atol=1e-6)
    corner = planes[1].position_mm(-30 * 2.5, -24 * 3.0)
    np.testing.assert_allclose(series.origin_mm, corner, atol=1e-3)
    np.testing.assert_allclose(np.diff(series.positions_mm), 8.0, atol=1e-4)
    assert series.slice_thickness_mm == 4.0


def test_planes_that_make_no_stack_become_series_of_their_own(tmp_path):
    planes = (
        SlicePlane(center_mm=(0.0, 0.0, 0.0), row=(1.0, 0.0, 0.0), column=(0.0, 1.0, 0.0)),
        SlicePlane(center_mm=(0.0, 0.0, 0.0), row=(0.0, 1.0, 0.0), column=(0.0, 0.0, -1.0)),
    )
    file = write_ismrmrd(scan_of(kspace_of_two_slices(), planes=planes), tmp_path / "scan.h5")
    result, _ = recon(file, tmp_path / "out", "--format", "dicom")
    assert result.exit_code == 0, result.output
    assert "a series of its own" in result.output
    for number, orientation in ((0, (1, 0, 0, 0, 1, 0)), (1, (0, 1, 0, 0, 0, -1))):
        assert read_series(tmp_path / "out" / f"dicom_slice{number}").orientation == orientation


def test_missing_lines_are_filled_from_separate_calibration(tmp_path, rng):
    kspace = complex_gaussian(kspace_of_two_slices(), sigma=1.0, rng=rng)
    full = scan_of(kspace)
    kept = full.labels["line"] % 2 == 0
    near = np.abs(full.labels["line"] - 30) < 10

    def part(chosen):
        return {
            "readouts": full.readouts[chosen],
            "labels": {name: values[chosen] for name, values in full.labels.items()},
            "reversed_readouts": np.zeros(chosen.sum(), bool),
        }

    noise = complex_gaussian(np.zeros((4, 4000)), sigma=1.0, rng=rng)
    scan = scan_of(kspace, **part(kept), calibration=scan_of(kspace, **part(near)), noise=noise)
    file = write_ismrmrd(scan, tmp_path / "scan.h5")
    result, images = recon(file, tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "GRAPPA from 19 separate calibration lines" in result.output
    assert "coils are whitened" in result.output
    wanted = np.stack([cartesian(k, spacing_mm=SPACING, crop=MATRIX, combine="rss") for k in kspace])
    wanted /= np.sqrt(2)  # whitened noise has a variance of 1 in both parts together
    assert np.sqrt(np.mean((images - wanted) ** 2) / np.mean(wanted**2)) < 0.05


@pytest.mark.parametrize("parallel", ["auto", "grappa", "spirit"])
def test_irregular_gaps_are_filled_by_spirit(tmp_path, parallel):
    kspace = kspace_of_two_slices()
    kept = np.random.default_rng(3).random(60) < 0.55
    kept[20:40] = True
    array = (kspace * kept[:, None]).reshape(2, *[1] * 9, 4, 1, 60, 96)
    write_cfl(array, tmp_path / "k")
    options = ["--fov-mm", "150", "288", "--parallel", parallel]
    result, images = recon(tmp_path / "k.cfl", tmp_path / "out", *options)
    if parallel == "grappa":
        assert result.exit_code == 2
        assert "every" in result.output
        return
    assert result.exit_code == 0, result.output
    assert "SPIRiT (" in result.output
    wanted = np.stack([cartesian(k, spacing_mm=SPACING, combine="rss") for k in kspace])
    zero = np.stack([cartesian(k * kept[:, None], spacing_mm=SPACING, combine="rss") for k in kspace])
    assert np.linalg.norm(images - wanted) < 0.45 * np.linalg.norm(zero - wanted)


def spirals(n_arms: int) -> Trajectory:
    """Archimedean arms out to the edge of a raster of 1.5 mm, for a field of 90 mm."""
    along = np.linspace(0, 1, 700) ** 0.5
    angle = 2 * np.pi * (30.0 / n_arms * along + np.arange(n_arms)[:, None] / n_arms)
    radius = along / 3.0
    return Trajectory(positions_per_mm=np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=-1))


@pytest.mark.parametrize(
    ("spokes", "how"),
    [(Trajectory.radial(110, 120, spacing_mm=1.5), "spokes"), (spirals(8), "Voronoi cells")],
    ids=["spokes", "spirals"],
)
def test_a_file_with_a_trajectory_is_gridded(tmp_path, spokes, how):
    coils = CoilSensitivities.ring(n_coils=2, radius_mm=200.0)
    disk = uniform_disk(radius_mm=25.0, value=3.0, center_mm=(8.0, -14.0))
    scan = MriScan(
        source="made",
        readouts=np.moveaxis(disk.kspace(spokes, coils), 0, 1),
        labels={"line": np.arange(spokes.shape[0])},
        reversed_readouts=np.zeros(spokes.shape[0], bool),
        matrix=(60, 50),
        fov_mm=(90.0, 75.0),
        trajectory=spokes,
    )
    file = write_ismrmrd(scan, tmp_path / "radial.h5", frequency_hz=63.87e6)
    result, images = recon(file, tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert f"{spokes.shape[0]} readouts with a trajectory" in result.output
    assert f"weighted as {how}" in result.output
    grid = ImageGrid.fft((60, 50), spacing_mm=(1.5, 1.5))
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    inside = np.hypot(y - 8.0, x + 14.0) < 20.0
    wanted = 3.0 * np.sqrt((np.abs(coils.maps(grid)) ** 2).sum(0))
    np.testing.assert_allclose(images[0][inside].mean(), wanted[inside].mean(), rtol=0.01)
    refused, _ = recon(file, tmp_path / "out2", "--window", "hann")
    assert refused.exit_code == 2
    assert "for Cartesian scans" in refused.output


def test_bart_files_need_a_field_of_view(tmp_path):
    kspace = kspace_of_two_slices()
    # slice is BART's dimension 13: thirteen axes before it, the coil among them
    array = kspace.reshape(2, *[1] * 9, 4, 1, 60, 96)
    write_cfl(array, tmp_path / "k")
    result, images = recon(tmp_path / "k.cfl", tmp_path / "out", "--fov-mm", "150", "288")
    assert result.exit_code == 0, result.output
    wanted = np.stack([cartesian(k, spacing_mm=SPACING, combine="rss") for k in kspace])
    np.testing.assert_allclose(images, wanted, rtol=1e-4, atol=1e-4)
    for arguments, message in (
        ([], "--fov-mm Y X must be given"),
        (["--fov-mm", "0", "100"], "fov_mm must be positive"),
    ):
        result, _ = recon(tmp_path / "k.cfl", tmp_path / "other", *arguments)
        assert result.exit_code == 2
        assert message in " ".join(result.output.split())
        assert "Traceback" not in result.output
    text = tmp_path / "text.mrd"
    text.write_bytes(b"no such data" * 99)
    result, _ = recon(text, tmp_path / "other")
    assert result.exit_code == 2
    result, _ = recon(text, tmp_path / "other", "--fov-mm", "1", "2")
    assert "for BART files" in result.output


def test_a_volume_comes_out_as_slices_in_their_places(tmp_path):
    """Four partitions of one object, each with a weight of its own."""
    weights = np.array([0.2, 0.9, 1.0, 0.4])
    flat = kspace_of_two_slices()[0]
    volume = image_to_kspace(weights, axes=(0,))[:, None, None, None] * flat
    plane = SlicePlane(center_mm=(5.0, -3.0, 8.0), row=(1.0, 0.0, 0.0), column=(0.0, 1.0, 0.0))
    scan = scan_of(
        flat[None],
        readouts=np.moveaxis(volume, 1, 2).reshape(-1, 4, 96),
        labels={"line": np.tile(np.arange(60), 4), "partition": np.repeat(np.arange(4), 60)},
        reversed_readouts=np.zeros(240, bool),
        n_partitions=4,
        slice_thickness_mm=1.5,
        planes=(plane,),
    )
    file = write_ismrmrd(scan, tmp_path / "volume.h5")
    result, images = recon(file, tmp_path / "out", "--format", "npy,dicom")
    assert result.exit_code == 0, result.output
    assert "4 partitions transformed to slices" in result.output
    wanted = cartesian(flat, spacing_mm=SPACING, crop=MATRIX, combine="rss")
    np.testing.assert_allclose(images, weights[:, None, None] * wanted, rtol=1e-3, atol=1e-3)
    series = read_series(tmp_path / "out" / "dicom")
    np.testing.assert_allclose(series.positions_mm, 8.0 + 1.5 * np.array([-2, -1, 0, 1]), atol=1e-4)
    np.testing.assert_allclose(series.pixels[1], 0.9 * wanted, atol=2e-3 * wanted.max())
