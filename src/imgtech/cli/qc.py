"""``imgtech qc``: a phantom image to a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imgtech.cli._exit import FAILED, NOT_MEASURED, NOT_RATED, PASSED, one_sentence
from imgtech.io.atomic import write_text
from imgtech.qc import Measurement, Report, Verdict, list_decision_rules, list_protocols, run
from imgtech.report import format_measurement, save_html

COLOURS = {
    Verdict.PASS: "green",
    Verdict.WARN: "yellow",
    Verdict.FAIL: "red",
    Verdict.UNRATED: "dim",
    Verdict.ERROR: "magenta",
}


def qc(
    protocol: Annotated[str | None, typer.Argument(help="Name of the protocol; see --list.")] = None,
    folder: Annotated[Path | None, typer.Argument(help="Folder or file with the images.")] = None,
    edition: Annotated[
        str | None, typer.Option(help="Edition of the standard; the newest if not given.")
    ] = None,
    series: Annotated[
        str | None, typer.Option(help="Series number or UID, where the folder holds several.")
    ] = None,
    echo_time_ms: Annotated[float | None, typer.Option(help="Echo time, for a double echo.")] = None,
    decision_rule: Annotated[
        str, typer.Option(help="How uncertainty enters the verdicts; see --list.")
    ] = "simple-acceptance",
    baselines: Annotated[
        Path | None, typer.Option(help="TOML or JSON file with the site's own limits.")
    ] = None,
    limits_confirmed_by: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Who has found the unverified limits in their documents; they rate then."
        ),
    ] = None,
    repeat: Annotated[
        Path | None, typer.Option(help="The same scan once more, where the protocol takes noise from two.")
    ] = None,
    localizer: Annotated[
        Path | None, typer.Option(help="The sagittal localizer, where it lies elsewhere.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="NAME=VALUE that the files do not tell, such as db_per_level=0.24; repeatable."
        ),
    ] = None,
    phantom: Annotated[
        Path | None, typer.Option(help="YAML file that describes the phantom, for the protocol site.")
    ] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the report as JSON.")] = None,
    html_path: Annotated[Path | None, typer.Option("--html", help="Write the report as a page.")] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List protocols and decision rules.")] = False,
) -> None:
    """Measure a phantom and rate it.

    Exit code 0: every rated item is accepted, 1: one failed, 2: not measured, 3: measured, nothing rated.
    """
    with one_sentence():
        if list_all:
            for name, editions in list_protocols().items():
                typer.echo(f"{name}  editions: {', '.join(editions)}")
            for name, rule in list_decision_rules().items():
                typer.echo(f"decision rule {name}  confidence: {rule.confidence:g}  ({rule.source})")
            return
        if protocol is None or folder is None:
            raise ValueError("qc needs a protocol and a folder; imgtech qc --list names the protocols")
        report = run(
            folder,
            protocol=protocol,
            edition=edition,
            series=series,
            echo_time_ms=echo_time_ms,
            decision_rule=decision_rule,
            baselines=baselines,
            limits_confirmed_by=limits_confirmed_by,
            repeat=repeat,
            localizer=localizer,
            settings=_settings(setting or []),
            phantom=phantom,
        )
        if json_path is not None:
            write_text(json_path, report.to_json() + "\n")
        if html_path is not None:
            save_html(report, html_path)
        print_report(report, Console())
    raise typer.Exit(exit_code(report))


def _settings(texts: list[str]) -> dict[str, float]:
    """Numbers by name from ``NAME=VALUE``."""
    found: dict[str, float] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            equals = ""
        if not equals or not name:
            raise ValueError(f"--set must be NAME=VALUE with a number, got {text!r}")
        found[name.strip()] = int(number) if number.is_integer() and "." not in value else number
    return found


def exit_code(report: Report) -> int:
    """2 if an item is in error, else 1 if one fails, 3 if none is rated, else 0."""
    codes = {Verdict.ERROR: NOT_MEASURED, Verdict.FAIL: FAILED, Verdict.UNRATED: NOT_RATED}
    return codes.get(report.verdict, PASSED)


def print_report(report: Report, console: Console) -> None:
    """Print a report as a table."""
    console.print(f"{report.protocol}, edition {report.edition}", style="bold", markup=False, highlight=False)
    for key, fact in report.subject.items():
        console.print(Text.assemble((f"{key}: ", "dim"), fact))
    table = Table(header_style="bold")
    for heading in ("quantity", "value ± U (95 %)", "limit", "verdict"):
        table.add_column(heading, overflow="fold")
    for m in report.measurements:
        value = f"not measured: {m.error}" if m.value is None else format_measurement(m)
        table.add_row(
            Text(m.name), Text(value), Text(_limit(m)), Text(m.verdict.value, style=COLOURS[m.verdict])
        )
    console.print(table)
    for note in report.notes:
        console.print(Text(f"note: {note}", style="dim"))
    rule = report.decision_rule
    console.print(Text(f"decision rule: {rule.name}, confidence {rule.confidence:g}", style="dim"))
    console.print(Text.assemble("verdict: ", (report.verdict.value, COLOURS[report.verdict] + " bold")))
    for line in report.tally:
        console.print(Text(f"  {line}", style="dim"))


def _limit(m: Measurement) -> str:
    if m.limit is None:
        return "none"
    unit = "" if m.unit == "1" else f" {m.unit}"
    standing = m.limit.source.standing if not m.limit.advisory else "advisory"
    return f"{m.limit}{unit}" + (f" ({standing})" if standing else "")
