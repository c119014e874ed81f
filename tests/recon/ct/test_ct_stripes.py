"""Stripes: what is known to be added goes, what is not stays."""

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.phantoms import shepp_logan, slanted_edge
from imgtech.qc.metrics import slanted_edge_mtf
from imgtech.recon.ct import fbp
from imgtech.recon.ct.corrections import (
    fill_defective_channels,
    remove_stripes_smoothing,
    remove_stripes_sorting,
    remove_stripes_wavelet,
)

BEAM = ParallelBeam.half_turn(
    n_views=300, n_channels=241, channel_spacing_mm=0.7, detector_offset_mm=1.3, start_rad=0.2
)
GRID = ImageGrid(shape=(201, 190), spacing_mm=(0.8, 0.8), center_mm=(2.0, -1.0))
CLEAN = shepp_logan(radius_mm=70.0, center_mm=(3.0, -4.0)).sinogram(BEAM, dtype=np.float64)
NARROW = {50: 0.3, 88: -0.2, 121: 0.4, 122: 0.2, 160: -0.5}


def striped():
    sinogram = CLEAN.copy()
    for channel, offset in NARROW.items():
        sinogram[:, channel] += offset
    return sinogram


def ring_level(sinogram):
    """Root mean square of what the sinogram adds to the clean image."""
    return np.sqrt(np.mean((fbp(sinogram, BEAM, GRID) - fbp(CLEAN, BEAM, GRID)) ** 2))


@pytest.mark.parametrize(
    ("remove", "left"),
    [(remove_stripes_sorting, 0.2), (remove_stripes_smoothing, 0.25), (remove_stripes_wavelet, 0.35)],
)
def test_rings_of_narrow_stripes_go(remove, left):
    pytest.importorskip("pywt", reason="needs PyWavelets")
    assert ring_level(remove(striped())) < left * ring_level(striped())


@pytest.mark.parametrize(
    "remove",
    [remove_stripes_sorting, remove_stripes_smoothing, fill_defective_channels, remove_stripes_wavelet],
)
def test_a_stack_is_treated_slice_by_slice_in_its_own_precision(remove):
    pytest.importorskip("pywt", reason="needs PyWavelets")
    stack = np.stack([striped(), CLEAN]).astype(np.float32)
    found = remove(stack)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[1], remove(stack[1]))
    before = stack.copy()
    remove(stack)
    np.testing.assert_array_equal(stack, before)


def test_stuck_jumping_and_partial_channels_are_filled_and_the_rest_stays_bit_by_bit(rng):
    sinogram = CLEAN + 0.005 * rng.standard_normal(CLEAN.shape)
    noisy = sinogram.copy()
    sinogram[:, 100:103] += 0.4
    sinogram[:, 150] = 0.7
    sinogram[:150, 180] += 0.5
    sinogram[:, 60] += rng.choice([0.0, 0.6], 300)
    found = fill_defective_channels(sinogram)
    changed = set(np.flatnonzero((found != sinogram).any(axis=0)))
    stripes = {100, 101, 102, 150, 180, 60}
    assert stripes <= changed <= {k + j for k in stripes for j in range(-4, 5)}
    assert len(changed) < 20
    defects = sorted(stripes)
    left = np.abs(found[:, defects] - noisy[:, defects]).mean()
    assert left < 0.1 * np.abs(sinogram[:, defects] - noisy[:, defects]).mean()


def test_a_clean_sinogram_hardly_changes():
    np.testing.assert_array_equal(fill_defective_channels(CLEAN), CLEAN)
    assert np.sqrt(np.mean((remove_stripes_sorting(CLEAN) - CLEAN) ** 2)) < 2e-3 * CLEAN.max()
    assert np.sqrt(np.mean((remove_stripes_smoothing(CLEAN) - CLEAN) ** 2)) < 2e-3 * CLEAN.max()
    assert np.sqrt(np.mean((remove_stripes_wavelet(CLEAN) - CLEAN) ** 2)) < 8e-3 * CLEAN.max()
    flat = np.full((40, 60), 0.7)
    np.testing.assert_array_equal(remove_stripes_sorting(flat), flat)
    np.testing.assert_array_equal(fill_defective_channels(flat), flat)


@pytest.mark.parametrize(
    "remove",
    [remove_stripes_sorting, remove_stripes_smoothing, remove_stripes_wavelet, fill_defective_channels],
)
def test_edges_keep_their_mtf(remove):
    pytest.importorskip("pywt", reason="needs PyWavelets")
    beam = ParallelBeam.half_turn(n_views=360, n_channels=321, channel_spacing_mm=0.35)
    grid = ImageGrid(shape=(100, 90), spacing_mm=(0.3, 0.3), center_mm=(0.0, -20.0))
    edge = slanted_edge(angle_rad=0.09, position_mm=-20.0, value=0.02, size_mm=(60.0, 40.0))
    sinogram = edge.sinogram(beam, dtype=np.float64)
    sharp = slanted_edge_mtf(fbp(sinogram, beam, grid, window="hann"), grid.spacing_mm).at(0.5).value
    striped = sinogram + 0.2 * (np.arange(321) % 37 == 5)
    kept = slanted_edge_mtf(fbp(remove(striped), beam, grid, window="hann"), grid.spacing_mm).at(0.5).value
    assert kept == pytest.approx(sharp, rel=0.03)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: remove_stripes_sorting(s * np.nan), "sinogram must be finite"),
        (lambda s: remove_stripes_sorting(s, width=2), "width must be at least 3"),
        (lambda s: fill_defective_channels(s, width=242), "width must be at most the 241 channels"),
        (lambda s: remove_stripes_smoothing(s, sigma_channels=0.0), "sigma_channels must be positive"),
        (lambda s: fill_defective_channels(s, ratio=1.0), "ratio must lie above 1"),
        (lambda s: remove_stripes_sorting(s[0]), "sinogram must have 2 or 3 axes"),
        (lambda s: remove_stripes_wavelet(s, wavelet="morl"), "wavelet must be a discrete wavelet"),
        (lambda s: remove_stripes_wavelet(s, n_levels=9), "n_levels must be at most 4"),
        (lambda s: remove_stripes_wavelet(s, sigma=-1.0), "sigma must be positive"),
    ],
)
def test_bad_input_is_refused_by_name(call, words):
    pytest.importorskip("pywt", reason="needs PyWavelets")
    with pytest.raises(ValueError, match=words):
        call(CLEAN)
