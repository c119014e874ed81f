"""FBP beside scikit-image's iradon, on the same closed-form sinograms."""

import numpy as np
import pytest
from skimage.transform import iradon, radon

from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.phantoms import shepp_logan
from imgtech.recon.ct import Projector, backproject, fbp

N, SPACING_MM = 128, 0.8


def geometry():
    """The geometry of iradon: the axis sits at pixel and channel N // 2, rows run towards -y."""
    grid = ImageGrid.fft((N, N), spacing_mm=(SPACING_MM, SPACING_MM))
    beam = ParallelBeam.half_turn(
        n_views=180, n_channels=N, channel_spacing_mm=SPACING_MM, detector_offset_mm=-SPACING_MM / 2
    )
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    return beam, grid, np.hypot(y, x) < 0.95 * N / 2 * SPACING_MM


def to_our_rows(image):
    """Turn rows that run towards -y into rows towards +y, with the axis still at row N // 2."""
    return np.roll(image[::-1], 1, axis=0)


def test_backproject_agrees_with_iradon_without_a_filter(rng):
    beam, grid, inside = geometry()
    sinogram = shepp_logan(radius_mm=45.0).sinogram(beam, dtype=np.float64)
    theirs = iradon(sinogram.T, np.rad2deg(beam.angles_rad), filter_name=None, circle=True)
    ours = backproject(sinogram, beam, grid) * np.pi / 360
    assert np.abs(ours - to_our_rows(theirs))[inside].max() < 0.002 * theirs.max()


def test_fbp_is_as_close_to_the_truth_as_iradon():
    beam, grid, inside = geometry()
    head = shepp_logan(radius_mm=45.0)
    sinogram, truth = head.sinogram(beam), head.image(grid)
    ours = fbp(sinogram, beam, grid)
    theirs = iradon(sinogram.T, np.rad2deg(beam.angles_rad), filter_name="ramp", circle=True)
    theirs = to_our_rows(theirs) / SPACING_MM

    def rmse(image):
        return np.sqrt(np.mean((image - truth)[inside] ** 2))

    assert rmse(ours) <= rmse(theirs)
    assert np.abs(ours - theirs)[inside].mean() < 0.02 * truth.max()


def test_projector_agrees_with_radon():
    beam, grid, inside = geometry()
    image = np.where(inside, shepp_logan(radius_mm=45.0).image(grid), 0).astype(np.float64)
    theirs = radon(np.roll(image, -1, axis=0)[::-1], np.rad2deg(beam.angles_rad), circle=True).T * SPACING_MM
    ours = Projector(beam, grid).forward(image)
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < 0.005 * theirs.max()
    assert ours.sum() == pytest.approx(theirs.sum(), rel=1e-3)
