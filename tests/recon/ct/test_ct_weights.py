"""Angular weights: every direction stands for its share of the half turn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgtech.recon.ct import angular_weights


def test_even_views_over_a_half_turn_have_equal_weights():
    assert np.allclose(angular_weights(0.3 + np.arange(7) * np.pi / 7), np.pi / 7)


def test_even_views_over_a_full_turn_share_the_weight():
    assert np.allclose(angular_weights(0.3 + np.arange(12) * np.pi / 6), np.pi / 12)
    assert np.allclose(angular_weights(0.3 + np.arange(13) * 2 * np.pi / 13), np.pi / 13)


def test_the_two_ends_of_a_half_turn_are_one_direction():
    weights = angular_weights(np.linspace(0, np.pi, 10))
    assert np.allclose(weights[1:-1], np.pi / 9)
    assert np.allclose(weights[[0, -1]], np.pi / 18)


def test_a_direction_takes_half_of_both_gaps():
    weights = np.rad2deg(angular_weights(np.deg2rad([100.0, 0.0, 210.0, 140.0, 70.0])))
    assert np.allclose(weights, [35.0, 35.0, 35.0, 40.0, 35.0])


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(4, 60),
    jitter=st.floats(0.0, 0.45),
    start=st.floats(-20.0, 20.0),
    seed=st.integers(0, 2**32 - 1),
)
def test_weights_add_up_to_pi_and_follow_their_view(n, jitter, start, seed):
    rng = np.random.default_rng(seed)
    angles = (
        start + (np.arange(n) + jitter * rng.uniform(-1, 1, n)) * np.pi / n + np.pi * rng.integers(-3, 4, n)
    )
    weights = angular_weights(angles)
    order = rng.permutation(n)
    assert weights.sum() == pytest.approx(np.pi)
    assert np.all(weights > 0)
    assert np.allclose(angular_weights(angles[order]), weights[order])
    assert np.allclose(angular_weights(-angles), weights)


@pytest.mark.parametrize("angles_deg", [[10.0], [10.0, 190.0], [0.0, 10.0], [0, 1, 2, 3, 4], np.arange(170)])
def test_views_that_leave_a_gap_are_refused(angles_deg):
    with pytest.raises(ValueError, match=r"angles_rad must cover 180 degrees.*got a gap of"):
        angular_weights(np.deg2rad(angles_deg))
