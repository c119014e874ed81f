"""The splines of fan-beam rebinning against those of SciPy."""

import numpy as np
import pytest
from scipy.interpolate import make_interp_spline

from imgtech.geometry import FanBeam, ImageGrid
from imgtech.recon.ct._kernels_rebin import along_channels
from imgtech.recon.ct._rebin import _Spline, _taps, to_parallel

FAN = {"source_axis_mm": 80.0, "source_detector_mm": 130.0, "n_channels": 45, "channel_spacing_mm": 1.3}
GRID = ImageGrid(shape=(20, 17), spacing_mm=(0.7, 0.9))


@pytest.mark.parametrize("n_sites", [6, 7, 8, 9, 12, 75])
@pytest.mark.parametrize("n_views", [3, 32, 69])
@pytest.mark.parametrize("even", [True, False])
def test_splines_along_channels_are_those_of_scipy(n_sites, n_views, even, rng):
    sites = 0.3 + 0.7 * np.arange(n_sites) + (0.0 if even else rng.uniform(0.0, 0.5, n_sites))
    places = rng.uniform(sites[0], sites[-1], 41)
    places[:2] = sites[[0, -1]]
    sinogram, order = rng.normal(size=(n_views, n_sites)), rng.permutation(n_views)
    spline, out = _Spline.through(sites), np.empty((41, n_views))
    along_channels(2, sinogram, order, *spline.factors, *_taps(places, spline.knots), out)
    expected = make_interp_spline(sites, sinogram[order], k=5, axis=1)(places).T
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


def parallel_by_scipy(sinogram, fan, parallel):
    """Full turn: both ends of every line, by SciPy's splines, one parallel ray after the other."""
    order = np.argsort(np.mod(fan.angles_rad, 2 * np.pi))
    angles = np.mod(fan.angles_rad, 2 * np.pi)[order]
    angles = np.concatenate([angles - 2 * np.pi, angles, angles + 2 * np.pi])
    low_mm, high_mm = fan.ray_positions_mm[[0, -1]]
    out = np.empty(parallel.shape)
    for m, s in enumerate(parallel.channels_mm):
        total, weight = 0.0, 0.0
        for end, s_mm in ((0.0, s), (np.pi, -s)):
            if not low_mm <= s_mm <= high_mm:
                continue
            gamma = np.arcsin(s_mm / fan.source_axis_mm)
            place = fan.source_detector_mm * (np.tan(gamma) if fan.detector == "flat" else gamma)
            curve = make_interp_spline(fan.channels_mm, sinogram[order], k=5, axis=1)(place)
            beta = np.mod(parallel.angles_rad + gamma + end, 2 * np.pi)
            trust = np.clip(min(s_mm - low_mm, high_mm - s_mm) / min(-low_mm, high_mm), 1e-6, 1.0)
            total = total + trust * make_interp_spline(angles, np.tile(curve, 3), k=5)(beta)
            weight += trust
        out[:, m] = total / weight
    return out


@pytest.mark.parametrize("detector", ["flat", "curved"])
@pytest.mark.parametrize("offset_mm", [0.37, -9.0])
@pytest.mark.parametrize("jitter", [0.0, 1e-7, 0.3])
@pytest.mark.parametrize("n_views", [90, 91])
def test_parallel_readings_are_those_of_splines_of_scipy(detector, offset_mm, jitter, n_views, rng):
    step = 2 * np.pi / n_views
    angles = rng.permutation(0.2 + step * (np.arange(n_views) + rng.uniform(0.0, jitter, n_views)))
    fan = FanBeam(**FAN, angles_rad=angles, detector=detector, detector_offset_mm=offset_mm)
    sinogram = rng.normal(size=fan.shape)
    found, parallel = to_parallel(sinogram[None], fan, GRID)
    expected = parallel_by_scipy(sinogram, fan, parallel)
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=1e-9 * np.abs(expected).max())
