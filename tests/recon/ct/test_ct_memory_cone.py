"""Memory that fdk and wfbp take is what their docstrings say, and slabs bound it."""

import tracemalloc

import numpy as np
import pytest

from imgtech.geometry import ConeBeam, ImageGrid
from imgtech.recon.ct import _cone_frames, fdk, wfbp

MB = 2**20
PANEL = {"source_axis_mm": 400.0, "source_detector_mm": 600.0, "n_channels": 401, "n_rows": 300}
PANEL |= {"channel_spacing_mm": 0.61, "row_spacing_mm": 0.77, "detector_offset_mm": 0.2}


def peak_bytes(call):
    """Largest total of the arrays that a call holds; its first call, which may compile, is not counted."""
    call()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("n_views", "shape", "dtype", "mb"),
    [
        (56, (24, 97, 90), np.float32, 80),
        (40, (150, 130, 151), np.float32, 80),
        (28, (20, 90, 97), np.float64, 80),
        (56, (24, 97, 90), np.float32, 100),
    ],
)
def test_fdk_takes_the_result_and_80_mb_or_100_mb_without_a_matrix(n_views, shape, dtype, mb, monkeypatch):
    monkeypatch.setattr(_cone_frames, "_MOST_IN_MATRIX", 1024 if mb == 80 else 0)
    beam = ConeBeam.full_turn(n_views=n_views, **PANEL)
    grid = ImageGrid(shape=shape, spacing_mm=(130 / shape[0], 1.1, 0.9), center_mm=(1.0, 2.0, -3.0))
    projections = np.ones(beam.shape, dtype)
    stated = np.dtype(dtype).itemsize * np.prod(shape) + mb * MB
    assert peak_bytes(lambda: fdk(projections, beam, grid)) == pytest.approx(stated, rel=0.2)


@pytest.mark.parametrize(
    ("n_turns", "shape", "dtype"),
    [(7.0, (20, 47, 50), np.float32), (3.0, (90, 160, 151), np.float32), (3.0, (20, 50, 47), np.float64)],
)
def test_wfbp_takes_two_copies_or_one_with_the_result_twice_and_40_mb(n_turns, shape, dtype):
    beam = ConeBeam.helical(
        pitch_mm=40.0, n_turns=n_turns, n_views_per_turn=60, source_axis_mm=300.0, source_detector_mm=540.0,
        detector="curved", n_channels=403, channel_spacing_mm=0.36, n_rows=64, row_spacing_mm=1.3,
    )  # fmt: skip
    grid = ImageGrid(shape=shape, spacing_mm=(0.3, 38 / shape[1], 42 / shape[2]), center_mm=(1.0, 2.0, -3.0))
    projections = np.ones(beam.shape, dtype)
    result = np.dtype(dtype).itemsize * np.prod(shape)
    stated = max(2 * projections.nbytes, projections.nbytes + 2 * result + 40 * MB)
    assert peak_bytes(lambda: wfbp(projections, beam, grid)) == pytest.approx(stated, rel=0.2)


def test_slabs_from_a_file_bound_the_memory_and_have_the_values_of_the_whole(tmp_path, rng):
    beam = ConeBeam.full_turn(n_views=160, **PANEL)
    noise = rng.standard_normal(beam.shape, np.float32)
    np.save(tmp_path / "scan.npy", noise)
    stored = np.load(tmp_path / "scan.npy", mmap_mode="r")
    shape, spacing_mm = (70, 31, 40), (1.3, 3.1, 2.9)
    whole_grid = ImageGrid(shape=shape, spacing_mm=spacing_mm, center_mm=(1.0, 2.0, -3.0))
    whole = fdk(noise, beam, whole_grid)
    z_mm = whole_grid.coordinates_mm[0]
    for begin, end in ((0, 23), (23, 40), (40, 70)):
        center_mm = ((z_mm[begin] + z_mm[end - 1]) / 2, 2.0, -3.0)
        slab = ImageGrid(shape=(end - begin, *shape[1:]), spacing_mm=spacing_mm, center_mm=center_mm)
        part = fdk(stored, beam, slab)
        np.testing.assert_allclose(part, whole[begin:end], atol=1e-5 * np.abs(whole).max())
        if begin == 23:
            assert stored.nbytes > 70 * MB
            assert peak_bytes(lambda slab=slab: fdk(stored, beam, slab)) < 100 * MB
