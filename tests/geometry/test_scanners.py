"""Beams, trajectories, probes and waves: positions, values, refusals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from imgtech.geometry import ImageGrid, LinearArray, ParallelBeam, PlaneWaves, Trajectory


def test_channel_j_sits_at_offset_plus_its_distance_from_the_middle():
    beam = ParallelBeam.half_turn(n_views=5, n_channels=4, channel_spacing_mm=0.5, detector_offset_mm=10.0)
    np.testing.assert_allclose(beam.channels_mm, [9.25, 9.75, 10.25, 10.75])
    assert beam.shape == (5, 4)
    assert beam.channel_width_mm == 0.5


def test_half_turn_spreads_views_over_180_degrees_without_the_last():
    beam = ParallelBeam.half_turn(n_views=4, n_channels=3, channel_spacing_mm=0.7, start_rad=0.1)
    np.testing.assert_allclose(beam.angles_rad, 0.1 + np.deg2rad([0, 45, 90, 135]))


def test_degrees_become_radians():
    beam = ParallelBeam.from_degrees([10.0, -30.0], n_channels=3, channel_spacing_mm=0.7)
    np.testing.assert_allclose(beam.angles_rad, [np.pi / 18, -np.pi / 6])


def test_values_are_equal_by_content_and_cannot_change():
    make = lambda offset: ParallelBeam.half_turn(  # noqa: E731
        n_views=5, n_channels=4, channel_spacing_mm=0.5, detector_offset_mm=offset
    )
    assert make(1.0) == make(1.0)
    assert hash(make(1.0)) == hash(make(1.0))
    assert make(1.0) != make(2.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        make(1.0).n_channels = 7
    with pytest.raises(ValueError, match="read-only"):
        make(1.0).angles_rad[0] = 3.0


def test_an_array_given_to_a_beam_stays_the_callers_own():
    angles = np.linspace(0, 3, 7)
    beam = ParallelBeam(angles_rad=angles, n_channels=3, channel_spacing_mm=1.5)
    angles[0] = 99.0
    assert beam.angles_rad[0] == 0.0


@pytest.mark.parametrize(("n", "expected"), [(4, [-0.25, -0.125, 0, 0.125]), (5, [-0.2, -0.1, 0, 0.1, 0.2])])
def test_cartesian_raster_has_its_centre_at_sample_n_half(n, expected):
    raster = Trajectory.cartesian((n, 3), spacing_mm=(2.0, 5.0))
    np.testing.assert_allclose(raster.positions_per_mm[:, 0, 0], expected)
    np.testing.assert_allclose(raster.positions_per_mm[0, :, 1], np.array([-1, 0, 1]) / 15.0)
    assert raster.shape == (n, 3)
    assert raster == Trajectory.of_grid(ImageGrid.fft((n, 3), spacing_mm=(2.0, 5.0)))


def test_element_e_sits_at_center_plus_its_distance_from_the_middle():
    probe = LinearArray(n_elements=4, pitch_mm=0.3, center_mm=2.0)
    np.testing.assert_allclose(probe.elements_mm, [1.55, 1.85, 2.15, 2.45])


def test_one_start_time_serves_every_transmit():
    waves = PlaneWaves.from_degrees([-8, 0, 8], sampling_hz=20e6, start_s=3e-6)
    np.testing.assert_allclose(waves.start_s, [3e-6] * 3)
    own = PlaneWaves.from_degrees([-8, 8], sampling_hz=20e6, start_s=[1e-6, 2e-6])
    np.testing.assert_allclose(own.start_s, [1e-6, 2e-6])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: ParallelBeam.half_turn(n_views=5, n_channels=4, channel_spacing_mm=-0.5),
            "channel_spacing_mm must be positive, got -0.5",
        ),
        (
            lambda: ParallelBeam(angles_rad=[0.1, np.nan], n_channels=4, channel_spacing_mm=0.5),
            r"angles_rad must be finite, got nan at index \(1,\)",
        ),
        (lambda: ParallelBeam(angles_rad=[], n_channels=4, channel_spacing_mm=0.5), "must not be empty"),
        (lambda: ParallelBeam.half_turn(n_views=0, n_channels=4, channel_spacing_mm=0.5), "n_views must be"),
        (lambda: Trajectory(positions_per_mm=np.zeros((4, 5))), "last axis of length 2 or 3"),
        (lambda: Trajectory(positions_per_mm=np.full((4, 2), np.nan)), "positions_per_mm must be finite"),
        (lambda: LinearArray(n_elements=4, pitch_mm=0.3, element_width_mm=0.4), "must not exceed pitch_mm"),
        (lambda: PlaneWaves.from_degrees([95], sampling_hz=2e7), "angles_rad must lie within"),
        (lambda: PlaneWaves.from_degrees([0], sampling_hz=0), "sampling_hz must be positive, got 0"),
        (lambda: PlaneWaves.from_degrees([0, 1, 2], sampling_hz=2e7, start_s=[1, 2]), "1 or 3 values, got 2"),
    ],
)
def test_impossible_scanners_are_refused_with_rule_and_value(make, message):
    with pytest.raises(ValueError, match=message):
        make()
