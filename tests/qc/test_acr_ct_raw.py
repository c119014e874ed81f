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
