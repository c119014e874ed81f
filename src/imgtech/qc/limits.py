"""Limits as data: one table per standard and edition, and a site's own baselines on top."""

from __future__ import annotations

import dataclasses
import datetime
import json
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from imgtech._core.validate import not_negative, one_of
from imgtech.qc.limit import Limit, Source
from imgtech.qc.measurement import Measurement
from imgtech.qc.report import Report

__all__ = ["confirm_limits", "list_limit_tables", "read_baselines", "read_limit_table", "with_limits"]

_FOLDER = "limit_tables"
_LIMIT_KEYS = {
    "items", "lower", "upper", "document", "edition", "clause", "verified", "advisory", "field_t", "echo_ms"
}  # fmt: skip
_SITE_KEYS = {"lower", "upper", "baseline", "tolerance", "tolerance_percent"}


def list_limit_tables() -> tuple[str, ...]:
    """Names of the limit tables that come with the library.

    Returns
    -------
    tuple of str
        Each names a standard and its edition.

    Examples
    --------
    >>> from imgtech.qc.limits import list_limit_tables
    >>> "acr-ct-2017" in list_limit_tables()
    True
    """
    folder = resources.files("imgtech.qc") / _FOLDER
    return tuple(sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".toml")))


def read_limit_table(
    name: str, *, field_strength_t: float | None = None, echo_time_ms: float | None = None
) -> Mapping[str, Limit]:
    """Limits of a standard and edition by the name of the item they apply to.

    Parameters
    ----------
    name : str
        One of :func:`list_limit_tables`.
    field_strength_t, echo_time_ms : float, optional
        Of the scan, for limits that depend on them; such a limit is left out where its number is unknown or
        outside of its range.

    Returns
    -------
    mapping of str to Limit
        The source of a limit is the standard itself or the document in which it was read. A limit that was
        read in no document is marked unverified and rates nothing; see :func:`confirm_limits`. Where two
        entries of a table hold for an item, the later one is taken.

    Raises
    ------
    ValueError
        If there is no such table, or a number of the scan is negative or not finite.

    Examples
    --------
    >>> from imgtech.qc.limits import read_limit_table
    >>> print(read_limit_table("acr-ct-2017")["CT number water"])
    -7 to 7
    >>> print(read_limit_table("acr-ct-2017")["CT number water"].source.standing)
    unverified
    """
    one_of("name", name, list_limit_tables())
    for of_scan, value in (("field_strength_t", field_strength_t), ("echo_time_ms", echo_time_ms)):
        if value is not None:
            not_negative(of_scan, value)
    text = (resources.files("imgtech.qc") / _FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    limits: dict[str, Limit] = {}
    for entry in table["limit"]:
        unknown = set(entry) - _LIMIT_KEYS
        if unknown:
            raise ValueError(f"{name}: a limit must not have {', '.join(sorted(unknown))}")
        if not (
            _applies(entry.get("field_t"), field_strength_t) and _applies(entry.get("echo_ms"), echo_time_ms)
        ):
            continue
        source = Source(
            document=entry.get("document", table["document"]),
            edition=entry.get("edition", table["edition"]),
            clause=entry.get("clause", ""),
            verified=entry["verified"],
        )
        for item in entry["items"]:
            limits[item] = Limit(
                lower=entry.get("lower"),
                upper=entry.get("upper"),
                source=source,
                advisory=entry.get("advisory", False),
            )
    return limits


def _applies(bounds: list[float] | None, value: float | None) -> bool:
    """Whether a limit for values from ``bounds[0]`` to below ``bounds[1]`` is meant."""
    return bounds is None or (value is not None and bounds[0] <= value < bounds[1])


def read_baselines(path: str | Path) -> Mapping[str, Limit]:
    """A site's own limits from a TOML or JSON file.

    The file names who set the values and when, and for every item either ``lower`` and ``upper`` or a
    ``baseline`` with ``tolerance`` (in the unit of the item) or ``tolerance_percent``:

    .. code-block:: toml

        who = "A. Physicist"
        when = 2026-11-24

        [limits."CT number Teflon"]
        baseline = 952.0
        tolerance = 30.0

    Parameters
    ----------
    path : str or pathlib.Path
        File that ends in ``.toml`` or ``.json``.

    Returns
    -------
    mapping of str to Limit
        By item; the source of every limit says who set it and when.

    Raises
    ------
    ValueError
        If the file cannot be read, or something in it is missing, unknown or not a number.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from imgtech.qc.limits import read_baselines
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "site.toml"
    >>> _ = path.write_text('who = "A. P."\\nwhen = 2026-11-24\\n'
    ...                     '[limits."noise"]\\nbaseline = 10.0\\ntolerance_percent = 10.0\\n')
    >>> limit = read_baselines(path)["noise"]
    >>> print(limit, "|", limit.source)
    9 to 11 | site baseline, 2026-11-24, set by A. P.
    """
    file = Path(path)
    content = _parsed(file)
    for key in ("who", "when", "limits"):
        if not content.get(key):
            raise ValueError(f"{file} must say {key!r}")
    source = Source(
        document="site baseline", edition=_date(file, content["when"]), clause=f"set by {content['who']}"
    )
    if not isinstance(content["limits"], dict):
        raise ValueError(f"{file}: limits must be a table with one entry for each item")
    return {item: _site_limit(file, item, entry, source) for item, entry in content["limits"].items()}


def with_limits(report: Report, limits: Mapping[str, Limit]) -> Report:
    """The report with limits put to the items they name, in place of those that are there.

    Parameters
    ----------
    report : Report
        What was measured.
    limits : mapping of str to Limit
        By the name of the item.

    Returns
    -------
    Report
        The same measurements, rated anew. A limit that names no item of the report is said in the notes.

    Examples
    --------
    >>> from imgtech.qc import Limit, Measurement, Report, Source
    >>> from imgtech.qc.limits import with_limits
    >>> site = Source(document="site baseline", edition="2026-11-24")
    >>> noise = Measurement(name="noise", value=10.4, unit="HU", uncertainty=0.1, definition=site,
    ...                     algorithm="example-1")
    >>> report = Report(protocol="example", edition="1", measurements=(noise,))
    >>> with_limits(report, {"noise": Limit(lower=9.0, upper=11.0, source=site)}).verdict.value
    'pass'
    """
    names = {m.name for m in report.measurements}
    lost = [name for name in limits if name not in names]
    notes = (f"limits without an item in this report: {', '.join(lost)}",) if lost else ()
    return dataclasses.replace(
        report,
        measurements=tuple(
            dataclasses.replace(m, limit=limits.get(m.name, m.limit)) for m in report.measurements
        ),
        notes=(*report.notes, *notes),
    )


def confirm_limits(report: Report, by: str, *, on: datetime.date | None = None) -> Report:
    """The report with its unverified limits confirmed by somebody who holds their documents.

    Parameters
    ----------
    report : Report
        What was measured.
    by : str
        Name of the person.
    on : datetime.date, optional
        Day of the confirmation; today by default.

    Returns
    -------
    Report
        The same measurements; every limit that was unverified rates, and says who confirmed it and when. A
        report without an unverified limit gets a note that says so. An advisory range rates nothing still.

    Raises
    ------
    ValueError
        If the name is empty or the day is no date.

    Examples
    --------
    >>> import datetime
    >>> from imgtech.qc import Limit, Measurement, Report, Source
    >>> from imgtech.qc.limits import confirm_limits
    >>> guide = Source(document="A guide", edition="2022", clause="6", verified=False)
    >>> ghost = Measurement(name="ghosting", value=1.0, unit="%", uncertainty=0.1, definition=guide,
    ...                     algorithm="example-1", limit=Limit(upper=3.0, source=guide))
    >>> report = Report(protocol="example", edition="2022", measurements=(ghost,))
    >>> confirmed = confirm_limits(report, "A. P.", on=datetime.date(2026, 11, 27))
    >>> report.verdict.value, confirmed.verdict.value
    ('unrated', 'pass')
    >>> print(confirmed["ghosting"].limit.source)
    A guide, 2022, 6 (confirmed by A. P. on 2026-11-27, not read by imgtech)
    """
    who = name_of_confirmer(by, name="by")
    if on is not None and not isinstance(on, datetime.date):
        raise ValueError(f"on must be a date, got {on!r}")
    day = (datetime.date.today() if on is None else on).isoformat()

    def confirmed(m: Measurement) -> Measurement:
        if m.limit is None or m.limit.source.trusted:
            return m
        source = dataclasses.replace(m.limit.source, confirmed_by=who, confirmed_on=day)
        return dataclasses.replace(m, limit=dataclasses.replace(m.limit, source=source))

    measurements = tuple(confirmed(m) for m in report.measurements)
    notes = () if measurements != report.measurements else (f"no unverified limit for {who} to confirm",)
    return dataclasses.replace(report, measurements=measurements, notes=(*report.notes, *notes))


def name_of_confirmer(by: str, *, name: str = "limits_confirmed_by") -> str:
    """The name of the person without space around it, on one line; ``name`` is that of the argument."""
    if not isinstance(by, str) or not by.split():
        raise ValueError(f"{name} must be the name of a person, got {by!r}")
    return " ".join(by.split())


def _parsed(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from error
    try:
        if file.suffix == ".toml":
            content = tomllib.loads(text)
        elif file.suffix == ".json":
            content = json.loads(text)
        else:
            raise ValueError(f"{file} must end in .toml or .json")
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{file} is not valid {file.suffix[1:].upper()}: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file} must hold a table")
    return content


def _date(file: Path, when: object) -> str:
    try:
        day = when if isinstance(when, datetime.date) else datetime.date.fromisoformat(str(when))
    except ValueError:
        raise ValueError(f"{file}: when must be a date such as 2026-11-24, got {when!r}") from None
    return day.isoformat()


def _site_limit(file: Path, item: str, entry: object, source: Source) -> Limit:
    if not isinstance(entry, dict) or not entry:
        raise ValueError(f"{file}: {item!r} must hold lower, upper or baseline, got {entry!r}")
    unknown = set(entry) - _SITE_KEYS
    if unknown:
        raise ValueError(f"{file}: {item!r} must not have {', '.join(sorted(unknown))}")
    for key, value in entry.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            raise ValueError(f"{file}: {key} of {item!r} must be a number, got {value!r}")
    if "baseline" not in entry:
        return Limit(lower=entry.get("lower"), upper=entry.get("upper"), source=source)
    if ("tolerance" in entry) == ("tolerance_percent" in entry) or "lower" in entry or "upper" in entry:
        raise ValueError(
            f"{file}: {item!r} must have baseline with one of tolerance and tolerance_percent, nothing else"
        )
    half = entry.get("tolerance", abs(entry["baseline"]) * entry.get("tolerance_percent", 0.0) / 100)
    if half <= 0:
        raise ValueError(f"{file}: the tolerance of {item!r} must be positive, got {half}")
    return Limit(lower=entry["baseline"] - half, upper=entry["baseline"] + half, source=source)
