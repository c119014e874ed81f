"""A measurement that fails carries the name of the algorithm that would have measured it."""

from __future__ import annotations

import re
from pathlib import Path

QC = Path(__file__).parents[2] / "src" / "imgtech" / "qc"
NAME = re.compile(r'"((?:[a-z0-9]+-)+)(\d+)(?=["{,])')


def _versions(folder: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in sorted((QC / folder).rglob("*.py")):
        for base, version in NAME.findall(path.read_text(encoding="utf-8")):
            found.setdefault(base, set()).add(version)
    return found


def test_protocols_name_the_version_of_an_algorithm_that_the_metric_has() -> None:
    metrics, protocols = _versions("metrics"), _versions("protocols")
    both = metrics.keys() & protocols.keys()
    assert len(both) >= 10
    assert {name: protocols[name] for name in both if protocols[name] != metrics[name]} == {}
