"""Kernels behind the metrics against the loops they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.qc.metrics._expansion import Expansion
from imgtech.qc.metrics._kernels import orthonormal_columns, weighted_moments
from imgtech.qc.metrics._noise import _lags, _pairs, autocorrelation, variance


def naive_lags(image: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    ny, nx = image.shape
    out = np.zeros((2 * window[0] + 1, 2 * window[1] + 1))
    for dy in range(-window[0], window[0] + 1):
        for dx in range(-window[1], window[1] + 1):
            here = image[max(-dy, 0) : ny - max(dy, 0), max(-dx, 0) : nx - max(dx, 0)]
            there = image[max(dy, 0) : ny + min(dy, 0), max(dx, 0) : nx + min(dx, 0)]
            out[window[0] + dy, window[1] + dx] = (here * there).sum()
    return out


@pytest.mark.parametrize("shape", [(17, 24), (40, 9), (6, 33)])
@pytest.mark.parametrize("window", [(0, 3), (2, 4), (5, 5), (4, 13)])
def test_sums_over_lags_are_those_of_the_loop_on_both_paths(rng, shape, window) -> None:
    """The last window has more lags than are summed directly, and on the narrow image more than it holds."""
    image = rng.standard_normal(shape) + 0.3
    inside = (min(window[0], shape[0] - 1), min(window[1], shape[1] - 1))
    found, truth = _lags(image, window), naive_lags(image, inside)
    start = tuple(w - i for w, i in zip(window, inside, strict=True))
    middle = found[start[0] : start[0] + truth.shape[0], start[1] : start[1] + truth.shape[1]]
    assert middle == pytest.approx(truth, abs=1e-10)
    assert np.abs(found).sum() == pytest.approx(np.abs(truth).sum(), rel=1e-9)


def test_pairs_of_a_full_region_are_counted_in_closed_form() -> None:
    assert _pairs(np.ones((11, 14)), (3, 5)) == pytest.approx(naive_lags(np.ones((11, 14)), (3, 5)))
    soft = np.ones((11, 14))
    soft[0, 3] = 0.4
    assert _pairs(soft, (3, 5)) == pytest.approx(naive_lags(soft, (3, 5)))


def test_the_autocorrelation_of_a_region_looks_at_nothing_outside_it(rng) -> None:
    """Every pair of pixels counts by the product of their weights."""
    image = rng.standard_normal((20, 27))
    weights = np.zeros(image.shape)
    weights[4:13, 3:21] = rng.random((9, 18)) > 0.3
    weights[4, 5:9] = 0.4
    image[weights == 0] += 50
    window = (2, 3)
    inside = weights * (image - np.average(image, weights=weights))
    pairs, products = naive_lags(weights, window), naive_lags(inside, window)
    found, share = autocorrelation([image], [weights], window)
    assert share == pytest.approx(pairs / pairs[window])
    assert found == pytest.approx(products / pairs / (products / pairs)[window])


def test_moments_are_those_of_the_definition(rng) -> None:
    weights, values = rng.random(53), 1e6 + rng.standard_normal(53)
    out = np.empty(4)
    weighted_moments(weights, values, out)
    mean = np.average(values, weights=weights)
    truth = [weights.sum(), (weights**2).sum(), mean, (weights * (values - mean) ** 2).sum()]
    assert out == pytest.approx(truth, rel=1e-12)
    whole = np.ones((7, 5))
    picture = rng.standard_normal((14, 10))[::2, ::2]
    assert variance(picture, whole) == pytest.approx(picture.var(ddof=1))


def test_columns_become_orthonormal_and_their_factors_rebuild_them(rng) -> None:
    design = rng.standard_normal((60, 9)) @ np.triu(rng.standard_normal((9, 9)) * 0.3 + np.eye(9))
    basis, triangle, found = design.T.copy(), np.zeros((9, 9)), np.zeros(1, dtype=np.int64)
    orthonormal_columns(1e-3, basis, triangle, found)
    assert found[0] == 9
    assert basis @ basis.T == pytest.approx(np.eye(9), abs=1e-13)
    assert basis.T @ triangle == pytest.approx(design, abs=1e-12)
    assert np.abs(triangle) == pytest.approx(np.abs(np.linalg.qr(design)[1]), abs=1e-12)


def test_a_fit_stops_before_a_column_that_brings_nothing_new(rng) -> None:
    design = rng.standard_normal((50, 6))
    design[:, 4] = design[:, :4] @ [1.0, -2.0, 0.5, 3.0] + 1e-4 * design[:, 4]
    values = rng.standard_normal(50)
    fit = Expansion.fit(design, values)
    assert fit.n_columns == 4
    assert fit.coefficients(3) == pytest.approx(np.linalg.lstsq(design[:, :3], values)[0], rel=1e-9)
