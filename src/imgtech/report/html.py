"""A report as one self-contained page."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from imgtech import __version__
from imgtech._core.extras import require
from imgtech.io.atomic import write_text
from imgtech.qc import Limit, Measurement, Report, Verdict
from imgtech.report.numbers import NO_UNIT, format_measurement, format_number, half_width
from imgtech.report.pictures import draw

MARKS = {
    Verdict.PASS: "✓",
    Verdict.WARN: "!",
    Verdict.FAIL: "✕",
    Verdict.UNRATED: "–",
    Verdict.ERROR: "?",
}
_SENTENCES = {
    Verdict.PASS: "Every rated measurement is accepted.",
    Verdict.WARN: "Every rated measurement is accepted, but a 95 % interval reaches beyond its limit.",
    Verdict.FAIL: "At least one measurement is rejected.",
    Verdict.UNRATED: "Nothing here is rated.",
    Verdict.ERROR: "At least one measurement could not be made.",
}


@dataclass(frozen=True, kw_only=True)
class _Gauge:
    """Limit, value and 95 % interval on a bar from 0 to 100."""

    band: tuple[float, float]
    whisker: tuple[float, float]
    dot: float


def report_html(report: Report) -> str:
    """Write a report as one HTML page without outside resources.

    The page shows the verdict, what was measured, a table of measurements with expanded uncertainty
    (95 % coverage), limit and its source, verdict, definition and algorithm, the pictures with their
    regions, and the notes. It follows the reader's light or dark setting and prints.

    Parameters
    ----------
    report : imgtech.qc.Report
        What to show.

    Returns
    -------
    str
        The page.

    Raises
    ------
    ImportError
        If jinja2 is not installed.

    Examples
    --------
    >>> from imgtech.qc import Measurement, Report, Source
    >>> from imgtech.report import report_html
    >>> guide = Source(document="ACR Large Phantom Guidance", edition="2018", clause="Section 3")
    >>> m = Measurement(name="slice thickness", value=5.1, unit="mm", uncertainty=0.1, definition=guide,
    ...                 algorithm="example-1")
    >>> page = report_html(Report(protocol="acr-mri-large", edition="2018", measurements=(m,)))
    >>> "5.10 ± 0.20" in page
    True
    """
    counts = {v: sum(m.verdict is v for m in report.measurements) for v in Verdict}
    return render(
        "report.html.j2",
        title=f"{report.protocol} {report.edition}",
        report=report,
        rows=[_row(m) for m in report.measurements],
        pictures=[draw(p) for p in report.pictures],
        counts=[(v, n) for v, n in counts.items() if n],
        sentence=_SENTENCES[report.verdict],
        rule=report.decision_rule,
    )


def save_html(report: Report, path: str | os.PathLike[str]) -> None:
    """Write the page of :func:`report_html` to a file, whole or not at all.

    Parameters
    ----------
    report : imgtech.qc.Report
        What to show.
    path : path
        The file; an existing one is replaced.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ImportError
        If jinja2 is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from imgtech.qc import Measurement, Report, Source
    >>> from imgtech.report import save_html
    >>> guide = Source(document="ACR Large Phantom Guidance", edition="2018")
    >>> m = Measurement(name="length", error="no edge was found", definition=guide, algorithm="example-1")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_html(Report(protocol="example", edition="1", measurements=(m,)), Path(folder) / "a.html")
    ...     (Path(folder) / "a.html").stat().st_size > 1000
    True
    """
    write_text(path, report_html(report))


def render(template: str, **values: Any) -> str:
    """Fill one of the package's page templates; everything but marked drawings is escaped."""
    jinja2 = require("jinja2", "app")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("imgtech.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template)
    return str(page.render(version=__version__, marks=MARKS, **values))


def _row(m: Measurement) -> dict[str, Any]:
    return {
        "m": m,
        "text": format_measurement(m),
        "interval": None if m.value is None else _interval_text(m),
        "gauge": _gauge(m.value, half_width(m), m.limit) if m.value is not None and m.limit else None,
        "risk": _risk_text(m),
        "details": [(k, v if isinstance(v, str) else format_number(float(v))) for k, v in m.details.items()],
    }


def _interval_text(m: Measurement) -> str:
    unit = "" if m.unit == NO_UNIT else f" {m.unit}"
    low, high = (format_number(end, half_width(m)) for end in m.interval(0.95))
    return f"{low} to {high}{unit}"


def _risk_text(m: Measurement) -> str:
    """Acceptance interval and the risk of the decision."""
    decision = m.decision
    if decision is None or decision.acceptance is None:
        return "–" if decision is None else "no value could be accepted"
    low, high = (None if end is None else format_number(end, half_width(m)) for end in decision.acceptance)
    interval = f"≤ {high}" if low is None else f"≥ {low}" if high is None else f"{low} to {high}"
    kind = "acceptance" if decision.accepted else "rejection"
    outside = 1 - decision.conformance_probability
    return f"{interval}; false {kind} {_percent(outside if decision.accepted else 1 - outside)}"


def _percent(probability: float) -> str:
    return "< 0.01 %" if probability < 1e-4 else f"{100 * probability:.2g} %"


def _gauge(value: float, expanded: float, limit: Limit) -> _Gauge:
    ends = [end for end in (limit.lower, limit.upper) if end is not None]
    low, high = min([value - expanded, *ends]), max([value + expanded, *ends])
    room = (high - low) * 0.15 or 1.0
    low, high = low - room, high + room

    def place(number: float | None, open_end: float) -> float:
        return open_end if number is None else round((number - low) / (high - low) * 100, 2)

    return _Gauge(
        band=(place(limit.lower, 0.0), place(limit.upper, 100.0)),
        whisker=(place(value - expanded, 0.0), place(value + expanded, 100.0)),
        dot=place(value, 0.0),
    )
