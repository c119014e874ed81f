"""The CatPhan protocol on real cone-beam scans, against values another program read (within 5 HU)."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from imgtech import qc
from imgtech.io import Series, read_series
from imgtech.qc.protocols import catphan as measure

OTHERS = {
    "CBCT_3": ({"PMP": -194, "LDPE": -103, "Polystyrene": -44, "Acrylic": 113, "Delrin": 325, "Teflon": 952,
                "Air top": -982}, -2.66),
    "Pelvis": ({"PMP": -188, "LDPE": -95, "Polystyrene": -36, "Acrylic": 114, "Delrin": 345, "Teflon": 992,
                "Air top": -998}, -0.26),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_real_scans_end_with_a_complete_table(data, name: str) -> None:
    numbers, roll = OTHERS[name]
    report = qc.run(data(f"ct_catphan504/{name}"), protocol="catphan-504")
    assert [m.name for m in report.measurements if m.error] == []
    for material, value in numbers.items():
        assert report[f"CT number {material}"].value == pytest.approx(value, abs=5)
    assert report["roll"].value == pytest.approx(roll, abs=0.3)
    for side in ("top", "left", "bottom", "right"):
        assert report[f"line {side}"].value == pytest.approx(50.0, abs=0.3)
    assert report["slice thickness"].value == pytest.approx(2.5, abs=0.25)
    assert report["slice increment"].value == pytest.approx(2.5, abs=0.06)
    assert report["contrast 1 % rod 15 mm"].value == pytest.approx(10.0, abs=2.0)
    assert report["contrast 1 % rod 15 mm"].details["seen"] == "yes"
    assert len(report.pictures) == 4


def _changed(series: Series, name: str) -> Series:
    kind, *numbers = name.split()
    values = [float(n) for n in numbers]
    if kind == "back":  # the slices the other way round
        return dataclasses.replace(
            series, pixels=series.pixels[::-1], positions_mm=-series.positions_mm[::-1]
        )
    if kind == "mirror":
        return dataclasses.replace(series, pixels=series.pixels[:, :, ::-1])
    pixels = series.pixels.astype(np.float32)
    if kind == "turn":
        c, s = math.cos(math.radians(values[0])), math.sin(math.radians(values[0]))
        matrix = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
        middle = (np.array(pixels.shape) - 1) / 2
        pixels = ndimage.affine_transform(pixels, matrix, middle - matrix @ middle, order=1, cval=-1000.0)
    else:
        move = np.rint(np.array(values) / series.spacing_mm).astype(int)
        pixels = np.roll(pixels, move, axis=(1, 2))
    return dataclasses.replace(series, pixels=pixels)


@pytest.mark.parametrize(
    "change",
    [
        "back",
        *(pytest.param(c, marks=pytest.mark.slow) for c in ("turn 33", "turn 191", "mirror", "shift 20 -20")),
    ],
)
def test_turned_mirrored_shifted_and_reversed_it_measures_the_same(data, change: str) -> None:
    series = read_series(data("ct_catphan504/CBCT_3"))
    before, after = measure(series), measure(_changed(series, change))
    assert [m.name for m in after.measurements if m.error] == []
    for name, most in (
        ("CT number Teflon", 2.0),
        ("CT number PMP", 1.0),
        ("CT number LDPE", 1.0),
        ("CT number Acrylic", 1.0),
        ("slice thickness", 0.1),
        ("line top", 0.05),
        ("line left", 0.05),
        ("CT number centre", 1.0),
    ):
        assert after[name].value == pytest.approx(before[name].value, abs=most), name


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mr_acr/Siemens", "must be CT, got modality 'MR'"),
        ("mr_acr/SiemensSolaFitLocalizer", "must be CT, got modality 'MR'"),
        ("pet_nema_iq/recon_1", "must be CT, got modality 'PT'"),
        ("dose_rdsr", "holds no image"),
    ],
)
def test_other_scans_are_refused_with_a_sentence(data, name: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        qc.run(data(name), protocol="catphan-504")


def test_the_wrong_model_and_a_cut_file_are_refused(data, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="use the protocol catphan-504"):
        qc.run(data("ct_catphan504/Pelvis"), protocol="catphan-604")
    files = sorted(f for f in data("ct_catphan504/CBCT_3").rglob("*") if f.is_file())
    for file in files[28:40]:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    cut = tmp_path / files[33].name
    cut.write_bytes(cut.read_bytes()[:9000])
    with pytest.raises(ValueError, match="damaged or cut short"):
        qc.run(tmp_path, protocol="catphan-504")


def test_a_few_slices_without_the_rods_are_refused(data) -> None:
    series = read_series(data("ct_catphan504/CBCT_3"))
    few = dataclasses.replace(series, pixels=series.pixels[:9], positions_mm=series.positions_mm[:9])
    with pytest.raises(ValueError, match="sensitometry module is missing"):
        measure(few)
