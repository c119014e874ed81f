"""A real parallel-beam scan: the rotation axis is where the data set says."""

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.recon.ct import fbp

SPACING_MM = 0.01


def test_a_synchrotron_tooth_is_cleanest_with_its_axis_at_channel_296(data):
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    with h5py.File(data("ct_raw/parallel_tooth.h5")) as file:
        counts, white, dark = (file["exchange"][name][:] for name in ("data", "data_white", "data_dark"))
        angles_rad = np.deg2rad(file["exchange/theta"][:])
    transmission = (counts - dark.mean(axis=0)) / (white.mean(axis=0) - dark.mean(axis=0))
    stack = -np.log(transmission.swapaxes(0, 1)).astype(np.float32)
    grid = ImageGrid(shape=(300, 320), spacing_mm=(0.017, 0.017))
    axes = np.arange(292.0, 300.25, 0.5)
    negative = []
    for axis in axes:
        beam = ParallelBeam(
            angles_rad=angles_rad,
            n_channels=640,
            channel_spacing_mm=SPACING_MM,
            detector_offset_mm=(639 / 2 - axis) * SPACING_MM,
        )
        images = fbp(stack, beam, grid, window="hann")
        negative.append(-np.minimum(images, 0.0).sum(axis=(1, 2)))  # a wrong axis makes negative tissue
    assert np.all(np.abs(axes[np.argmin(negative, axis=0)] - 296.0) <= 0.5)
