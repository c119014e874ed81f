"""Numbers of independent pixels against closed forms, for one region and for several."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from imgtech.geometry import ImageGrid
from imgtech.qc.metrics import contrast, independent_pixels, noise_power_spectrum, sdnr, snr_single_image
from imgtech.qc.metrics._noise import noise_size
from imgtech.qc.roi import disk_region, rectangle_region

SHAPE = (150, 170)
COARSE = [(1, 0.7, "down"), (4, 0.5, "nearest"), (1, 0.4, "down")]


def noise(rng: np.random.Generator, blur_px: float, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    white = rng.standard_normal(shape)
    if blur_px == 0:
        return white
    return ndimage.gaussian_filter(white, blur_px, mode="wrap") * math.sqrt(4 * math.pi) * blur_px


def sums(blur_px: float, n: int, power: int) -> float:
    """Sum over lags of the autocorrelation exp(-h^2 / (4 s^2)) to a power, by the pairs of n x n pixels."""
    lag = np.arange(1 - n, n)
    rho = np.exp(-(lag**2) / (4 * blur_px**2)) if blur_px else (lag == 0) * 1.0
    return float(((1 - np.abs(lag) / n) @ rho**power) ** 2)


@pytest.mark.parametrize("blur", [0.0, 0.7, 1.1])
@pytest.mark.parametrize(("n_regions", "n"), [(1, 60), (4, 32), (5, 20)])
def test_pooled_regions_give_the_sums_of_the_autocorrelation(
    rng: np.random.Generator, n_regions: int, n: int, blur: float
) -> None:
    """The mean of every region is its own: pooling must not hide what it takes (18 % for 5 x 20^2)."""
    regions = np.zeros((n_regions, *SHAPE))
    for k, region in enumerate(regions):
        region[3 : 3 + n, 2 + 33 * k : 2 + 33 * k + n] = 1
    found = np.array(
        [
            (size.linear, size.squared)
            for size in (noise_size([noise(rng, blur)] * n_regions, list(regions)) for _ in range(60))
        ]
    )
    mean, spread = found.mean(axis=0), found.std(axis=0) / math.sqrt(60)
    assert mean[0] == pytest.approx(sums(blur, n, 1), abs=3 * spread[0] + 0.05 * sums(blur, n, 1))
    assert mean[1] == pytest.approx(sums(blur, n, 2), abs=3 * spread[1] + 0.05 * sums(blur, n, 2))


@pytest.mark.parametrize("of", ["mean", "variance"])
@pytest.mark.parametrize("blur", [0.0, 0.8, 1.3])
def test_a_spectrum_gives_the_independent_pixels_of_a_square(
    rng: np.random.Generator, blur: float, of: str
) -> None:
    blocks = noise(rng, blur, (320, 384)).reshape(5, 64, 6, 64).transpose(0, 2, 1, 3).reshape(30, 64, 64)
    m = independent_pixels(noise_power_spectrum(3 * blocks, (0.7, 0.4)), np.ones((20, 20)), of=of)
    truth = 400 / sums(blur, 20, 1 if of == "mean" else 2)
    assert m.value == pytest.approx(truth, abs=3 * m.uncertainty)
    assert m.uncertainty < 0.15 * truth
    assert m.details["noise variance"] == pytest.approx(9, rel=0.1)


def test_noise_without_low_frequencies_has_more_independent_pixels_than_pixels(
    rng: np.random.Generator,
) -> None:
    """Means of a disk over ramp noise, drawn 800 times, scatter as the number says."""
    grid = ImageGrid(shape=(64, 72), spacing_mm=(0.6, 0.5))
    region = disk_region(grid, center_mm=(1.0, 2.0), radius_mm=9.0)
    f = np.hypot(np.fft.fftfreq(256, 0.6)[:, None], np.fft.rfftfreq(288, 0.5))
    large = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((50, 256, 288))) * np.sqrt(f), s=(256, 288))
    fields = large.reshape(50, 4, 64, 4, 72).transpose(0, 1, 3, 2, 4).reshape(800, 64, 72)
    m = independent_pixels(noise_power_spectrum(fields[:200], (0.6, 0.5)), region)
    means = (fields * region).sum(axis=(1, 2)) / region.sum()
    assert m.value > 3 * m.details["pixels"]
    assert fields.var() / m.value == pytest.approx(means.var(), rel=0.2)


def test_a_region_of_weights_counts_by_its_area(rng: np.random.Generator) -> None:
    grid = ImageGrid(shape=(50, 60), spacing_mm=(0.6, 0.5))
    half = 0.5 * rectangle_region(grid, center_mm=(0.0, 1.0), size_mm=(12.0, 10.0))
    nps = noise_power_spectrum(rng.standard_normal((40, 64, 64)), (0.6, 0.5))
    m = independent_pixels(nps, half)
    assert m.value == pytest.approx(400, abs=3 * m.uncertainty)


@pytest.mark.parametrize("noise_from", ["sd", "mean", "rms"])
@pytest.mark.parametrize(
    ("n", "sigma", "rounding"), [(1, 0.7, "down"), (4, 0.5, "nearest"), (1, 0.4, "down")]
)
def test_coarse_grey_values_do_not_change_the_ratio(
    rng: np.random.Generator, n: int, sigma: float, rounding: str, noise_from: str
) -> None:
    """Noise below the step of the grey values: the SD method alone would read 19 % off at 0.7."""
    inside = np.zeros((120, 140))
    inside[:, :60] = 1
    air = np.zeros((120, 140))
    air[:, 70:] = 1
    found, doubt = [], []
    for _ in range(12):
        power = sum(
            (30.3 * inside / math.sqrt(n) + sigma * rng.standard_normal(air.shape)) ** 2
            + (sigma * rng.standard_normal(air.shape)) ** 2
            for _ in range(n)
        )
        seen = np.floor(np.sqrt(power)) if rounding == "down" else np.rint(np.sqrt(power))
        m = snr_single_image(
            seen, inside, air, n_channels=n, noise_from=noise_from, rounding_step=1.0, rounding=rounding
        )
        found.append(m.value)
        doubt.append(m.uncertainty)
    # a flat object and coarse steps leave up to 0.02 steps in the signal, 0.1 % here
    tolerance = 3.5 * np.mean(doubt) / math.sqrt(12) + 0.002 * 30.3 / sigma
    assert np.mean(found) == pytest.approx(30.3 / sigma, abs=tolerance)
    assert np.std(found) == pytest.approx(np.mean(doubt), rel=0.6)


def test_contrast_and_difference_are_those_put_in(rng: np.random.Generator) -> None:
    image = 200 + 5 * noise(rng, 0.8)
    image[:, :70] -= 40
    disk, around = np.zeros(SHAPE), np.zeros(SHAPE)
    disk[20:60, 10:60] = around[20:120, 80:160] = 1
    for form, truth in (("weber", -0.2), ("michelson", -1 / 9)):
        m = contrast(image, disk, around, form=form)
        assert abs(m.value - truth) < 3 * m.uncertainty
        assert m.uncertainty < 0.01
    image[:, :70] += 3 * noise(rng, 0.0)[:, :70]
    for source, truth in (("background", -8.0), ("both", -40 / math.sqrt((25 + 9 + 25) / 2))):
        m = sdnr(image, disk, around, noise_from=source)
        assert abs(m.value - truth) < 3 * m.uncertainty
        assert m.uncertainty < 0.6


def test_what_has_no_contrast_is_refused(rng: np.random.Generator) -> None:
    image, one = noise(rng, 0.0), np.ones(SHAPE)
    with pytest.raises(ValueError, match="image must be positive"):
        contrast(image - 5, one, one)
    with pytest.raises(ValueError, match="form must be one of"):
        contrast(image, one, one, form="rms")
    with pytest.raises(ValueError, match="must hold noise"):
        sdnr(np.ones(SHAPE), one, one)
    with pytest.raises(ValueError, match="noise_from must be one of"):
        sdnr(image, one, one, noise_from="air")
    nps = noise_power_spectrum(image[:64, :64], (1.0, 1.1))
    with pytest.raises(ValueError, match="region must hold weights"):
        independent_pixels(nps, np.zeros((5, 5)))
    with pytest.raises(ValueError, match="of must be one of"):
        independent_pixels(nps, one, of="sum")
    with pytest.raises(ValueError, match="rounding must be one of"):
        snr_single_image(np.abs(image), one, one, rounding="up")
