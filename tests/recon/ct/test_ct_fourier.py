"""The Fourier method against the sum that it stands for, wave by wave."""

import numpy as np
import pytest
import scipy.fft

from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.phantoms import shepp_logan
from imgtech.recon.ct import angular_weights, fbp, ramp_response, window_response
from reference.ct_loops import fbp_waves

GRIDS = {
    "about the channels": ImageGrid(shape=(60, 65), spacing_mm=(5.6, 5.0), center_mm=(3.0, -4.0)),
    "coarse pixels, frequencies beyond theirs": ImageGrid(shape=(31, 24), spacing_mm=(11.0, 13.1)),
    "coarse in one direction": ImageGrid(shape=(19, 96), spacing_mm=(16.0, 3.1), center_mm=(5.0, 2.0)),
    "fine pixels, a part": ImageGrid(shape=(70, 61), spacing_mm=(0.6, 0.4), center_mm=(20.0, 10.0)),
    "one row": ImageGrid(shape=(1, 17), spacing_mm=(7.0, 9.0), center_mm=(-31.0, 8.0)),
    "one pixel": ImageGrid(shape=(1, 1), spacing_mm=(7.0, 9.0), center_mm=(-31.0, 8.0)),
}


def scan(n_channels, n_views, span_rad, rng):
    angles = rng.permutation(np.arange(n_views)) * span_rad / n_views + rng.uniform(-7.0, 7.0)
    return ParallelBeam(
        angles_rad=np.append(angles, [0.0, np.pi / 2, np.pi]),
        n_channels=n_channels,
        channel_spacing_mm=358.0 / n_channels,
        detector_offset_mm=1.1,
    )


def waves(sinogram, beam, grid, window="ram-lak", cutoff=1.0):
    n = 2 * scipy.fft.next_fast_len(beam.n_channels + 2, real=True)
    response = ramp_response(n, beam.channel_spacing_mm)
    response *= window_response(window, np.linspace(0, 1, len(response)), cutoff=cutoff)
    return fbp_waves(sinogram, beam, grid, angular_weights(beam.angles_rad), response)


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize(("dtype", "limit"), [(np.float32, 1e-5), (np.float64, 8e-6)])
@pytest.mark.parametrize(("n_channels", "n_views", "span_rad"), [(64, 90, np.pi), (63, 91, 2 * np.pi)])
def test_the_fourier_method_is_the_sum_of_all_waves(rng, name, dtype, limit, n_channels, n_views, span_rad):
    beam, grid = scan(n_channels, n_views, span_rad, rng), GRIDS[name]
    whole = GRIDS["about the channels"]
    noise = 0.1 * rng.normal(size=beam.shape)
    noise[:, [0, -1]] = 0
    sinogram = (shepp_logan(radius_mm=170.0).sinogram(beam, dtype=np.float64) + noise).astype(dtype)
    image, expected = fbp(sinogram, beam, grid), waves(sinogram, beam, grid)
    assert image.dtype == dtype
    assert (image != 0).mean() > 0.5
    difference = np.abs(image - expected)[image != 0].max()
    assert difference < limit * np.abs(waves(sinogram, beam, whole)).max()


@pytest.mark.parametrize(("window", "cutoff"), [("hann", 0.6), ("shepp-logan", 1.0), ("cosine", 0.83)])
def test_windows_act_on_the_waves(rng, window, cutoff):
    beam, grid = scan(64, 90, np.pi, rng), GRIDS["about the channels"]
    sinogram = rng.normal(size=beam.shape)
    sinogram[:, [0, -1]] = 0
    image = fbp(sinogram, beam, grid, window=window, cutoff=cutoff)
    expected = waves(sinogram, beam, grid, window, cutoff)
    assert np.abs(image - expected)[image != 0].max() < 8e-6 * np.abs(expected).max()


def test_both_methods_agree_within_the_rounding_of_the_direct_one():
    beam = ParallelBeam.half_turn(
        n_views=360, n_channels=260, channel_spacing_mm=1.4, detector_offset_mm=0.5, start_rad=0.4
    )
    grid = ImageGrid(shape=(201, 230), spacing_mm=(1.5, 1.3), center_mm=(4.0, -7.0))
    sinogram = shepp_logan(radius_mm=170.0).sinogram(beam)
    both = [fbp(sinogram, beam, grid, window="hann", method=method) for method in ("fourier", "direct")]
    assert np.array_equal(both[0] != 0, both[1] != 0)
    assert np.abs(both[0] - both[1]).max() < 0.02 * both[0].max()
    assert np.std(both[0] - both[1]) < 1.5e-3 * both[0].max()


def test_an_unknown_method_is_refused():
    beam = ParallelBeam.half_turn(n_views=12, n_channels=9, channel_spacing_mm=1.2)
    with pytest.raises(ValueError, match="method must be one of fourier, direct, got 'exact'"):
        fbp(np.zeros(beam.shape), beam, ImageGrid.square(4, fov_mm=4.0), method="exact")
