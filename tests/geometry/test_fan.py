"""Fan beams: every promise of the drawing, and the closed-form sinogram along their rays."""

import numpy as np
import pytest

from imgtech.geometry import FanBeam, ParallelBeam
from imgtech.phantoms import shepp_logan, uniform_disk, wire

PLACES = {"source_axis_mm": 400.0, "source_detector_mm": 560.0}
BEAM = {**PLACES, "n_channels": 241, "channel_spacing_mm": 0.8, "detector_offset_mm": 1.7}


@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_a_wire_falls_on_the_channel_that_similar_triangles_give(detector):
    beam = FanBeam.full_turn(**BEAM, n_views=7, detector=detector, start_rad=0.3)
    y, x = 23.0, -41.0
    sinogram = wire(diameter_mm=2.0, center_mm=(y, x)).sinogram(beam, dtype=np.float64)
    for view, beta in zip(sinogram, beam.angles_rad, strict=True):
        source = np.array([400.0 * np.sin(beta), -400.0 * np.cos(beta)])
        across = (np.array([x, y]) - source) @ [np.cos(beta), np.sin(beta)]
        along = (np.array([x, y]) - source) @ [-np.sin(beta), np.cos(beta)]
        expected = 560.0 * (across / along if detector == "flat" else np.arctan2(across, along))
        assert view @ beam.channels_mm / view.sum() == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("detector", ["flat", "curved"])
def test_a_ray_is_the_parallel_ray_of_its_formula(detector):
    beam = FanBeam.full_turn(**BEAM, n_views=5, detector=detector, start_rad=0.3)
    head = shepp_logan(radius_mm=60.0)
    gamma = beam.fan_angles_rad(beam.channels_mm)
    sinogram = head.sinogram(beam, dtype=np.float64)
    for channel in (20, 100, 200):
        parallel = ParallelBeam(
            angles_rad=beam.angles_rad - gamma[channel],
            n_channels=1,
            channel_spacing_mm=0.8 * 400 / 560,
            detector_offset_mm=400.0 * np.sin(gamma[channel]),
        )
        expected = head.sinogram(parallel, dtype=np.float64)[:, 0]
        np.testing.assert_allclose(sinogram[:, channel], expected, atol=0.03)
    np.testing.assert_allclose(beam.ray_positions_mm, 400.0 * np.sin(gamma), rtol=1e-14)


def test_curved_channels_are_even_in_angle_and_flat_ones_in_their_tangent():
    curved = FanBeam.full_turn(**BEAM, n_views=3, detector="curved")
    flat = FanBeam.full_turn(**BEAM, n_views=3, detector="flat")
    np.testing.assert_allclose(np.diff(curved.fan_angles_rad(curved.channels_mm)), 0.8 / 560.0)
    np.testing.assert_allclose(np.diff(np.tan(flat.fan_angles_rad(flat.channels_mm))), 0.8 / 560.0)
    assert curved.channels_mm[0] == pytest.approx(1.7 - 120 * 0.8)
    assert curved.half_fan_rad == pytest.approx((1.7 + 241 * 0.4) / 560.0)
    assert flat.axis_spacing_mm == pytest.approx(0.8 * 400 / 560)


@pytest.mark.parametrize("width_mm", [0.8, 1.9])
def test_a_channel_is_the_mean_over_its_width(width_mm):
    beam = FanBeam(
        **PLACES, angles_rad=[0.3, 2.0], n_channels=61, channel_spacing_mm=0.8, channel_width_mm=width_mm
    )
    disk = uniform_disk(radius_mm=11.3, value=0.7, center_mm=(3.0, -2.0))
    fine = np.linspace(-width_mm / 2, width_mm / 2, 4001)
    fine = (fine[1:] + fine[:-1]) / 2
    gamma = beam.fan_angles_rad(beam.channels_mm[:, None] + fine)
    rays = disk.shapes[0].line_integral(beam.angles_rad[:, None, None] - gamma, 400.0 * np.sin(gamma))
    error = np.abs(disk.sinogram(beam, dtype=np.float64) - rays.mean(axis=-1))
    assert error.max() < 5e-3 * 0.7 * np.sqrt(8 * 11.3 * width_mm * 400 / 560)


def test_short_scan_covers_half_a_turn_and_the_fan():
    beam = FanBeam.short_scan(**BEAM, n_views=300, start_rad=0.5)
    assert beam.angles_rad[0] == 0.5
    assert np.ptp(beam.angles_rad) == pytest.approx(np.pi + 2 * np.arctan((1.7 + 241 * 0.4) / 560.0))
    assert beam.shape == (300, 241)


def test_full_turn_and_degrees():
    beam = FanBeam.full_turn(**BEAM, n_views=8, start_rad=0.5)
    np.testing.assert_allclose(beam.angles_rad, 0.5 + np.arange(8) * np.pi / 4)
    np.testing.assert_allclose(FanBeam.from_degrees([0, 90], **BEAM).angles_rad, [0, np.pi / 2])
    assert beam == FanBeam.full_turn(**BEAM, n_views=8, start_rad=0.5)
    assert beam != FanBeam.full_turn(**BEAM, n_views=8, start_rad=0.5, detector="curved")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source_axis_mm": -1.0}, "source_axis_mm must be positive, got -1.0"),
        ({"source_detector_mm": 0.0}, "source_detector_mm must be positive"),
        (
            {"source_detector_mm": 399.0},
            "source_detector_mm must not be below source_axis_mm 400.0, got 399.0",
        ),
        ({"channel_spacing_mm": -0.5}, "channel_spacing_mm must be positive, got -0.5"),
        ({"channel_width_mm": 0.0}, "channel_width_mm must be positive"),
        ({"n_channels": 0}, "n_channels must be at least 1"),
        ({"detector_offset_mm": np.nan}, "detector_offset_mm must be finite"),
        ({"angles_rad": [0.0, np.nan]}, "angles_rad must be finite"),
        ({"detector": "round"}, "detector must be one of flat, curved, got 'round'"),
        ({"detector": "curved", "n_channels": 3000}, "must stay below 90 degrees"),
    ],
)
def test_bad_fans_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        FanBeam(**{**BEAM, "angles_rad": [0.0, 1.0], **change})
