"""Limit tables that come with the library, and a site's own file."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from imgtech import qc
from imgtech.qc import Limit, Measurement, Report, Source
from imgtech.qc.limits import (
    confirm_limits,
    list_limit_tables,
    read_baselines,
    read_limit_table,
    with_limits,
)

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


def test_only_what_was_read_in_its_document_is_verified() -> None:
    read = {
        (name, item, limit.source.document)
        for name in list_limit_tables()
        for field_t in (None, 0.3, 1.5, 3.0)
        for item, limit in read_limit_table(name, field_strength_t=field_t, echo_time_ms=20.0).items()
        if limit.source.verified and not limit.advisory
    }
    paper = "J Appl Clin Med Phys 23:e13730, which lists the ACR tolerances"
    article = "ACR, Phantom Scoring: CT (accreditationsupport.acr.org, article 11000054129)"
    sides = ("top", "right", "bottom", "left")
    slices = ("slice 1 vertical", "slice 1 horizontal", "slice 5 vertical", "slice 5 horizontal",
              "slice 5 falling diagonal", "slice 5 rising diagonal")  # fmt: skip
    mri = ("length", *(f"diameter {s}" for s in slices), "resolution left to right", "resolution up and down",
           "percent integral uniformity", "percent signal ghosting", "low-contrast score")  # fmt: skip
    assert read == {
        *(("acr-ct-2017", f"{side} minus centre", article) for side in sides),
        *(("acr-mri-large-2015", item, paper) for item in mri),
    }


@pytest.mark.parametrize(("field_t", "verified"), [(0.3, False), (1.5, True), (3.0, True), (7.0, None)])
def test_a_value_read_for_two_field_strengths_is_verified_there(field_t: float, verified: bool) -> None:
    limits = read_limit_table("acr-mri-large-2015", field_strength_t=field_t)
    for item in ("percent integral uniformity", "low-contrast score"):
        found = limits.get(item)
        assert (None if found is None else found.source.verified) is verified


def test_acr_limits_are_those_quoted_of_the_manual() -> None:
    limits = read_limit_table("acr-ct-2017")
    ranges = {n: (limit.lower, limit.upper) for n, limit in limits.items() if n.startswith("CT number")}
    assert ranges == {
        "CT number polyethylene": (-107.0, -84.0),
        "CT number water": (-7.0, 7.0),
        "CT number acrylic": (110.0, 135.0),
        "CT number bone": (850.0, 970.0),
        "CT number air": (-1005.0, -970.0),
    }
    assert not any(limit.source.verified for n, limit in limits.items() if n.startswith("CT number"))
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


def _unverified() -> Report:
    guide = Source(document="A guide", edition="2022", clause="6.4", verified=False)
    read = Source(document="A paper", edition="2015", clause="table 3")

    def item(name: str, limit: Limit | None) -> Measurement:
        return Measurement(
            name=name,
            value=2.0,
            unit="%",
            uncertainty=0.1,
            definition=read,
            algorithm="example-1",
            limit=limit,
        )

    return Report(
        protocol="example",
        edition="2022",
        measurements=(
            item("ghosting", Limit(upper=3.0, source=guide)),
            item("uniformity", Limit(lower=4.0, source=guide)),
            item("length", Limit(lower=1.0, upper=3.0, source=read)),
            item("scale", None),
            item("range", Limit(lower=5.0, source=guide, advisory=True)),
            Measurement(name="thickness", error="no ramp", definition=read, algorithm="example-1"),
        ),
    )


def test_an_unverified_limit_rates_only_once_it_is_confirmed_by_name() -> None:
    report = _unverified()
    verdicts = {m.name: m.verdict.value for m in report.measurements}
    assert verdicts == {"ghosting": "unrated", "uniformity": "unrated", "length": "pass", "scale": "unrated",
                        "range": "unrated", "thickness": "error"}  # fmt: skip
    assert report.tally == (
        "1 of 6 items rated",
        "1 in error",
        "2 not rated: limit unverified; confirm it with --limits-confirmed-by or choose another edition",
        "1 not rated: no limit",
        "1 not rated: the range is no acceptance limit",
    )
    confirmed = confirm_limits(report, "  A.  Physicist ", on=datetime.date(2026, 11, 27))
    verdicts |= {"ghosting": "pass", "uniformity": "fail"}
    assert {m.name: m.verdict.value for m in confirmed.measurements} == verdicts
    says = "A guide, 2022, 6.4 (confirmed by A. Physicist on 2026-11-27, not read by imgtech)"
    assert str(confirmed["ghosting"].limit.source) == says
    assert confirmed["length"].limit == report["length"].limit
    record = json.loads(confirmed.to_json())
    limits = {m["name"]: m["limit"] for m in record["measurements"]}
    assert (limits["uniformity"]["confirmed_by"], limits["uniformity"]["confirmed_on"]) == (
        "A. Physicist",
        "2026-11-27",
    )
    assert limits["uniformity"]["verified"] is False
    assert record["tally"][0] == "3 of 6 items rated"
    assert report["ghosting"].limit.source.confirmed_by == ""


def test_a_confirmation_is_of_today_and_says_when_there_was_nothing_to_confirm() -> None:
    days = {datetime.date.today().isoformat()}
    confirmed = confirm_limits(_unverified(), "B")
    days.add(datetime.date.today().isoformat())
    assert confirmed["ghosting"].limit.source.confirmed_on in days
    again = confirm_limits(confirmed, "C")
    assert again["ghosting"].limit.source.confirmed_by == "B"
    assert again.notes == ("no unverified limit for C to confirm",)
    assert confirmed.notes == ()


def test_a_confirmation_needs_a_date_as_its_day() -> None:
    with pytest.raises(ValueError, match=r"^on must be a date, got '2026-11-27'"):
        confirm_limits(_unverified(), "B", on="2026-11-27")


@pytest.mark.parametrize("name", ["", "  \n", None, 3])
def test_a_confirmation_without_a_name_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match=r"^by must be the name of a person, got"):
        confirm_limits(_unverified(), name)
    with pytest.raises(ValueError, match="limits_confirmed_by must be the name of a person"):
        qc.run("no-such-folder", protocol="acr-mri-large", limits_confirmed_by="" if name is None else name)


def test_a_source_is_confirmed_by_somebody_on_a_day_or_not_at_all() -> None:
    with pytest.raises(ValueError, match="confirmed_by and confirmed_on must be given together"):
        Source(document="A", edition="1", verified=False, confirmed_by="B")
    with pytest.raises(ValueError, match="a verified source must have no confirmed_by"):
        Source(document="A", edition="1", confirmed_by="B", confirmed_on="2026-11-27")
