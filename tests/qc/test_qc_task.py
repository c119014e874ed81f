"""Detectability, channelised observers, low contrast and ROC areas against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage, special, stats

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredPoint
from imgtech.qc.metrics import (
    MTF,
    NPS,
    DiskTask,
    EyeFilter,
    GaussianTask,
    auc,
    channelised_hotelling,
    detectability_index,
    detectability_of_auc,
    difference_of_gaussian_channels,
    gabor_channels,
    laguerre_gauss_channels,
    low_contrast_limit,
    noise_power_spectrum,
    roc_curve,
    wire_mtf,
)
from imgtech.qc.roi import disk_region, region_mean

CONTRAST, SIGNAL, BLUR = 12.0, 1.1, 0.4


def gaussian_mtf(sigma: float = BLUR) -> MTF:
    f = np.linspace(0, 3, 601)
    measured = wire_mtf(
        BlurredPoint(position_mm=(0.1, 0.0), sigma_mm=(0.5, 0.5)).image(ImageGrid.square(40, fov_mm=16.0)),
        (0.4, 0.4),
    )
    return MTF(
        frequencies_per_mm=f,
        values=np.exp(-2 * (np.pi * sigma * f) ** 2),
        modes=np.zeros((601, 1)),
        algorithm="closed-form-1",
        definition=measured.definition,
    )


def spectrum(level: float, sigma: float = 0.0) -> NPS:
    """Noise of power ``level`` blurred by a Gaussian, in closed form."""
    f = np.fft.fftshift(np.fft.fftfreq(128, 0.25))
    rings = np.arange(1, 62) / 32
    power = np.exp(-4 * (np.pi * sigma * rings) ** 2) * level
    return NPS(
        frequencies_y_per_mm=f,
        frequencies_x_per_mm=f,
        values=np.full((128, 128), level),
        radial_frequencies_per_mm=rings,
        radial_values=power,
        radial_uncertainties=0 * power + 1e-9,
        mean=100.0,
        n_regions=50,
    )


TASK = GaussianTask(contrast=CONTRAST, sigma_mm=SIGNAL)
TOTAL = (2 * math.pi * CONTRAST * SIGNAL**2) ** 2
WIDTH = SIGNAL**2 + BLUR**2


@pytest.mark.parametrize("observer", ["npw", "pw"])
def test_in_white_noise_both_observers_reach_the_matched_filter(observer) -> None:
    m = detectability_index(TASK, gaussian_mtf(), spectrum(5.0), observer=observer)
    assert m.value == pytest.approx(math.sqrt(TOTAL / 5.0 / (4 * math.pi * WIDTH)), rel=1e-3)


def test_in_coloured_noise_the_ideal_observer_is_better_by_what_the_closed_form_says() -> None:
    noise = 0.7
    npw = detectability_index(TASK, gaussian_mtf(), spectrum(5.0, noise), observer="npw")
    pw = detectability_index(TASK, gaussian_mtf(), spectrum(5.0, noise), observer="pw")
    ideal = TOTAL / 5.0 / (4 * math.pi * (WIDTH - noise**2))
    matched = TOTAL / 5.0 * (WIDTH + noise**2) / (4 * math.pi * WIDTH**2)
    assert pw.value == pytest.approx(math.sqrt(ideal), rel=2e-3)
    assert npw.value == pytest.approx(math.sqrt(matched), rel=2e-3)
    assert pw.value > npw.value


def test_the_eye_and_its_noise_enter_as_the_formula_says() -> None:
    eye = EyeFilter(distance_mm=400.0, magnification=2.0)
    m = detectability_index(
        TASK, gaussian_mtf(), spectrum(5.0, 0.5), observer="npwe", eye=eye, internal_noise=1.5
    )
    f = np.linspace(0, 61 / 32, 200_001)
    rho = f * 400 * math.pi / 180 / 2
    e = rho**1.3 * np.exp(-1.3 / 32 * rho**2)
    seen = (TASK.spectrum(f) * np.exp(-2 * (np.pi * BLUR * f) ** 2)) ** 2 * f * 2 * np.pi * f[1]
    power = 5 * np.exp(-4 * (np.pi * 0.5 * f) ** 2)
    truth = np.sum(seen * e**2) ** 2 / np.sum(seen * (e**4 * power + e**2 * 1.5))
    assert m.value == pytest.approx(math.sqrt(truth), rel=2e-3)


def test_disk_task_is_the_transform_of_a_disk() -> None:
    task = DiskTask(contrast=3.0, diameter_mm=4.0)
    assert task.spectrum([0.0])[0] == pytest.approx(3 * math.pi * 4)
    assert task.spectrum([0.3])[0] == pytest.approx(3 * 2 * special.j1(2 * np.pi * 2 * 0.3) / 0.3)


def test_uncertainty_of_the_index_is_the_scatter_seen(rng) -> None:
    """MTF of a noisy wire and noise power of a few regions of correlated noise."""
    grid, spacing = ImageGrid(shape=(40, 44), spacing_mm=(0.4, 0.4)), (0.4, 0.4)
    wire = BlurredPoint(position_mm=(0.1, -0.2), sigma_mm=(0.6, 0.6), total=60.0).image(
        grid, dtype=np.float64
    )
    found = []
    for _ in range(60):
        noise = ndimage.gaussian_filter(rng.standard_normal((6, 64, 64)), (0, 0.8, 0.8), mode="wrap")
        nps = noise_power_spectrum(20 * noise, spacing)
        m = detectability_index(TASK, wire_mtf(wire + rng.standard_normal(wire.shape), spacing), nps)
        found.append((m.value, m.uncertainty))
    values, spreads = np.array(found).T
    assert values.std(ddof=1) == pytest.approx(spreads.mean(), rel=0.3)


GRID = ImageGrid(shape=(33, 36), spacing_mm=(0.8, 0.7), center_mm=(1.0, -2.0))
CENTER = (1.6, -1.4)


def images(rng, n: int, contrast: float, blur: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    y, x = GRID.coordinates_mm
    square = (y[:, None] - CENTER[0]) ** 2 + (x - CENTER[1]) ** 2
    signal = contrast * np.exp(-square / (2 * 2.0**2))
    noise = rng.standard_normal((2 * n, *GRID.shape))
    if blur:
        noise = ndimage.gaussian_filter(noise, (0, blur, blur), mode="wrap")
    return noise[:n] + signal, noise[n:], signal


@pytest.mark.parametrize("n_channels", [1, 5])
def test_matched_laguerre_gauss_channels_reach_the_ideal_observer_in_white_noise(rng, n_channels) -> None:
    with_signal, without, signal = images(rng, 300, 0.3)
    channels = laguerre_gauss_channels(
        GRID, center_mm=CENTER, width_mm=2.0 * math.sqrt(2 * math.pi), n_channels=n_channels
    )
    m = channelised_hotelling(with_signal, without, channels)
    ideal = math.sqrt(float((signal**2).sum()))
    assert ideal == pytest.approx(0.3 * math.sqrt(math.pi) * 2.0 / math.sqrt(0.56), rel=1e-3)
    assert m.value == pytest.approx(ideal, abs=3 * m.uncertainty)
    assert m.details["95 % from"] < m.value < m.details["95 % to"]


@pytest.mark.parametrize("kind", ["gabor", "dog", "laguerre"])
def test_observer_in_coloured_noise_is_that_of_the_exact_covariance_and_free_of_bias(rng, kind) -> None:
    make = {
        "gabor": lambda: gabor_channels(
            GRID, center_mm=CENTER, frequencies_per_mm=[0.06, 0.12], n_directions=3, phases_rad=[0.0]
        ),
        "dog": lambda: difference_of_gaussian_channels(
            GRID, center_mm=CENTER, first_per_mm=0.02, n_channels=6
        ),
        "laguerre": lambda: laguerre_gauss_channels(GRID, center_mm=CENTER, width_mm=5.0, n_channels=4),
    }
    u = make[kind]()
    flat = u.reshape(len(u), -1)
    _, _, signal = images(rng, 2, 0.3)
    blurred = ndimage.gaussian_filter(u, (0, 0.9, 0.9), mode="wrap").reshape(len(u), -1)
    exact = blurred @ blurred.T
    outputs = flat @ signal.ravel()
    truth = float(outputs @ np.linalg.solve(exact, outputs))
    squares, inside, scatter = [], 0, []
    for _ in range(60):
        with_signal, without, _ = images(rng, 30, 0.3, 0.9)
        m = channelised_hotelling(with_signal, without, u)
        squares.append(m.value**2)
        scatter.append((m.value, m.uncertainty))
        inside += m.details["95 % from"] <= math.sqrt(truth) <= m.details["95 % to"]
    standard_error = np.std(squares, ddof=1) / math.sqrt(60)
    assert np.mean(squares) == pytest.approx(truth, abs=3 * standard_error)
    assert inside >= 51
    values, spreads = np.array(scatter).T
    assert values.std(ddof=1) == pytest.approx(spreads.mean(), rel=0.3)


def test_channels_have_the_passbands_that_they_are_named_for() -> None:
    grid = ImageGrid(shape=(129, 129), spacing_mm=(0.5, 0.5))
    f = np.fft.fftfreq(129, 0.5)
    gabor = gabor_channels(grid, center_mm=(0, 0), frequencies_per_mm=[0.2], n_directions=2, phases_rad=[0.0])
    for channel, axis in zip(gabor, (1, 0), strict=True):  # along x first, then along y
        profile = np.abs(np.fft.fft2(channel)).max(axis=1 - axis)[: 129 // 2]
        half = f[:64][profile > profile.max() / 2]
        assert f[:64][np.argmax(profile)] == pytest.approx(0.2, abs=0.01)
        # one octave: from f to 2 f around the centre 1.5 f
        assert half[-1] / half[0] == pytest.approx(2.0, rel=0.12)
    dog = difference_of_gaussian_channels(
        grid, center_mm=(0, 0), first_per_mm=0.03, n_channels=3, ratio=2.0, bandwidth=2.0
    )
    for j, channel in enumerate(dog):
        s = 0.03 * 2**j
        band = np.fft.fft2(np.fft.ifftshift(channel)).real[0, :64] * 0.25
        truth = np.exp(-((f[:64] / (2 * s)) ** 2) / 2) - np.exp(-((f[:64] / s) ** 2) / 2)
        assert band == pytest.approx(truth, abs=1e-3)


@pytest.mark.parametrize("blur", [0.0, 1.2])
def test_contrast_limit_is_that_of_the_scatter_of_means(rng, blur) -> None:
    grid = ImageGrid(shape=(220, 240), spacing_mm=(0.5, 0.45), center_mm=(3.0, 1.0))
    y, x = grid.coordinates_mm
    shading = 0.05 * y[:, None] - 0.02 * x
    disk = disk_region(
        ImageGrid(shape=(25, 25), spacing_mm=grid.spacing_mm), center_mm=(0.1, 0.1), radius_mm=2.0
    )
    smooth = ndimage.gaussian_filter(np.pad(disk / disk.sum(), 12), blur) if blur else disk / disk.sum()
    truth = 3.29 * 7 * math.sqrt(float((smooth**2).sum()))
    found = []
    for _ in range(12):
        noise = rng.standard_normal(grid.shape)
        if blur:
            noise = ndimage.gaussian_filter(noise, blur, mode="wrap")
        found.append(low_contrast_limit(30 + shading + 7 * noise, grid, diameter_mm=4.0))
    mean = np.mean([m.value for m in found])
    spread = np.mean([m.uncertainty for m in found])
    assert mean == pytest.approx(truth, abs=3 * spread / math.sqrt(12))
    assert np.std([m.value for m in found], ddof=1) == pytest.approx(spread, rel=0.6)


def test_contrast_limit_is_that_of_disk_regions_one_by_one(rng) -> None:
    grid = ImageGrid(shape=(61, 58), spacing_mm=(0.9, 1.1), center_mm=(3.0, 1.0))
    image = 30 + rng.standard_normal(grid.shape)
    m = low_contrast_limit(image, grid, diameter_mm=7.3, detrend="mean")
    means = []
    for i in range(7):  # 7 by 8 disks fit
        for j in range(8):
            center = (3.0 + (i - 3.0) * 7.3, 1.0 + (j - 3.5) * 7.3)
            means.append(region_mean(image, disk_region(grid, center_mm=center, radius_mm=3.65)))
    assert m.value == pytest.approx(3.29 * np.std(means, ddof=1), rel=1e-12)
    assert m.details["disks"] == 56


def test_auc_of_normal_scores_is_the_closed_form(rng) -> None:
    areas = {name: [] for name in ("delong", "hanley-mcneil")}
    truth = float(stats.norm.cdf(1.3 / math.sqrt(2)))
    for _ in range(200):
        x, y = 1.3 + rng.standard_normal(60), rng.standard_normal(80)
        for name, found in areas.items():
            m = auc(x, y, method=name)
            found.append((m.value, m.uncertainty, m.interval()[0] <= truth <= m.interval()[1]))
    for found in areas.values():
        values, spreads, inside = np.array(found).T
        assert values.mean() == pytest.approx(truth, abs=3 * values.std() / math.sqrt(200))
        assert values.std(ddof=1) == pytest.approx(spreads.mean(), rel=0.15)
        assert inside.mean() > 0.9
    m = detectability_of_auc(auc(1.3 + rng.standard_normal(4000), rng.standard_normal(4000)))
    assert m.value == pytest.approx(1.3, abs=3 * m.uncertainty)


def test_auc_counts_pairs_and_ties_and_is_the_area_of_the_curve() -> None:
    x, y = [1.0, 3.0, 3.0, 5.0], [0.0, 3.0, 2.0]
    pairs = np.mean([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x])
    assert auc(x, y).value == pytest.approx(pairs)
    assert np.trapezoid(*roc_curve(x, y)[::-1]) == pytest.approx(pairs)
    assert auc(y, x).value == pytest.approx(1 - pairs)
    assert auc([2.0, 3.0], [0.0, 1.0]).uncertainty > 0


def test_variance_of_delong_is_that_of_the_placements_written_out() -> None:
    x, y = np.array([0.3, 1.2, 2.2, 0.9]), np.array([0.1, 1.0, 0.5])
    psi = (x[:, None] > y).astype(float)
    square = psi.mean(axis=1).var(ddof=1) / 4 + psi.mean(axis=0).var(ddof=1) / 3
    assert auc(x, y).uncertainty == pytest.approx(math.sqrt(square))


def test_what_cannot_be_measured_is_refused_with_the_reason(rng) -> None:
    mtf, nps = gaussian_mtf(), spectrum(5.0)
    with pytest.raises(ValueError, match="observer must be one of"):
        detectability_index(TASK, mtf, nps, observer="best")
    with pytest.raises(ValueError, match="eye must be given"):
        detectability_index(TASK, mtf, nps, observer="npwe")
    with pytest.raises(ValueError, match="internal_noise must be 0"):
        detectability_index(TASK, mtf, nps, internal_noise=1.0)
    with pytest.raises(ValueError, match="diameter_mm must be positive"):
        DiskTask(contrast=1.0, diameter_mm=0.0)
    with_signal, without, _ = images(rng, 6, 0.3)
    channels = laguerre_gauss_channels(GRID, center_mm=CENTER, width_mm=5.0, n_channels=9)
    with pytest.raises(ValueError, match="at least 13 images"):
        channelised_hotelling(with_signal, without, channels)
    with pytest.raises(ValueError, match="singular"):
        channelised_hotelling(with_signal, without, channels[[0, 0]])
    with pytest.raises(ValueError, match="signal_images must end with shape"):
        channelised_hotelling(with_signal[:, :5], without, channels[:2])
    with pytest.raises(ValueError, match="ratio must be above 1"):
        difference_of_gaussian_channels(GRID, center_mm=CENTER, first_per_mm=0.1, ratio=1.0)
    with pytest.raises(ValueError, match="at least 12 disks"):
        low_contrast_limit(without[0], GRID, diameter_mm=9.0)
    with pytest.raises(ValueError, match="hold at least 2 each"):
        auc([1.0], [2.0, 3.0])
    with pytest.raises(ValueError, match="signal_scores must be finite"):
        auc([np.nan, 1.0], [2.0, 3.0])
    with pytest.raises(ValueError, match="area must lie between 0 and 1"):
        detectability_of_auc(auc([2.0, 3.0], [0.0, 1.0]))
