"""Gamma camera: flood uniformity and bar patterns, on fields of known truth and on real images."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from imgtech.qc.metrics import bar_mtf, flood_uniformity

SHAPE = (120, 150)
SPACING = (3.3, 2.9)
FIELD = np.zeros(SHAPE, dtype=bool)
FIELD[11:109, 9:139] = True


def expected_indices(image: np.ndarray, field: np.ndarray) -> tuple[float, float]:
    """Filter and indices by loops, straight from the text of the standard."""
    kernel = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    smooth = np.zeros(image.shape)
    for i, j in np.argwhere(field):
        total = weight = 0.0
        for di in (-1, 0, 1):
            for dj in (-1, 0, 1):
                y, x = i + di, j + dj
                if 0 <= y < field.shape[0] and 0 <= x < field.shape[1] and field[y, x]:
                    total += kernel[di + 1, dj + 1] * image[y, x]
                    weight += kernel[di + 1, dj + 1]
        smooth[i, j] = total / weight
    seen = smooth[field]
    integral = 100 * (seen.max() - seen.min()) / (seen.max() + seen.min())
    differential = 0.0
    for turned, inside in ((smooth, field), (smooth.T, field.T)):
        for row, allowed in zip(turned, inside, strict=True):
            for start in range(len(row) - 4):
                if allowed[start : start + 5].all():
                    five = row[start : start + 5]
                    differential = max(
                        differential, 100 * (five.max() - five.min()) / (five.max() + five.min())
                    )
    return integral, differential


def test_indices_follow_the_text_of_the_standard(rng: np.random.Generator) -> None:
    """Pixels of 6.6 x 5.8 mm from two by two; a field given as a region, odd cuts at its edges."""
    counts = rng.poisson(600.0, SHAPE) * FIELD
    counts[12:14, 40:44] = 0
    region = FIELD.astype(float)
    region[:13] = 0
    added = counts.reshape(60, 2, 75, 2).sum(axis=(1, 3)).astype(float)
    field = region.reshape(60, 2, 75, 2).sum(axis=(1, 3)) >= 2
    kept = field & (added >= 0.75 * 2400)
    edge = np.pad(~kept, 1, constant_values=True)
    kept &= ~(edge[2:, 1:-1] | edge[:-2, 1:-1] | edge[1:-1, 2:] | edge[1:-1, :-2])
    integral, differential = flood_uniformity(counts, SPACING, region=region)
    truth = expected_indices(added, kept)
    assert integral.value == pytest.approx(truth[0], rel=1e-12)
    assert differential.value == pytest.approx(truth[1], rel=1e-12)
    assert integral.details["pixels"] == kept.sum()


def test_the_central_field_is_three_quarters_of_the_useful_one(rng: np.random.Generator) -> None:
    counts = rng.poisson(600.0, SHAPE) * FIELD
    counts[12, 12] = 5 * 600
    counts[50:54, 60:64] *= 2
    useful, central = (
        flood_uniformity(counts, SPACING, field=f)[0].details["pixels"] for f in ("ufov", "cfov")
    )
    # 98 x 130 pixels, two by two; 95 % less a pixel at every edge, and 71.25 %
    assert useful == pytest.approx((0.95 * 49 - 2) * (0.95 * 65 - 2), rel=0.05)
    assert central == pytest.approx(0.7125**2 * 49 * 65, rel=0.05)


def test_a_tilt_reads_its_michelson_contrast_without_noise() -> None:
    """Counts without noise: 4 % along x and 1 % along y, at pixels of two by two."""
    y, x = np.mgrid[-60:60, -75:75] + 0.5
    counts = FIELD * 1e7 * (1 + 0.04 * x / 65 + 0.01 * y / 49)
    integral, differential = flood_uniformity(counts, SPACING, useful_share=1.0)
    # the field less a pixel at every edge, of which the filter sees one neighbour less at its end
    slope = 2 * 0.04 / 65
    high, low = (1 + s * ((60 - 0.5) * 0.04 / 65 + 0.0) for s in (1, -1))
    assert differential.value == pytest.approx(100 * 2 * slope / 0.97, rel=0.04)
    assert integral.value > 100 * (high - low) / (high + low)
    assert integral.value == pytest.approx(100 * (0.04 * 61.5 / 65 + 0.01 * 45.5 / 49), rel=0.02)


@pytest.mark.parametrize("counts_per_pixel", [1000.0, 4000.0])
def test_a_perfect_camera_reads_zero_once_counting_noise_is_off(
    rng: np.random.Generator, counts_per_pixel: float
) -> None:
    found = []
    for _ in range(8):
        counts = rng.poisson(counts_per_pixel * FIELD)
        found.append(flood_uniformity(counts, SPACING, noise_corrected=True))
    for i in (0, 1):
        values = np.array([pair[i].value for pair in found])
        doubt = np.mean([pair[i].uncertainty for pair in found])
        assert abs(values.mean()) < 3 * doubt / math.sqrt(8)
        assert values.std(ddof=1) == pytest.approx(doubt, rel=0.8)
        raw = np.mean([pair[i].details["index at these counts (%)"] for pair in found])
        assert raw > 10 * abs(values.mean())


def test_doubled_events_need_their_own_noise(rng: np.random.Generator) -> None:
    """Half of the events count twice: the variance is 5/3 of the mean, and so is what is measured."""
    single, double = rng.poisson(1200.0 * FIELD), rng.poisson(1200.0 * FIELD)
    counts = single + 2 * double
    ratio = 5 / 3
    plain = flood_uniformity(counts, SPACING, noise_corrected=True)[0]
    right = flood_uniformity(counts, SPACING, noise_corrected=True, variance_over_mean=ratio)[0]
    assert plain.details["measured variance over mean"] == pytest.approx(ratio, rel=0.05)
    assert abs(right.value) < 2.5 * right.uncertainty
    assert plain.value > right.value + 0.2


def test_the_real_flood_meets_the_printed_digits(data: Callable[[str], Path]) -> None:
    """2.38 % and 1.728 % in the central field, added up four by four to 8.26 mm."""
    import pydicom

    file = pydicom.dcmread(data("nm/UNIFORMIDAD_1.dcm"))
    spacing = tuple(float(d) for d in file.PixelSpacing)
    central = flood_uniformity(file.pixel_array, spacing, field="cfov")
    assert [round(m.value, k) for m, k in zip(central, (2, 3), strict=True)] == [2.38, 1.728]
    # that program keeps a fixed margin to the hull and filters across the edge of its useful field
    scaled = flood_uniformity(file.pixel_array, spacing)
    assert scaled[0].value == pytest.approx(2.453, abs=0.001)
    assert scaled[1].value == pytest.approx(1.923, abs=0.001)
    # this camera's counts scatter more than Poisson's
    assert scaled[0].details["measured variance over mean"] == pytest.approx(1.5, abs=0.05)


def bars(width_mm: float, sigma_mm: float, angle: float, level: float, shape: tuple[int, int]) -> np.ndarray:
    """Opaque bars blurred by a Gaussian, as the sum of their harmonics, with pixels of 1.1 by 0.9 mm."""
    y, x = 1.1 * np.arange(shape[0])[:, None], 0.9 * np.arange(shape[1])
    phase = math.pi / width_mm * (x * math.cos(angle) + y * math.sin(angle) + 0.3)
    wave = sum(
        4 / (math.pi * k) * math.exp(-((math.pi * k * sigma_mm / width_mm) ** 2) / 2) * np.sin(k * phase)
        for k in (1, 3, 5, 7)
    )
    return level * (1 + wave)


@pytest.mark.parametrize(("width_mm", "angle"), [(4.23, 0.0), (3.18, 1.2), (2.54, -0.4)])
@pytest.mark.parametrize("ratio", [1.0, 3.0])
def test_bars_give_the_modulation_put_in(
    rng: np.random.Generator, width_mm: float, angle: float, ratio: float
) -> None:
    sigma = 1.3
    mean = bars(width_mm, sigma, angle, 60.0, (130, 150))
    counts = ratio * rng.poisson(mean / ratio)
    mtf, fwhm = bar_mtf(
        counts, np.ones(mean.shape), (1.1, 0.9), bar_width_mm=width_mm, variance_over_mean=ratio
    )
    truth = math.sqrt(
        sum((4 / (math.pi * k)) ** 2 * math.exp(-((math.pi * k * sigma / width_mm) ** 2)) for k in (1, 3, 5))
    )
    assert abs(mtf.value - truth) < 3 * mtf.uncertainty
    assert mtf.uncertainty < 0.05
    # the square corners of the bars raise the modulation by 4/pi, which the details take off
    if width_mm < 3:
        sine = math.exp(-((math.pi * sigma / width_mm) ** 2) / 2)
        assert mtf.details["MTF of a sine wave"] == pytest.approx(sine, abs=3 * mtf.uncertainty)
    assert fwhm.value == pytest.approx(
        width_mm * math.sqrt(16 * math.log(2) / math.pi**2 * math.log(1 / mtf.value)), rel=1e-12
    )


def test_real_bars_lie_near_the_printed_values_and_agree_on_one_width(data: Callable[[str], Path]) -> None:
    """Printed: 0.64, 0.462, 0.30, 0.202 and FWHM 2.995, 2.962, 2.954, 2.843 mm, on regions of their own.

    With the counting variance of the open field, 1.28 times Poisson's, all bars give one FWHM.
    """
    import pydicom

    counts = pydicom.dcmread(data("nm/QuadrantBar.dcm")).pixel_array.astype(float)
    open_field = counts[110:400, 20:60]
    ratio = float((np.diff(open_field, axis=0) ** 2).mean() / 2 / open_field.mean())
    assert ratio == pytest.approx(1.29, abs=0.03)
    quadrants = {
        4.23: ((275, 426), (278, 425)), 3.18: ((81, 230), (278, 425)),
        2.54: ((81, 230), (87, 231)), 2.12: ((275, 426), (87, 231)),
    }  # fmt: skip
    printed = {4.23: (0.64, 2.995), 3.18: (0.462, 2.962), 2.54: (0.30, 2.954), 2.12: (0.202, 2.843)}
    widths = []
    for width, (rows, columns) in quadrants.items():
        region = np.zeros(counts.shape)
        region[slice(*rows), slice(*columns)] = 1
        mtf, fwhm = bar_mtf(counts, region, (1.0325, 1.0325), bar_width_mm=width)
        assert mtf.value == pytest.approx(printed[width][0], abs=0.013)
        assert fwhm.value == pytest.approx(printed[width][1], abs=0.08)
        widths.append(
            bar_mtf(counts, region, (1.0325, 1.0325), bar_width_mm=width, variance_over_mean=ratio)[1].value
        )
        # the plain variance moves with the edge of the region: the printed digits lie in its range
        plain = []
        for k in range(0, 41, 5):
            inner = counts[rows[0] + k : rows[1] - k, columns[0] + k : columns[1] - k]
            plain.append(math.sqrt(2 * (inner.var() - inner.mean())) / inner.mean())
        assert min(plain) - 0.0006 < printed[width][0] < max(plain)
    assert np.ptp(widths) < 0.15
    assert np.mean(widths) == pytest.approx(3.07, abs=0.05)


def test_what_is_no_flood_or_no_bars_is_refused(rng: np.random.Generator) -> None:
    counts = rng.poisson(100.0 * FIELD).astype(float)
    with pytest.raises(ValueError, match="field must be one of"):
        flood_uniformity(counts, SPACING, field="all")
    with pytest.raises(ValueError, match="counts must not be negative"):
        flood_uniformity(counts - 200, SPACING)
    with pytest.raises(ValueError, match="spacing_mm must allow pixels"):
        flood_uniformity(counts, (9.0, 9.0))
    with pytest.raises(ValueError, match="useful_share must not exceed 1"):
        flood_uniformity(counts, SPACING, useful_share=1.2)
    with pytest.raises(ValueError, match="lit"):
        flood_uniformity(np.zeros(SHAPE), SPACING)
    with pytest.raises(ValueError, match="counts must be finite"):
        flood_uniformity(np.where(FIELD, counts, np.nan), SPACING)
    with pytest.raises(ValueError, match="variance_over_mean must be positive"):
        flood_uniformity(counts, SPACING, variance_over_mean=0.0)
    inside = ndimage.binary_erosion(FIELD, iterations=3).astype(float)
    with pytest.raises(ValueError, match="must exceed that of counting"):
        bar_mtf(100 + 0 * counts, inside, SPACING, bar_width_mm=7.0)
    with pytest.raises(ValueError, match="modulation must be below 1"):
        bar_mtf(counts * (np.arange(150) < 40), np.ones(SHAPE), SPACING, bar_width_mm=7.0)
    with pytest.raises(ValueError, match="bar_width_mm must be positive"):
        bar_mtf(counts, inside, SPACING, bar_width_mm=-1.0)
