"""Limit tables that come with the library, and a site's own file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imgtech import qc
from imgtech.qc import Measurement, Report, Source
from imgtech.qc.limits import list_limit_tables, read_baselines, read_limit_table, with_limits

SITE = """
who = "A. Physicist"
when = 2026-11-24

[limits."noise"]
baseline = 10.0
tolerance_percent = 20.0

[limits."CT number Teflon"]
baseline = 950.0
tolerance = 30.0

[limits."line top"]
lower = 49.5
upper = 50.5

[limits."MTF50 Teflon rod"]
lower = 0.3
"""


def _report() -> Report:
    source = Source(document="twin", edition="1")
    return Report(
        protocol="catphan-504",
        edition="manual-2017",
        measurements=tuple(
            Measurement(name=n, value=v, unit="HU", uncertainty=0.1, definition=source, algorithm="example-1")
            for n, v in (("noise", 12.5), ("CT number Teflon", 951.0))
        ),
    )


@pytest.mark.parametrize("name", list_limit_tables())
def test_every_table_reads_and_names_its_source(name: str) -> None:
    limits = read_limit_table(name)
    assert limits
    for limit in limits.values():
        assert limit.source.document
        assert limit.source.edition
        assert limit.source.clause


def test_acr_limits_are_those_of_the_scoring_article() -> None:
    limits = read_limit_table("acr-ct-2017")
    ranges = {n: (limit.lower, limit.upper) for n, limit in limits.items() if n.startswith("CT number")}
    assert ranges == {
        "CT number polyethylene": (-107.0, -84.0),
        "CT number water": (-7.0, 7.0),
        "CT number acrylic": (110.0, 135.0),
        "CT number bone": (850.0, 970.0),
        "CT number air": (-1005.0, -970.0),
    }
    assert all(limit.source.verified for limit in limits.values())
    with pytest.raises(ValueError, match="name must be one of"):
        read_limit_table("acr-ct-1900")


def test_a_sites_baselines_rate_in_place_of_the_edition(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(SITE)
    limits = read_baselines(file)
    assert (limits["noise"].lower, limits["noise"].upper) == (8.0, 12.0)
    assert limits["MTF50 Teflon rod"].upper is None
    assert str(limits["line top"].source) == "site baseline, 2026-11-24, set by A. Physicist"
    report = with_limits(_report(), limits)
    assert report["noise"].verdict.value == "fail"
    assert report["CT number Teflon"].verdict.value == "pass"
    assert report.notes == ("limits without an item in this report: line top, MTF50 Teflon rod",)
    as_json = tmp_path / "site.json"
    as_json.write_text(json.dumps({"who": "B", "when": "2026-01-02", "limits": {"noise": {"upper": 13}}}))
    assert with_limits(_report(), read_baselines(as_json))["noise"].verdict.value == "pass"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("when = 2026-01-01\n[limits.noise]\nupper = 1.0", "must say 'who'"),
        ('who = "A"\n[limits.noise]\nupper = 1.0', "must say 'when'"),
        ('who = "A"\nwhen = 2026-01-01', "must say 'limits'"),
        ('who = "A"\nwhen = "last week"\n[limits.noise]\nupper = 1.0', "when must be a date"),
        ('who = "A"\nwhen = 2026-01-01\n[limits.noise]\nupper = "x"', "upper of 'noise' must be a number"),
        ('who = "A"\nwhen = 2026-01-01\n[limits.noise]\nupper = nan', "upper of 'noise' must be a number"),
        ('who = "A"\nwhen = 2026-01-01\n[limits.noise]\nhigher = 1.0', "must not have higher"),
        (
            'who = "A"\nwhen = 2026-01-01\n[limits.noise]\nbaseline = 1.0',
            "one of tolerance and tolerance_percent",
        ),
        (
            'who = "A"\nwhen = 2026-01-01\n[limits.noise]\nbaseline = 1.0\ntolerance = -1.0',
            "must be positive",
        ),
        (
            'who = "A"\nwhen = 2026-01-01\n[limits.noise]\nlower = 2.0\nupper = 1.0',
            "lower must not exceed upper",
        ),
        ('who = "A"\nwhen = 2026-01-01\nlimits = 3', "limits must be a table"),
        ("who = ", "is not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_baselines(file)


def test_a_file_that_is_not_there_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read_baselines(tmp_path / "none.toml")
    (tmp_path / "site.yaml").write_text("who: A")
    with pytest.raises(ValueError, match=r"must end in \.toml or \.json"):
        read_baselines(tmp_path / "site.yaml")


def test_run_takes_a_sites_file(data, tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(SITE)
    report = qc.run(data("ct_catphan504/CBCT_3"), protocol="catphan-504", baselines=file)
    assert report["CT number Teflon"].verdict.value == "pass"
    assert report["noise"].verdict.value == "pass"
    assert report["CT number Delrin"].verdict.value == "unrated"
