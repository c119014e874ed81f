"""Grey values that a scanner has cut, masked or filled with something else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from imgtech.io import Series
from imgtech.qc.protocols import acr_mri_large
from reference.acr_twin import Twin

CENTER = (3.0, -5.0)


@pytest.fixture(scope="module")
def series() -> Series:
    return Twin(angle_rad=0.4, center_mm=CENTER, sigma=8.0).series(np.random.default_rng(5))


def with_pixels(series: Series, pixels: np.ndarray) -> Series:
    return dataclasses.replace(series, pixels=pixels)


def test_clipped_grey_values_are_refused_and_rounded_ones_are_not(series: Series) -> None:
    pixels = series.pixels.astype(np.float64)
    level = float(np.median(pixels[pixels > pixels.max() / 2]))
    clipped = with_pixels(series, np.minimum(pixels, level))
    with pytest.raises(ValueError, match=rf"clipped: \d+ % of the water of slice 7 .* value, {level:g}"):
        acr_mri_large(clipped)
    # steps as coarse as the noise: some per cent of the pixels share the highest value all the same
    step = 8.0
    rounded = acr_mri_large(with_pixels(series, step * np.round(pixels / step)))
    assert rounded["percent integral uniformity"].value is not None


def test_a_bed_behind_the_phantom_is_not_taken_for_noise(series: Series) -> None:
    plain = acr_mri_large(series)["signal-to-noise ratio"]
    rows = series.grid.coordinates_mm[0]
    pixels = series.pixels.astype(np.float64)
    pixels[:, rows > rows[-1] - 14.0] += 400.0
    behind = acr_mri_large(with_pixels(series, pixels))["signal-to-noise ratio"]
    assert "air unusable" not in behind.details
    assert behind.value == pytest.approx(plain.value, abs=3 * np.hypot(plain.uncertainty, behind.uncertainty))
    pixels[:, rows < rows[0] + 12.0] += 400.0
    crowded = acr_mri_large(with_pixels(series, pixels))["signal-to-noise ratio"]
    assert crowded.details["air unusable"] == "something other than noise lies in the corners of the image"


def test_masked_air_is_said(series: Series) -> None:
    rows, columns = series.grid.coordinates_mm
    far = np.hypot(rows[:, None] - CENTER[0], columns - CENTER[1]) > 100.0
    masked = acr_mri_large(with_pixels(series, np.where(far, 0.0, series.pixels)))
    assert any("100 % of the air is exactly zero" in note for note in masked.notes)
    assert not any("exactly zero" in note for note in acr_mri_large(series).notes)


def test_a_bottle_beside_the_phantom_is_no_ghost(series: Series) -> None:
    rows, columns = series.grid.coordinates_mm
    bottle = np.hypot(rows[:, None] - 10.0, columns + 116.0) < 6.0
    report = acr_mri_large(with_pixels(series, np.where(bottle, 1500.0, series.pixels)))
    for name in ("percent signal ghosting", "ghosting without the noise floor"):
        assert "the air at the left must hold no other object" in str(report[name].error)
