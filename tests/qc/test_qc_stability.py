"""Stability in time against series whose numbers are known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from imgtech.qc.metrics import temporal_stability

LEVEL = 1000.0


def series(
    rng: np.random.Generator, n: int = 100, sigma: float = 10.0, common: float = 0.0, blur: float = 0.0
) -> np.ndarray:
    """White noise in time, independent or blurred in space, and a fluctuation of the whole image."""
    noise = rng.standard_normal((n, 46, 51))
    if blur:
        noise = ndimage.gaussian_filter(noise, (0, blur, blur), mode="wrap") * math.sqrt(4 * math.pi) * blur
    return LEVEL + sigma * noise + common * rng.standard_normal(n)[:, None, None]


def test_all_numbers_of_a_series_with_drift_and_common_fluctuation(rng: np.random.Generator) -> None:
    n, sigma, common = 150, 8.0, 1.5
    t = np.linspace(-1, 1, n)
    drift = LEVEL * (0.01 * t + 0.004 * t**2)
    found = temporal_stability(series(rng, n, sigma, common) + drift[:, None, None])
    of_mean = math.hypot(sigma / 21, common)
    of_pixel = math.hypot(sigma, common)
    truth = {
        "signal": LEVEL + drift.mean(),
        "snr": LEVEL / sigma,
        "sfnr": LEVEL / of_pixel,
        "fluctuation": 100 * of_mean / LEVEL,
        "drift": 100 * np.ptp(drift) / LEVEL,
        "decorrelation": of_pixel / of_mean,
    }
    for name, value in truth.items():
        m = getattr(found, name)
        assert abs(m.value - value) < 3.5 * m.uncertainty, name
        assert 0 < m.uncertainty < 0.15 * value, name


def test_independent_noise_decorrelates_over_the_whole_width(rng: np.random.Generator) -> None:
    found = temporal_stability(series(rng), width_px=15)
    assert abs(found.decorrelation.value - 15) < 3 * found.decorrelation.uncertainty
    widths = found.widths_px
    assert widths.tolist() == list(range(1, 16))
    # the curve falls as one over the width
    assert found.coefficients_of_variation * LEVEL / 10 * widths == pytest.approx(np.ones(15), abs=0.35)


def test_images_hold_the_formulas_pixel_by_pixel(rng: np.random.Generator) -> None:
    stack = series(rng, 41)
    found = temporal_stability(stack, n_skipped=4)
    kept = stack[4:]
    t = np.arange(len(kept))
    course = kept[:, 10, 17]
    rest = course - np.polyval(np.polyfit(t, course, 2), t)
    spread = math.sqrt(float(rest @ rest) / (len(kept) - 3))
    assert found.fluctuation_image[10, 17] == pytest.approx(spread, rel=1e-9)
    assert found.sfnr_image[10, 17] == pytest.approx(course.mean() / spread, rel=1e-9)
    assert found.static_noise_image[10, 17] == pytest.approx(
        course[:36:2].sum() - course[1:36:2].sum(), rel=1e-6
    )
    square = kept[:, 13:34, 15:36].mean(axis=(1, 2))
    assert np.allclose(found.course, square)
    assert np.allclose(found.trend, np.polyval(np.polyfit(t, square, 2), t))


def test_the_square_lies_where_it_is_asked_for(rng: np.random.Generator) -> None:
    stack = series(rng, 40)
    stack[:, 5:14, 30:39] *= 2
    assert temporal_stability(stack, center_px=(9, 34), width_px=9).signal.value == pytest.approx(
        2000, rel=0.01
    )
    assert temporal_stability(stack, center_px=(30, 10), width_px=9).signal.value == pytest.approx(
        1000, rel=0.01
    )


def test_correlation_in_time_lowers_the_degrees_of_freedom(rng: np.random.Generator) -> None:
    """A course with the autocorrelation of a moving mean of four: the squares sum to 2.75."""
    white = rng.standard_normal(403)
    slow = np.convolve(white, np.ones(4) / 2, mode="valid")
    stack = series(rng, 400, sigma=0.5) + 3 * slow[:, None, None]
    plain = temporal_stability(series(rng, 400, sigma=0.5, common=3.0)).fluctuation
    found = temporal_stability(stack).fluctuation
    assert abs(found.value - 0.3) < 3 * found.uncertainty
    assert (found.uncertainty / found.value) ** 2 == pytest.approx(2.75 / (2 * 397), rel=0.35)
    assert (plain.uncertainty / plain.value) ** 2 == pytest.approx(1 / (2 * 397), rel=0.1)


def test_what_is_no_series_is_refused(rng: np.random.Generator) -> None:
    stack = series(rng, 20)
    with pytest.raises(ValueError, match="at least 12 images"):
        temporal_stability(stack, n_skipped=10)
    with pytest.raises(ValueError, match="must lie inside the image"):
        temporal_stability(stack, center_px=(5, 20))
    with pytest.raises(ValueError, match="positive signal"):
        temporal_stability(-stack)
    with pytest.raises(ValueError, match="must fluctuate"):
        temporal_stability(np.full((20, 40, 40), 5.0))
    stack[3, 2, 1] = np.inf
    with pytest.raises(ValueError, match="series must be finite"):
        temporal_stability(stack)
