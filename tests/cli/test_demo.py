"""The demo: every number beside its truth, one page, nothing downloaded."""

from __future__ import annotations

import re
import socket

import numpy as np
import pytest
from typer.testing import CliRunner

from imgtech.cli._demo import ct, files, mri, ultrasound
from imgtech.cli.app import app


def test_files_of_the_demo_come_with_pydicom_and_are_described():
    tomogram, mr = files.sections()
    assert dict(tomogram.facts)["modality"] == "CT"
    assert dict(mr.facts)["matrix"] == "64 x 64"
    assert tomogram.pictures[0].pixels.shape == (128, 128)


def test_sharpness_of_the_demo_is_that_of_the_theory_to_a_quarter_percent():
    """Closer than one uncertainty of noise: a factor that a reconstruction no longer has would show."""
    rows = [ct._sharpness(np.random.default_rng(seed))[0] for seed in range(3)]
    assert np.mean([row.measurement.value / row.truth - 1 for row in rows]) == pytest.approx(0, abs=0.0025)
    for row in rows:
        assert abs(row.measurement.value - row.truth) < 2.5 * row.measurement.uncertainty


def test_magnetic_resonance_of_the_demo_finds_its_truths():
    section = mri.section(np.random.default_rng(11))
    names = {row.measurement.name for row in section.rows}
    assert {"SNR", "percent integral uniformity", "diameter vertical"} <= names
    for row in section.rows:
        assert abs(row.measurement.value - row.truth) < 4 * row.measurement.uncertainty


@pytest.mark.slow
def test_ultrasound_of_the_demo_finds_its_truths():
    section = ultrasound.section(np.random.default_rng(12))
    for row in section.rows:
        assert abs(row.measurement.value - row.truth) < 4 * row.measurement.uncertainty


@pytest.mark.slow
def test_demo_writes_one_page_without_the_network(tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("the demo must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "demo.html")])
    assert result.exit_code == 0, result.output
    page = (tmp_path / "demo.html").read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["demo.html"]
    assert not re.findall(r"https?://|<script|<link|<img", page)
    for word in (
        "CT number of Teflon",
        "MTF50",
        "SNR",
        "speckle",
        "diameter",
        "CT_small.dcm",
        "MR_small.dcm",
    ):
        assert word in page
    found, total = (int(n) for n in re.search(r"<b>(\d+) of (\d+)</b>", page).groups())
    assert total >= 14
    assert found >= total - 2


def test_demo_into_a_missing_folder_ends_with_one_sentence_before_any_work(tmp_path):
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "no" / "demo.html")])
    assert result.exit_code == 2
    assert "no" in result.stderr
    assert "simulating" not in result.stdout
