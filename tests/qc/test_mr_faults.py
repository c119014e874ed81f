"""Faults planted in MR phantoms are found and named, and leave the other items alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins import Placement, acr_mri
from imgtech.qc import Report, Verdict
from imgtech.qc.protocols import acr_mri_large, acr_mri_medium, mr_snr_nema
from reference.mr_twins import MrScan, flood_twin, single_images

GRID = ImageGrid(shape=(276, 283), spacing_mm=(0.97, 0.97))
POSE = Placement(center_mm=(4.3, -7.2), z_mm=9.0, roll_rad=0.03)
SCAN = MrScan(placement=POSE, grid=GRID, sigma=3.0, shading=0.02)
BOTTLE = MrScan(
    placement=Placement(center_mm=(6.2, -9.1)),
    grid=ImageGrid(shape=(162, 151), spacing_mm=(1.46, 1.52)),
    sigma=8.0,
    shading=0.05,
)


def _failed(report: Report) -> set[str]:
    assert [m.name for m in report.measurements if m.error] == []
    return {m.name for m in report.measurements if m.verdict is Verdict.FAIL}


def test_a_gradient_two_percent_off_lengthens_one_axis_alone() -> None:
    """The pixels are 0.951 mm high and the files say 0.97; diagonals end on the limit, at 192 mm."""
    true = dataclasses.replace(SCAN, grid=ImageGrid(shape=(276, 283), spacing_mm=(0.97 / 1.02, 0.97)))
    series = true.series(acr_mri("large"), np.random.default_rng(4))
    report = acr_mri_large(dataclasses.replace(series, spacing_mm=(0.97, 0.97)), edition="2015")
    assert {m for m in _failed(report) if "vertical" in m or "horizontal" in m} == {
        "diameter slice 1 vertical",
        "diameter slice 5 vertical",
    }
    assert report["diameter slice 5 vertical"].value == pytest.approx(1.02 * 190, abs=0.1)
    assert report["diameter slice 5 horizontal"].value == pytest.approx(190, abs=0.1)


@pytest.mark.slow
def test_noise_hides_the_spokes_and_nothing_else() -> None:
    loud = acr_mri_large(
        dataclasses.replace(SCAN, sigma=70.0).series(acr_mri("large"), np.random.default_rng(4)),
        edition="2015",
    )
    snr = loud["signal-to-noise ratio"]
    assert abs(snr.value - 1000 / 70) < 3 * snr.uncertainty
    assert loud["low-contrast score"].value < 9
    assert not any("diameter" in name or "thickness" in name for name in _failed(loud))


@pytest.mark.slow
def test_faults_of_the_medium_phantom_are_named() -> None:
    def measured(**changes: float) -> Report:
        scan = dataclasses.replace(SCAN, **{k: v for k, v in changes.items() if k != "diameter_mm"})
        twin = acr_mri("medium", diameter_mm=changes.get("diameter_mm"))
        return acr_mri_medium(scan.series(twin, np.random.default_rng(4)))

    assert _failed(measured()) == set()
    off = measured(off_mm=2.0)
    for role in (1, 11):
        assert off[f"bar length difference slice {role}"].value == pytest.approx(4.0, abs=0.2)
    assert measured(ghost=0.04)["ghosting without the noise floor"].value == pytest.approx(4.0, abs=0.15)
    thick = measured(thickness_mm=6.2)["slice thickness"]
    assert thick.value == pytest.approx(6.2, abs=2.5 * thick.uncertainty)
    wide = measured(diameter_mm=168.0)
    assert wide["diameter slice 5 horizontal"].value == pytest.approx(168.0, abs=0.1)


def _pair(first: MrScan, second: MrScan) -> Report:
    rng = np.random.default_rng(6)
    one = single_images(first, flood_twin(90.0), rng)[0]
    return mr_snr_nema(one, repeat=single_images(second, flood_twin(90.0), rng)[0])


def test_a_pair_that_is_not_a_pair_is_named() -> None:
    good = _pair(BOTTLE, BOTTLE)
    assert good.notes == ()
    ghost = dataclasses.replace(BOTTLE, ghost=-0.03j)  # in phase with the object, where it counts most
    both = _pair(ghost, ghost)  # the same in both scans cancels
    assert abs(both["SNR of two images"].value / good["SNR of two images"].value - 1) < 0.05
    assert both.notes == ()
    moved = dataclasses.replace(BOTTLE, placement=Placement(center_mm=(9.3, -9.1)))
    louder = dataclasses.replace(BOTTLE, sigma=12.0)
    for second, words in (
        (moved, "moved by 3.1 mm"),
        (louder, "the noise differs between the two scans"),
        (ghost, "structure"),
    ):
        notes = " ".join(_pair(BOTTLE, second).notes)
        assert words in notes, (words, notes)
