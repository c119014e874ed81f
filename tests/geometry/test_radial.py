"""Radial trajectories: every promise of the docstring."""

from __future__ import annotations

import numpy as np
import pytest

from imgtech.geometry import Trajectory


@pytest.mark.parametrize("n", [6, 7])
def test_samples_of_a_spoke_lie_as_on_a_cartesian_axis(n):
    spokes = Trajectory.radial(5, n, spacing_mm=1.3)
    assert spokes.shape == (5, n)
    np.testing.assert_allclose(spokes.positions_per_mm[0, :, 1], (np.arange(n) - n // 2) / (n * 1.3))
    np.testing.assert_allclose(spokes.positions_per_mm[0, :, 0], 0)


def test_uniform_spokes_divide_half_a_turn():
    k = Trajectory.radial(3, 5, spacing_mm=1.3).positions_per_mm[:, -1]
    np.testing.assert_allclose(np.arctan2(k[:, 0], k[:, 1]), [0, np.pi / 3, 2 * np.pi / 3], atol=1e-12)


def test_golden_spokes_step_by_111_degrees():
    k = Trajectory.radial(3, 5, spacing_mm=1.3, golden=True).positions_per_mm[:, -1]
    angles = np.rad2deg(np.unwrap(np.arctan2(k[:, 0], k[:, 1])))
    np.testing.assert_allclose(np.diff(angles), 111.24611797, atol=1e-7)


def test_wrong_numbers_are_named():
    with pytest.raises(ValueError, match="n_spokes must be at least 1, got 0"):
        Trajectory.radial(0, 5, spacing_mm=1.3)
    with pytest.raises(ValueError, match="spacing_mm must be positive"):
        Trajectory.radial(2, 5, spacing_mm=0.0)
