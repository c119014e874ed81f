"""Three-dimensional scans: slices of known weight come out in their places."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, SlicePlane, Trajectory
from imgtech.io.raw import MriScan, read_ismrmrd, write_ismrmrd
from imgtech.phantoms import uniform_disk
from imgtech.recon.mri import image_to_kspace, kspace_to_image, partitions_to_slices

WEIGHTS = np.array([0.0, 0.3, 1.0, 0.7, -0.2])


def block(n: int = 5, **changed) -> MriScan:
    """A disk whose signal differs from slice to slice, ten lines of twelve samples, two echoes."""
    grid = ImageGrid.fft((10, 12), spacing_mm=(4.0, 3.0))
    flat = uniform_disk(radius_mm=13.0, value=1.0, center_mm=(3.0, -4.0)).kspace(Trajectory.of_grid(grid))
    profile = image_to_kspace(WEIGHTS[:n], axes=(0,))
    one = (profile[:, None, None] * flat).reshape(-1, 1, 12)
    part, line = (v.ravel() for v in np.meshgrid(np.arange(n), np.arange(10), indexing="ij"))
    fields = {
        "source": "made",
        "readouts": np.concatenate([one, 0.5 * one]),
        "labels": {
            "line": np.tile(line, 2),
            "partition": np.tile(part, 2),
            "echo": np.repeat([0, 1], len(one)),
        },
        "reversed_readouts": np.zeros(2 * len(one), bool),
        "matrix": (10, 12),
        "fov_mm": (40.0, 36.0),
        "slice_thickness_mm": 2.5,
        "n_partitions": n,
        "frequency_hz": 63e6,
        "planes": (SlicePlane(center_mm=(1.0, 2.0, 3.0), row=(0.0, 1.0, 0.0), column=(0.0, 0.0, -1.0)),),
    }
    return MriScan(**(fields | changed))


@pytest.mark.parametrize("n", [4, 5])
def test_slices_have_their_weights_and_places(n, tmp_path):
    scan = partitions_to_slices(read_ismrmrd(write_ismrmrd(block(n), tmp_path / "a.h5")))
    assert len(scan.images) == 2 * n
    assert (scan.n_partitions, scan.navigators, scan.calibration) == (1, None, None)
    flat = uniform_disk(radius_mm=13.0, value=1.0, center_mm=(3.0, -4.0)).kspace(
        Trajectory.of_grid(ImageGrid.fft((10, 12), spacing_mm=(4.0, 3.0)))
    )
    wanted = kspace_to_image(flat)
    for number in range(n):
        for echo, factor in ((0, 1.0), (1, 0.5)):
            lines, acquired, _ = scan.lines_of({"slice": number, "echo": echo})
            assert acquired.all()
            found = kspace_to_image(lines[0])
            np.testing.assert_allclose(found, factor * WEIGHTS[number] * wanted, atol=1e-3)
    assert scan.slice_thickness_mm == pytest.approx(2.5)
    # row cross column is -x: slices run against it, the middle one at the centre
    for number, plane in enumerate(scan.planes):
        np.testing.assert_allclose(plane.center_mm, [1.0 - 2.5 * (number - n // 2), 2.0, 3.0], atol=1e-5)


def test_averages_and_missing_corners():
    scan = block()
    twice = MriScan(
        **{
            **{name: getattr(scan, name) for name in ("source", "matrix", "fov_mm", "n_partitions")},
            "readouts": np.concatenate([scan.readouts, 3 * scan.readouts]),
            "labels": {k: np.tile(v, 2) for k, v in scan.labels.items() if k != "average"}
            | {"average": np.repeat([0, 1], 100)},
            "reversed_readouts": np.zeros(200, bool),
        }
    )
    np.testing.assert_allclose(
        partitions_to_slices(twice).readouts, 2 * partitions_to_slices(scan).readouts, rtol=1e-5, atol=1e-5
    )
    corner = (scan.labels["line"] == 0) & (scan.labels["partition"] == 0)
    found = partitions_to_slices(
        block(
            readouts=scan.readouts[~corner],
            labels={k: v[~corner] for k, v in scan.labels.items()},
            reversed_readouts=scan.reversed_readouts[~corner],
        )
    )
    assert found.notes == ("5 partitions transformed to slices; 2 % of the lines count as zeros",)
    lines = np.stack([found.lines_of({"slice": z, "echo": 1})[0][0, 0] for z in range(5)])
    before = image_to_kspace(lines, axes=(0,))  # partitions of line 0 again
    assert np.abs(before[0]).max() < 1e-4
    kept = (scan.labels["line"] == 0) & (scan.labels["partition"] == 3) & (scan.labels["echo"] == 1)
    np.testing.assert_allclose(before[3], scan.readouts[kept][0, 0], atol=1e-3)


def test_a_scan_of_slices_stays_as_it_is():
    labels = {"line": np.arange(100) % 10, "slice": np.arange(100) // 10}
    scan = block(n_partitions=1, labels=labels, planes=())
    assert partitions_to_slices(scan) is scan


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"acceleration": (1, 2)}, r"fully sampled and Cartesian, got acceleration \(1, 2\)"),
        ({"reversed_readouts": np.arange(100) < 10}, "one direction in all partitions"),
        ({"labels": {"line": np.arange(100) % 10}}, "at least 70 % of the lines, got 20 %"),
    ],
)
def test_what_makes_no_slices_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        partitions_to_slices(block(**changed))
    with pytest.raises(ValueError, match="partition must be below 3, got 4"):
        block(n_partitions=3)
