"""Signal-to-noise ratio of images with a known signal and known noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from imgtech.geometry import ImageGrid
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics import normalised_snr, snr_single_image, snr_smoothing, snr_two_images
from imgtech.qc.roi import disk_region

SHAPE = (113, 128)


def region(rows: slice, columns: slice) -> np.ndarray:
    weights = np.zeros(SHAPE)
    weights[rows, columns] = 1
    return weights


INSIDE = region(slice(12, 95), slice(50, 120))
AIR = region(slice(5, 105), slice(3, 35))


def noise(rng: np.random.Generator, blur_px: float = 0.0) -> np.ndarray:
    """White or Gaussian-blurred noise of variance 1."""
    white = rng.standard_normal(SHAPE)
    if blur_px == 0:
        return white
    return ndimage.gaussian_filter(white, blur_px, mode="wrap") * math.sqrt(4 * math.pi) * blur_px


def agrees(measurement: Measurement, truth: float) -> bool:
    """Within three standard uncertainties, of which there must be some and not too much."""
    assert measurement.value is not None
    assert measurement.uncertainty is not None
    assert 0 < measurement.uncertainty < 0.05 * truth
    return abs(measurement.value - truth) < 3 * measurement.uncertainty


def test_two_images_give_signal_over_noise_whatever_the_shading(rng: np.random.Generator) -> None:
    y, x = np.indices(SHAPE)
    shaded = 80 * (1 + 0.3 * np.sin(x / 25) + 0.002 * y)
    first, second = shaded + 1.6 * noise(rng), shaded + 1.6 * noise(rng)
    truth = float(shaded[INSIDE > 0].mean()) / 1.6
    assert agrees(snr_two_images(first, second, INSIDE), truth)


def test_a_disk_leaves_out_what_lies_in_the_corners_around_it(rng: np.random.Generator) -> None:
    """Air and its strong noise fill the corners of the box around the region; soft edges count by share."""
    grid = ImageGrid(shape=(70, 84), spacing_mm=(1.1, 0.9), center_mm=(2.0, -3.0))
    disk = disk_region(grid, center_mm=(4.0, -5.0), radius_mm=22.3)
    spread = np.where(disk > 0, 2.0, 9.0)
    pair = np.where(disk > 0, 100.0, 3.0) + spread * rng.standard_normal((2, *grid.shape))
    m = snr_two_images(pair[0], pair[1], disk)
    mean = np.average(pair[0], weights=disk)
    assert m.details["signal"] == pytest.approx(mean, rel=1e-12)
    difference = pair[0] - pair[1]
    around = np.average(difference, weights=disk)
    square = np.average((difference - around) ** 2, weights=disk) / 2
    share = (disk**2).sum() / disk.sum() ** 2
    assert m.value == pytest.approx(mean / math.sqrt(square / (1 - share)), rel=1e-12)
    assert abs(m.value - 50) < 3 * m.uncertainty


def test_two_images_follow_the_formula_of_the_standard(rng: np.random.Generator) -> None:
    first, second = 70 + noise(rng), 75 + noise(rng)
    used = INSIDE > 0
    formula = math.sqrt(2) * first[used].mean() / (first - second)[used].std(ddof=1)
    assert snr_two_images(first, second, INSIDE).value == pytest.approx(formula, rel=1e-12)


def test_several_regions_give_the_mean_of_their_ratios(rng: np.random.Generator) -> None:
    _, x = np.indices(SHAPE)
    first, second = 50 + 0.5 * x + noise(rng), 50 + 0.5 * x + noise(rng)
    regions = np.stack([region(slice(10, 30), slice(k, k + 20)) for k in (10, 60, 100)])
    single = [snr_two_images(first, second, one).value for one in regions]
    assert snr_two_images(first, second, regions).value == pytest.approx(np.mean(single), rel=1e-12)


def test_the_uncertainty_for_white_noise_is_that_of_the_pixel_count(rng: np.random.Generator) -> None:
    m = snr_two_images(100 + noise(rng), 100 + noise(rng), INSIDE)
    assert m.value is not None
    assert m.uncertainty == pytest.approx(m.value / math.sqrt(2 * INSIDE.sum()), rel=0.03)


def test_the_uncertainty_grows_with_the_correlation_of_the_noise(rng: np.random.Generator) -> None:
    blur = 0.9
    m = snr_two_images(100 + noise(rng, blur), 100 + noise(rng, blur), INSIDE)
    assert agrees(m, 100.0)
    assert m.value is not None
    # Gaussian blur s: the squared autocorrelation exp(-h^2 / (2 s^2)) sums to 2 pi s^2 pixels
    pixels = INSIDE.sum() / (2 * math.pi * blur**2)
    assert m.uncertainty == pytest.approx(m.value / math.sqrt(2 * pixels), rel=0.1)


@pytest.mark.parametrize("blur", [0.0, 0.7])
@pytest.mark.parametrize("width", [9, 25])
def test_smoothing_gives_signal_over_noise(rng: np.random.Generator, width: int, blur: float) -> None:
    inner = region(slice(13, 100), slice(14, 110))
    y, _ = np.indices(SHAPE)
    m = snr_smoothing(90 + 0.1 * (y - 56.0) + 1.5 * noise(rng, blur), inner, boxcar_px=width)
    assert agrees(m, 90 / 1.5)


def test_smoothing_without_restoring_reads_high_by_the_share_of_the_boxcar(rng: np.random.Generator) -> None:
    inner = region(slice(13, 100), slice(14, 110))
    image = 90 + noise(rng)
    plain = snr_smoothing(image, inner, boxcar_px=5, restore_variance=False)
    restored = snr_smoothing(image, inner, boxcar_px=5)
    assert plain.value is not None
    assert restored.value is not None
    assert plain.value / restored.value == pytest.approx(1 / math.sqrt(1 - 1 / 25), abs=0.004)


@pytest.mark.parametrize("noise_from", ["sd", "mean", "rms"])
@pytest.mark.parametrize("n_channels", [1, 2, 8])
def test_air_gives_the_noise_of_root_sum_of_squares_channels(
    rng: np.random.Generator, n_channels: int, noise_from: str
) -> None:
    signal, sigma = 30.0, 1.7
    each = signal * INSIDE / math.sqrt(n_channels)
    parts = [(each + sigma * noise(rng)) ** 2 + (sigma * noise(rng)) ** 2 for _ in range(n_channels)]
    m = snr_single_image(np.sqrt(sum(parts)), INSIDE, AIR, n_channels=n_channels, noise_from=noise_from)
    assert agrees(m, signal / sigma)


def test_air_follows_the_rayleigh_factor_of_the_standard(rng: np.random.Generator) -> None:
    image = np.abs(200 * INSIDE + noise(rng) + 1j * noise(rng))
    m = snr_single_image(image, INSIDE, AIR)
    assert m.details["noise"] == pytest.approx(image[AIR > 0].std(ddof=1) / 0.655136, rel=1e-5)
    assert m.details["uncorrected"] > m.value


def test_rounded_grey_values_do_not_lower_the_ratio(rng: np.random.Generator) -> None:
    """Rounding to whole numbers adds a variance of 1/12, here 3 % of the power of the air."""
    sigma, found = 1.2, []
    for _ in range(10):
        image = np.round(np.abs(40 * INSIDE + sigma * (noise(rng) + 1j * noise(rng))))
        found.append(snr_single_image(image, INSIDE, AIR, noise_from="rms", rounding_step=1.0).value)
    # ten images of 3200 air pixels: 0.3 %
    assert np.mean(found) == pytest.approx(40 / sigma, rel=0.009)


def test_air_uncertainty_allows_for_correlated_noise(rng: np.random.Generator) -> None:
    blur, found = 0.9, []
    for _ in range(20):
        image = np.abs(50 * INSIDE + noise(rng, blur) + 1j * noise(rng, blur))
        found.append(snr_single_image(image, INSIDE, AIR, noise_from="rms").uncertainty)
    # half the relative scatter of the mean power; its autocorrelation |rho|^2 sums to 2 pi s^2 pixels
    air = 50 / 2 * math.sqrt(2 * math.pi * blur**2 / AIR.sum())
    signal = math.sqrt(4 * math.pi * blur**2 / INSIDE.sum())
    assert np.mean(found) == pytest.approx(math.hypot(air, signal), rel=0.08)


def snr_of(value: float) -> Measurement:
    return Measurement(
        name="SNR",
        value=value,
        uncertainty=2.0,
        definition=Source(document="test", edition="1"),
        algorithm="test-1",
    )


def test_normalised_snr_is_free_of_voxel_time_and_bandwidth() -> None:
    """SNR grows with the voxel and the root of the time, and falls with the root of the bandwidth."""
    base = {
        "pixel_bandwidth_hz": 130.0, "n_rows": 256, "n_columns": 192, "pixel_spacing_mm": (0.9, 1.1),
        "slice_thickness_mm": 5.0, "n_averages": 1.0, "repetition_time_s": 0.8,
    }  # fmt: skip
    reference = normalised_snr(snr_of(100.0), **base)
    for change, ratio in (
        ({"slice_thickness_mm": 10.0}, 2.0),
        ({"pixel_spacing_mm": (1.8, 1.1)}, 2.0),
        ({"pixel_spacing_mm": (0.9, 2.2)}, 2.0),
        ({"n_averages": 4.0}, 2.0),
        ({"repetition_time_s": 3.2}, 2.0),
        ({"n_rows": 1024}, 2.0),
        ({"pixel_bandwidth_hz": 520.0}, 0.5),
        ({"n_columns": 768}, 0.5),
    ):
        same = normalised_snr(snr_of(100.0 * ratio), **(base | change))
        assert same.value == pytest.approx(reference.value, rel=1e-12)
        assert same.uncertainty == pytest.approx(reference.uncertainty / ratio, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "smoothing", "subtraction"),
    [("Siemens", 1874.81, 2130.93), ("GE", 1551.19, 1517.88)],
)
def test_magnet_pairs_meet_the_reference_values_within_two_percent(
    data: Callable[[str], Path], name: str, smoothing: float, subtraction: float
) -> None:
    """Five squares of 20 by 20 pixels, at the centre and 40 pixels off along both axes; 9 by 9 boxcar."""
    import pydicom

    paths = sorted(data(f"mr_snr_magnet/{name}").iterdir())
    first, second = (pydicom.dcmread(path) for path in paths)
    images = [np.asarray(one.pixel_array, dtype=np.float64) for one in (first, second)]
    bright = np.argwhere(images[0] > 0.25 * np.percentile(images[0], 95))
    row, column = np.rint((bright.min(axis=0) + bright.max(axis=0)) / 2).astype(int)
    squares = np.zeros((5, *images[0].shape))
    for square, (dr, dc) in zip(squares, [(0, 0), (-40, -40), (-40, 40), (40, -40), (40, 40)], strict=True):
        square[row + dr - 10 : row + dr + 10, column + dc - 10 : column + dc + 10] = 1
    facts = {
        "pixel_bandwidth_hz": float(first.PixelBandwidth),
        "n_rows": int(first.Rows),
        "n_columns": int(first.Columns),
        "pixel_spacing_mm": tuple(float(d) for d in first.PixelSpacing),
        "slice_thickness_mm": float(first.SliceThickness),
        "n_averages": float(first.NumberOfAverages),
        "repetition_time_s": float(first.RepetitionTime) / 1000,
    }
    smooth = normalised_snr(snr_smoothing(images[0], squares, restore_variance=False), **facts)
    pair = normalised_snr(snr_two_images(*images, squares), **facts)
    assert smooth.value == pytest.approx(smoothing, rel=0.02)
    assert pair.value == pytest.approx(subtraction, rel=0.02)


def test_what_cannot_be_measured_is_refused_with_the_reason(rng: np.random.Generator) -> None:
    image = 100 + noise(rng)
    with pytest.raises(ValueError, match="second must end with shape"):
        snr_two_images(image, image[:-1], INSIDE)
    with pytest.raises(ValueError, match="some noise"):
        snr_two_images(image, image, INSIDE)
    with pytest.raises(ValueError, match="positive signal"):
        snr_two_images(-image, -image - noise(rng), INSIDE)
    with pytest.raises(ValueError, match="region must not be empty"):
        snr_two_images(image, image, np.zeros(SHAPE))
    with pytest.raises(ValueError, match="region must have shape"):
        snr_two_images(image, image, np.ones(5))
    with pytest.raises(ValueError, match="boxcar_px must be odd"):
        snr_smoothing(image, INSIDE, boxcar_px=8)
    with pytest.raises(ValueError, match="4 pixels away from the edge"):
        snr_smoothing(image, np.ones(SHAPE))
    with pytest.raises(ValueError, match="must be a magnitude"):
        snr_single_image(-image, INSIDE, AIR)
    with pytest.raises(ValueError, match="air_region must hold noise"):
        snr_single_image(np.ones(SHAPE), INSIDE, AIR)
    with pytest.raises(ValueError, match="signal_region must stand above the noise"):
        snr_single_image(np.abs(noise(rng) + 1j * noise(rng)), INSIDE, AIR)
    with pytest.raises(ValueError, match="noise_from must be one of"):
        snr_single_image(image, INSIDE, AIR, noise_from="median")
    image[3, 4] = np.nan
    with pytest.raises(ValueError, match="first must be finite"):
        snr_two_images(image, image, INSIDE)
