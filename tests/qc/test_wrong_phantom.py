"""Every protocol on every other phantom and on things that are none: refused with a sentence, at once."""

from __future__ import annotations

import dataclasses
import sys
import time
import warnings

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from imgtech import qc
from imgtech.cli.app import app
from imgtech.io import Series, write_series
from imgtech.phantoms.twins import catphan, catphan_drawing
from imgtech.qc._run import _PROTOCOLS
from imgtech.qc.locate import find_disk
from imgtech.qc.locate_ct import find_axis
from reference.every_phantom import MADE_FOR, ct_series, no_phantoms, phantom, photo, stack

ALL = tuple(name for name in _PROTOCOLS if name != "site")
SLOW_TWINS = ("acr-mri-large", "acr-mri-medium", "leeds", "edge", "us")
FEW = ("mr-snr-nema", "mr-magnet", "ct-water", "gamma-flood", "gamma-bars", "us-in-air")


def refusal(protocol: str, series: Series, most_s: float = 5.0) -> str:
    """The sentence with which a protocol refuses a series; fails where it takes or chokes on it."""
    known, start = _PROTOCOLS[protocol], time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError) as caught:
            known.measure(series, edition=known.editions[-1])
    text = str(caught.value)
    assert time.process_time() - start < most_s, text
    assert len(text.split()) > 3, text
    assert "reshape" not in text
    assert "axis" not in text.split(), text
    return text


def others(protocol: str) -> list[str]:
    """Phantoms of the modality of a protocol that it is not made for."""
    modalities = _PROTOCOLS[protocol].modalities
    return [
        name
        for name, made in MADE_FOR.items()
        if protocol not in made and _PROTOCOLS[made[0]].modalities == modalities
    ]


@pytest.mark.parametrize("protocol", FEW)
def test_another_phantom_of_the_modality_is_refused(protocol: str) -> None:
    for name in set(others(protocol)) - set(SLOW_TWINS):
        refusal(protocol, phantom(name))


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ALL)
def test_every_other_phantom_of_the_modality_is_refused(protocol: str) -> None:
    for name in others(protocol):
        refusal(protocol, phantom(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", MADE_FOR)
def test_every_phantom_is_taken_by_its_own_protocols(name: str) -> None:
    """So that a refusal above is not that of a broken twin."""
    for protocol in MADE_FOR[name]:
        known = _PROTOCOLS[protocol]
        report = known.measure(phantom(name), edition=known.editions[-1])
        assert sum(m.value is not None for m in report.measurements) >= len(report.measurements) / 2


@pytest.mark.parametrize("protocol", ALL)
def test_another_modality_is_refused_by_its_name(protocol: str) -> None:
    modality = "CT" if "CT" not in _PROTOCOLS[protocol].modalities else "MR"
    series = stack(np.ones((14, 64, 70)), modality)
    assert modality in refusal(protocol, series)


@pytest.mark.parametrize("protocol", FEW)
def test_what_is_no_phantom_is_refused(protocol: str) -> None:
    _refuse_no_phantoms(protocol)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [p for p in ALL if p not in FEW])
def test_what_is_no_phantom_is_refused_by_every_protocol(protocol: str) -> None:
    _refuse_no_phantoms(protocol)


def _refuse_no_phantoms(protocol: str) -> None:
    known = _PROTOCOLS[protocol]
    for series in no_phantoms(known.modalities[0], known.n_images[0]).values():
        refusal(protocol, series)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ALL)
def test_large_things_are_refused_within_seconds(protocol: str) -> None:
    known = _PROTOCOLS[protocol]
    low, high = known.n_images
    picture = np.broadcast_to(photo(3000), (min(low, 11), 3000, 3000))
    refusal(protocol, stack(picture, known.modalities[0], (0.3, 0.3)), 20.0)
    if high >= 600:
        noise = np.random.default_rng(1).exponential(100.0, size=(600, 96, 103))
        refusal(protocol, stack(noise, known.modalities[0], (3.0, 3.0)), 20.0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_series_holds_numbers(value: float) -> None:
    pixels = np.ones((2, 5, 6))
    pixels[1, 2, 3] = value
    with pytest.raises(ValueError, match=r"pixels must be finite, got (nan|inf) at index \(1, 2, 3\)"):
        stack(pixels, "MR")


def test_the_command_refuses_with_code_2_and_one_sentence(tmp_path) -> None:
    """A water phantom for a CatPhan, a folder without images, a damaged file, a photo for an X-ray."""
    write_series(phantom("ct-water"), tmp_path / "water")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "notes.txt").write_text("no image")
    write_series(dataclasses.replace(stack(photo(200)[None], "DX")), tmp_path / "photo")
    first = sorted((tmp_path / "water").iterdir())[0]
    broken = pydicom.dcmread(first)
    broken.PixelData = broken.PixelData[: len(broken.PixelData) // 3]
    (tmp_path / "broken").mkdir()
    broken.save_as(tmp_path / "broken" / "a.dcm")
    for protocol, name, words in (
        ("catphan-504", "water", "not a CT series of the CatPhan 504"),
        ("acr-mri-large", "water", "MR"),
        ("ct-water", "empty", "empty"),
        ("ct-water", "text", "text"),
        ("ct-water", "nowhere", "does not exist"),
        ("ct-water", "broken", "a.dcm"),
        ("planar-xray", "photo", "no known phantom was found"),
    ):
        result = CliRunner().invoke(app, ["qc", protocol, str(tmp_path / name)])
        text = result.output
        assert result.exit_code == 2, (protocol, name, text)
        assert words in " ".join(text.split()), text
        assert "Traceback" not in text, text
        assert "value ±" not in text, text


def test_a_report_of_the_wrong_kind_holds_no_number() -> None:
    with pytest.raises(ValueError, match=r"is not a flood: .* of the field lie more than 25 %"):
        qc.protocols.gamma_flood(phantom("bars"))
    with pytest.raises(ValueError, match="this is not a CT series of a water phantom: no slice shows a disk"):
        qc.protocols.ct_water(no_phantoms("CT", 5)["noise"])
    with pytest.raises(ValueError, match=r"must be uniform, but .* % .*most at x = -?\d+, y = -?\d+ mm"):
        qc.protocols.mr_snr_nema(phantom("plates"))


@pytest.mark.parametrize(
    ("moved", "words"),
    [
        ("line pairs", "its line pairs lie at -3[0-9] mm .* in the drawing at 30 mm; the CatPhan 500, 503"),
        ("uniform", "where the drawing has the uniform CTP486, image .* holds -1"),
    ],
)
def test_a_catphan_with_the_same_rods_and_other_modules_is_refused(
    moved: str, words: str, monkeypatch
) -> None:
    """As the CatPhan 503, whose line pairs lie on the side of the uniform module."""
    module = sys.modules["imgtech.phantoms.twins.catphan"]
    drawing = catphan_drawing("504")
    changes = {"bar_z_mm": -33.0} if moved == "line pairs" else {
        "uniformity": dataclasses.replace(drawing.uniformity, z_mm=(60.0, 100.0))
    }  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(module, "_DRAWINGS", {"504": dataclasses.replace(drawing, **changes)})
        twin = catphan("504")
    with pytest.raises(ValueError, match=words):
        qc.protocols.catphan(ct_series(twin, -90.0, 55.0), model="504")


def test_an_image_of_one_row_is_refused_by_its_size() -> None:
    row = stack(np.ones((12, 1, 130)), "CT")
    with pytest.raises(ValueError, match=r"image must be at least 16 x 16 pixels, got 1 x 130"):
        find_disk(row.pixels[0], row.grid, radius_mm=(20.0, 60.0))
    with pytest.raises(ValueError, match=r"48 mm each way, got 1 x 130 pixels, 0.9 x 143 mm"):
        find_axis(row, radius_mm=(20.0, 60.0))
