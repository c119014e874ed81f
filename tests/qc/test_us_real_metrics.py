"""Ultrasound metrics on channel data made by others, through the package's own beamformer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from imgtech.geometry import ImageGrid
from imgtech.io.raw import read_pybf, read_pymust
from imgtech.qc.metrics.ultrasound import (
    distance_error,
    element_levels,
    gcnr,
    lesion_contrast,
    point_target,
    speckle_snr,
)
from imgtech.qc.roi import disk_region, rectangle_region
from imgtech.recon.ultrasound import delay_and_sum, rf_to_iq


@pytest.fixture(scope="module")
def disk(data):
    scan = read_pymust(data("us_raw/rotating_disk_l7-4.mat"))
    iq = rf_to_iq(scan.data[..., :8], scan.waves, center_hz=scan.center_hz)
    grid = ImageGrid(shape=(251, 201), spacing_mm=(0.1, 0.125), center_mm=(22.5, 0.0))
    settings = {"f_number": 1.0, "sound_speed_m_s": scan.sound_speed_m_s, "center_hz": scan.center_hz}
    return scan, np.abs(delay_and_sum(iq, scan.probe, scan.waves, grid, **settings)), grid


def test_the_rotating_disk_shows_fully_developed_speckle(disk):
    _, frames, grid = disk
    inside = disk_region(grid, center_mm=(22.3, -1.0), radius_mm=6.0)
    found = [speckle_snr(frames[..., k], inside) for k in range(0, 8, 2)]
    for m in found:
        assert abs(m.value - 1.913) < 3 * m.uncertainty + 0.1
        assert 20 < m.details["speckle cells"] < inside.sum()


def test_the_rotating_disk_stands_out_of_the_water(disk):
    _, frames, grid = disk
    inside = disk_region(grid, center_mm=(22.3, -1.0), radius_mm=7.0)
    water = rectangle_region(grid, center_mm=(22.3, 11.2), size_mm=(12.0, 2.0))
    contrast = lesion_contrast(frames[..., 0], inside, water)
    assert contrast.value > 12
    separation = gcnr(frames[..., 0], inside, water)
    assert 0.6 < separation.value < 1.0


def test_the_elements_of_a_working_probe_are_even(disk):
    scan, _, _ = disk
    levels = element_levels(np.moveaxis(np.asarray(scan.data, dtype=np.float64)[..., :8], -1, 0)[:, 0])
    assert levels.level_db.size == 128
    assert levels.below(-3.0) == ()


def test_single_points_of_field_ii_lie_at_their_listed_depths(data):
    """Four points on the axis stand alone between rows of others; Field II put them there exactly."""
    scan = read_pybf(data("us_raw/field2_3pw.hdf5"))
    iq = rf_to_iq(scan.data, scan.waves, center_hz=scan.center_hz)
    gaps = cKDTree(scan.scatterers_mm).query(scan.scatterers_mm, k=2)[0][:, 1]
    places = scan.scatterers_mm[np.argsort(gaps)[-4:]]
    places = places[np.argsort(places[:, 0])]
    assert len(places) == 4
    found = []
    for place in places:
        grid = ImageGrid(shape=(121, 121), spacing_mm=(0.02, 0.02), center_mm=tuple(place))
        settings = {"f_number": 1.75, "center_hz": scan.center_hz}
        settings["sound_speed_m_s"] = scan.sound_speed_m_s
        image = np.abs(delay_and_sum(iq, scan.probe, scan.waves, grid, **settings))
        found.append(point_target(image, grid, near_mm=tuple(place), search_mm=(1.1, 1.1)))
    for target, place in zip(found, places, strict=True):
        assert target.axial_position.value == pytest.approx(place[0], abs=0.01)
        assert target.lateral_position.value == pytest.approx(place[1], abs=0.01)
    # pulse length and, at a constant f-number, lateral resolution do not depend on depth
    axial, lateral = ([getattr(t, name).value for t in found] for name in ("axial_width", "lateral_width"))
    assert np.ptp(axial) < 0.01 * np.mean(axial)
    assert np.ptp(lateral) < 0.05 * np.mean(lateral)
    scale = distance_error(found, places[:, 0], axis="axial")
    assert abs(scale.value) < 0.02
