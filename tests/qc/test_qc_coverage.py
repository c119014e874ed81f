"""95 % intervals hold the closed-form truth in 90 to 98 % of the simulated runs, for every metric."""

from __future__ import annotations

import inspect
import json
import re
import runpy
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import numpy as np
import pytest

from imgtech.qc import metrics
from imgtech.qc.metrics import ultrasound

RUN = Path(__file__).resolve().parents[2] / "benchmarks" / "coverage" / "run.py"
RESULTS = RUN.parents[1] / "results"
TRACES = json.loads((RESULTS / "traceability.json").read_text())["rows"]
KNOWN = {(row["metric"], row["setting"]): row for row in TRACES}
STUDY = runpy.run_path(str(RUN))
FAMILIES = STUDY["families"]()
LINES = [s for family in FAMILIES for s in STUDY["settings"](family)]
NAMES = [f"{s.metric or next(iter(s.truths))}, {s.about}" for s in LINES]
# what gives measurements, or carries the uncertainty that they are made of
CARRIERS = ("Measurement", "MTF", "NPS", "SpectralCurve", "SliceProfile", "VolumeNPS", "Distortion",
            "Stability", "Points", "Point", "Rim", "RampSignal", "PointTarget", "ElementLevels",
            "SpreadFunction")  # fmt: skip
# a value without an uncertainty of its own, or one that hands on what it was given
EXEMPT = {"NPS.normalised"}


def public(module: ModuleType, prefix: str = "") -> Iterator[tuple[str, CodeType | None]]:
    """Names of what gives a measurement, and the code that has to run for it."""
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.isfunction(thing):
            if any(word in str(inspect.signature(thing).return_annotation) for word in CARRIERS):
                yield prefix + name, thing.__code__
        elif is_dataclass(thing):
            for field in fields(thing):
                if str(field.type) == "Measurement":
                    yield f"{prefix}{name}.{field.name}", None
            for method, function in vars(thing).items():
                if not inspect.isfunction(function) or method.startswith("_"):
                    continue
                if "Measurement" in str(inspect.signature(function).return_annotation):
                    yield f"{prefix}{name}.{method}", function.__code__


REQUIRED = dict([*public(metrics), *public(ultrasound, "ultrasound.")])


@pytest.mark.slow
@pytest.mark.parametrize("setting", LINES, ids=NAMES)
def test_intervals_cover_the_truth(setting: Any) -> None:
    """At a true coverage of 95 %, 500 runs leave 90 to 98 % once in a thousand times."""
    for row in STUDY["covered"](setting, 500):
        assert 89 <= row["coverage (%)"] <= 99, row


@pytest.mark.parametrize("setting", LINES, ids=NAMES)
def test_one_run_lies_near_the_truth_and_repeats_what_was_written_down(setting: Any) -> None:
    """One run calls what it stands for; an algorithm keeps its numbers or changes its name.

    Where the numbers differ from those of ``run.py --trace``, those that users get have changed: give the
    algorithm a new name, write a line into CHANGELOG.md, and write the list anew.
    """
    called: set[CodeType] = set()

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            called.add(frame.f_code)

    sys.setprofile(watch)
    try:
        found = setting.once(np.random.default_rng(7))
    finally:
        sys.setprofile(None)
    assert [name for name in setting.of if REQUIRED[name] is not None and REQUIRED[name] not in called] == []
    assert set(found) == set(setting.truths)
    for name, m in found.items():
        low, high = m.interval(1 - 1e-6)
        assert low <= setting.truths[name] <= high, name
        before = KNOWN[name, setting.about]
        assert before["algorithm"] == m.algorithm, "write the list anew with run.py --trace"
        size = 1e-3 * before["uncertainty"] + 1e-9 * abs(before["value"])
        assert m.value == pytest.approx(before["value"], rel=0, abs=size), name
        assert m.uncertainty == pytest.approx(before["uncertainty"], rel=0.01), name


def test_lines_have_names_of_their_own() -> None:
    """The seed of a line comes from its name."""
    assert Counter((s.metric, s.about) for s in LINES).most_common(1)[0][1] == 1


def test_every_public_metric_stands_in_the_study_with_three_settings() -> None:
    """A new function that returns a measurement needs a family: see benchmarks/coverage."""
    settings = Counter(name for s in LINES for name in set(s.of))
    assert {name: settings[name] for name in REQUIRED if settings[name] < 3 and name not in EXEMPT} == {}


def test_every_measurement_says_its_document_edition_clause_and_algorithm() -> None:
    for row in TRACES:
        assert row["document"], row
        assert row["edition"], row
        # a paper has no clauses
        assert row["clause"] or re.search(r" et al\.| and |\d+:\d+", row["document"]), row
        assert re.search(r"-\d+\b", row["algorithm"]), row


@pytest.mark.parametrize("family", FAMILIES)
def test_the_results_in_the_documentation_are_those_of_the_study_and_within_its_bounds(family: str) -> None:
    path = RESULTS / f"coverage_{family}.json"
    assert path.exists(), f"1000 runs are to be made: python benchmarks/coverage/run.py --only {family}"
    rows = {(r["metric"], r["setting"]): r for r in json.loads(path.read_text())["rows"]}
    assert set(rows) == {(name, s.about) for s in STUDY["settings"](family) for name in s.truths}
    shares = {key: row["coverage (%)"] for key, row in rows.items()}
    assert {key: share for key, share in shares.items() if not 90 <= share <= 98} == {}
    assert min(row["runs"] for row in rows.values()) >= 1000


def test_the_documentation_shows_every_family_and_nothing_else(tmp_path: Path) -> None:
    """The table is made from the files; a file without a family would stand in it unnoticed."""
    assert {p.stem.removeprefix("coverage_") for p in RESULTS.glob("coverage_*.json")} == set(FAMILIES)
    runpy.run_path(str(RUN.parents[2] / "docs" / "results.py"))["write_tables"](RESULTS, tmp_path)
    table = (tmp_path / "coverage.md").read_text()
    lines = [(name, s.about) for s in LINES for name in s.truths]
    for name, about in lines:
        assert f"| {name} | {about} |" in table
    assert f"{len(lines)} lines, {len(lines)} of them at 90 to 98 %" in table
