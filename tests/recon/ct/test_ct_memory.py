"""Peak memory of the calls in the plane, as their docstrings state it."""

import tracemalloc

import numpy as np
import pytest

from imgtech.geometry import FanBeam, ImageGrid, ParallelBeam
from imgtech.recon.ct import Projector, fbp

FEW, MANY = ImageGrid.square(60, fov_mm=600.0), ImageGrid.square(500, fov_mm=500.0)
SCANS = {
    "parallel, large image": (
        ParallelBeam.half_turn(n_views=8, n_channels=64, channel_spacing_mm=8.3, detector_offset_mm=0.7),
        MANY,
    ),
    "parallel, large sinogram": (
        ParallelBeam.half_turn(n_views=900, n_channels=901, channel_spacing_mm=1.0, detector_offset_mm=0.7),
        FEW,
    ),
    "fan, large image": (
        FanBeam.full_turn(
            source_axis_mm=600.0,
            source_detector_mm=900.0,
            n_views=16,
            n_channels=64,
            channel_spacing_mm=16.0,
            detector_offset_mm=0.7,
        ),
        MANY,
    ),
    "fan, large sinogram": (
        FanBeam.full_turn(
            source_axis_mm=900.0,
            source_detector_mm=1000.0,
            n_views=900,
            n_channels=901,
            channel_spacing_mm=1.0,
            detector_offset_mm=0.7,
        ),
        FEW,
    ),
}


def peak_bytes(call):
    call()
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "options", "images", "sinograms"),
    [
        ("parallel, large image", {}, 4.6, 0),
        ("parallel, large sinogram", {}, 0, 4.3),
        ("parallel, large image", {"method": "direct"}, 2.3, 0),
        ("parallel, large sinogram", {"method": "direct"}, 0, 21),
        ("parallel, large sinogram", {"extrapolate": True}, 0, 10.4),
        ("fan, large image", {}, 4.6, 0),
    ],
)
def test_the_memory_of_fbp_is_as_stated(name, options, images, sinograms, dtype):
    beam, grid = SCANS[name]
    sinogram = np.ones(beam.shape, dtype)
    sinogram[:, :20] = sinogram[:, -20:] = 0
    stated = images * np.prod(grid.shape) + sinograms * sinogram.size
    peak = peak_bytes(lambda: fbp(sinogram, beam, grid, **options))
    assert peak == pytest.approx(stated * sinogram.itemsize, rel=0.2)


@pytest.mark.parametrize(("dtype", "stated"), [(np.float32, 11), (np.float64, 19)])
def test_the_memory_of_fan_rebinning_is_as_stated(dtype, stated):
    beam, grid = SCANS["fan, large sinogram"]
    sinogram = np.ones(beam.shape, dtype)
    sinogram[:, :20] = sinogram[:, -20:] = 0
    assert peak_bytes(lambda: fbp(sinogram, beam, grid)) == pytest.approx(stated * sinogram.size, rel=0.2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_memory_of_a_fan_projector_is_as_stated(dtype):
    beam, grid = SCANS["fan, large sinogram"]
    project, size = Projector(beam, grid), np.prod(beam.shape)
    image, sinogram = np.ones(grid.shape, dtype), np.ones(beam.shape, dtype)
    stated = 138 * size + 16 * image.size
    assert peak_bytes(lambda: project.forward(image)) == pytest.approx(stated + sinogram.nbytes, rel=0.2)
    assert peak_bytes(lambda: project.adjoint(sinogram)) == pytest.approx(stated + image.nbytes, rel=0.2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_memory_of_a_parallel_projector_is_as_stated(dtype):
    beam, grid = SCANS["parallel, large image"]
    project = Projector(beam, grid)
    image, sinogram = np.ones(grid.shape, dtype), np.ones(beam.shape, dtype)
    assert peak_bytes(lambda: project.forward(image)) == pytest.approx(1.3 * image.nbytes, rel=0.2)
    assert peak_bytes(lambda: project.adjoint(sinogram)) == pytest.approx(2.3 * image.nbytes, rel=0.2)
