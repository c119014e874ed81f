"""The ACR CT protocol through raw data: fan-beam sinograms of the twin, reconstructed, then measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from imgtech.geometry import FanBeam, ImageGrid
from imgtech.io import Series, SeriesTags
from imgtech.phantoms.twins import Placement, acr_ct
from imgtech.qc.protocols import acr_ct as measure
from imgtech.recon.ct import fbp
from reference.ct_raw import fan_sinogram, raw_series, raw_truth
from reference.ct_twins import Scan

WATER_PER_MM = 0.0192
POSE = Placement(center_mm=(3.1, -4.3), z_mm=2.0, roll_rad=0.31)
Z_MM = np.array([-12.0, -4.0, 4.0, 12.0])


@pytest.mark.slow
def test_acr_ct_from_fan_beam_sinograms() -> None:
    """CT numbers of module 1, its roll and place are those of the twin."""
    twin, rng = acr_ct(), np.random.default_rng(3)
    grid = ImageGrid(shape=(330, 320), spacing_mm=(0.72, 0.74))
    beam = FanBeam.full_turn(
        n_views=400, n_channels=460, channel_spacing_mm=1.05, source_axis_mm=570.0, source_detector_mm=1040.0
    )
    slices = []
    for z in Z_MM:
        section = twin.section(float(z), thickness_mm=4.0, placement=POSE, water_per_mm=WATER_PER_MM)
        sinogram = section.sinogram(beam)
        sinogram = sinogram + 0.004 * rng.standard_normal(sinogram.shape)
        slices.append(1000 * (fbp(sinogram, beam, grid, window="hann") / WATER_PER_MM - 1))
    series = Series(
        pixels=np.stack(slices),
        spacing_mm=grid.spacing_mm,
        positions_mm=Z_MM,
        slice_thickness_mm=4.0,
        modality="CT",
        tags=SeriesTags(tube_voltage_kv=120.0),
    )
    report = measure(series)
    for name in ("air", "acrylic", "polyethylene", "bone", "water"):
        m = report[f"CT number {name}"]
        assert m.error is None, m.error
        assert m.value == pytest.approx(twin.facts[name], abs=max(3 * m.uncertainty, 1.0)), name
    roll = report["roll"]
    assert roll.value == pytest.approx(math.degrees(POSE.roll_rad), abs=max(3 * roll.uncertainty, 0.1))
    # one module does not say which way the slices run
    assert "direction of the slices is not known" in report["noise"].error


@pytest.mark.slow
def test_all_modules_of_the_acr_phantom_from_fan_beam_sinograms() -> None:
    """Bars, rods, beads, noise and pose at an odd pose, slices against the direction of the phantom."""
    place = Placement(
        center_mm=(4.1, -6.3), z_mm=3.0, roll_rad=2.1, tilt=(0.006, -0.01), mirrored=True, reversed=True
    )
    scan, twin = Scan(placement=place, noise_hu=6.0), acr_ct()
    report = measure(raw_series(scan, twin, 6.0, np.random.default_rng(11)))
    away = {}
    for name, value in raw_truth(scan, twin, 6.0).items():
        m = report[name]
        assert m.error is None, (name, m.error)
        low, high = m.interval(0.95)
        off = (m.value - value + 180) % 360 - 180 if name == "roll" else m.value - value
        away[name] = 2 * off / (high - low)
    assert len(away) == 27
    assert np.mean([abs(a) <= 1 for a in away.values()]) >= 0.85, away
    assert max(abs(a) for name, a in away.items() if "lp/cm" not in name) < 1.7, away
    for group in (4, 5, 6):
        m = report[f"MTF {group} lp/cm bars"]
        assert m.value == pytest.approx(raw_truth(scan, twin, 6.0)[m.name], abs=0.01)


def test_the_quick_sinogram_is_that_of_the_phantom() -> None:
    """Windows of channels around each shape change nothing but the number of points in a channel."""
    beam = FanBeam.full_turn(
        n_views=12, n_channels=460, channel_spacing_mm=1.05, source_axis_mm=570.0, source_detector_mm=1040.0
    )
    for z in (0.0, 120.0):
        section = acr_ct().section(z, thickness_mm=5.0, placement=POSE, water_per_mm=WATER_PER_MM)
        away = fan_sinogram(section, beam) - section.sinogram(beam, dtype=np.float64)
        assert np.abs(away).mean() < 1e-3
        assert np.abs(away).max() < 0.2
        assert np.quantile(np.abs(away), 0.95) < 2e-3
