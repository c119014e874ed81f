"""Tables of the documentation, written from the result files of the benchmarks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import median
from typing import Any

_QC = Path(__file__).parent.parent / "src" / "imgtech" / "qc"


def write_tables(results: Path, folder: Path) -> None:
    """Write a Markdown table of every comparison, of all coverage files and of all pose studies."""
    folder.mkdir(parents=True, exist_ok=True)
    covered, posed = [], []
    for path in sorted(results.glob("*.json")):
        record = json.loads(path.read_text())
        if path.stem.startswith("coverage_"):
            covered.append(record)
        elif "bias" in record:
            (folder / f"{path.stem}.md").write_text(_bias(record))
        elif path.stem.startswith("poses_"):
            posed += record["cases"]
        elif path.stem == "traceability":
            (folder / "traceability.md").write_text(_traceability(record["rows"]))
        elif "rows" in record:
            (folder / f"{path.stem}.md").write_text(_table(record["rows"]))
        else:
            (folder / f"{path.stem}.md").write_text(_comparisons(record))
    if covered:
        (folder / "coverage.md").write_text(_coverage(covered))
    if posed:
        (folder / "poses.md").write_text(_poses(posed))


def _comparisons(record: dict[str, Any]) -> str:
    lines = ["| what | peer | imgtech | peer | ratio (min-max) |", "|---|---|---|---|---|"]
    checks = []
    for c in record["comparisons"]:
        lines.append(
            f"| {c['name']} | {c['peer']} | {_time(median(c['ours_s']))} | {_time(median(c['peer_s']))} "
            f"| **{c['ratio']:.1f}** ({c['ratio_min']:.1f}-{c['ratio_max']:.1f}) |"
        )
        figures = "; ".join(f"{name} {value:.3g}" for name, value in c["check"].items())
        checks.append(f"- {c['name']}, {c['peer']}: {figures}")
    machine, versions = record["machine"], record["versions"]
    where = f"{machine['processor']}, {machine['threads']} threads, Python {machine['python']}"
    packages = ", ".join(f"{name} {number}" for name, number in versions.items())
    excluded = "; ".join(dict.fromkeys(c["excluded"] for c in record["comparisons"]))
    lines += ["", f"Measured on {where}, {packages}. Left out of the times: {excluded}."]
    lines += ["", "Checked before timing:", "", *checks]
    return "\n".join(lines) + "\n"


def _bias(record: dict[str, Any]) -> str:
    lines = [
        "| geometry | program | bias / % | standard deviation / % | MTF lost at 50 % / % |",
        "|---|---|---|---|---|",
    ]
    for row in record["bias"]:
        name = f"**{row['program']}**" if row["program"] == "imgtech" else row["program"]
        if "refused" in row:
            lines.append(f"| {row['geometry']} | {name} | refused | | |")
            continue
        mark = "" if row["window"] == "hann" else " (no window)"
        lines.append(
            f"| {row['geometry']} | {name} | {row['bias_percent']:+.4f} | {row['sd_percent']:.3f} "
            f"| {row['loss_percent']:.2f}{mark} |"
        )
    refused = {
        f"{row['program']}, {row['geometry']}: {row['refused'].split('(')[0].strip()}"
        for row in record["bias"]
        if "refused" in row
    }
    lines += ["", "Refused, in their words:", "", *(f"- {one}" for one in sorted(refused))]
    return "\n".join(lines) + "\n"


def _coverage(records: list[dict[str, Any]]) -> str:
    rows = [row for record in records for row in record["rows"]]
    shares = [row["coverage (%)"] for row in rows]
    inside = sum(90 <= share <= 98 for share in shares)
    summary = (
        f"{len({row['metric'] for row in rows})} metrics, {len(rows)} lines, {inside} of them at 90 to 98 %; "
        f"mean {sum(shares) / len(shares):.1f} %, from {min(shares):.1f} to {max(shares):.1f} %."
    )
    return f"{summary}\n\n{_table(rows)}"


def _traceability(rows: list[dict[str, Any]]) -> str:
    """One line for every algorithm: the functions that follow it, the document, edition and clause."""
    lines = ["| metric | from | document | edition | clause | algorithm |", "|---|---|---|---|---|---|"]
    for row in rows:
        functions = ", ".join(f"`{name}`" for name in row["functions"].split(", "))
        document = row["document"] + ("" if row["text read"] == "yes" else " (text not read)")
        cells = (row["metric"], functions, document, row["edition"], row["clause"], f"`{row['algorithm']}`")
        line = "| " + " | ".join(cells) + " |"
        if line not in lines:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _table(rows: list[dict[str, Any]]) -> str:
    names = [name for name in rows[0] if name != "seconds"]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _poses(cases: list[dict[str, Any]]) -> str:
    lines = [
        "| protocol | noise | poses | items | intervals that hold | lowest item | errors | exceptions |",
        "|---|---|---|---|---|---|---|---|",
    ]
    code = "".join(path.read_text() for path in sorted(_QC.rglob("*.py")))
    lines += [
        f"| `{c['protocol']}`{'' if _is_current(c, code) else ' †'} | {c['noise']} | {c['poses']} "
        f"| {c['items']} | {c['coverage (%)']:.1f} % "
        f"| {c['lowest item (%)']:.0f} % | {len(c['errors'])} | {len(c['exceptions'])} |"
        for c in cases
    ]
    return "\n".join(lines) + "\n"


def _is_current(case: dict[str, Any], code: str) -> bool:
    """Whether every item names an algorithm, and one that the code still has."""
    names = [item.get("algorithm") or "none" for item in case["by item"].values()]
    parts = {part for name in names for part in name.split(", ")}
    return "none" not in parts and all(
        re.search(rf"(?<![\w-]){re.escape(part)}(?![\w-])", code) for part in parts
    )


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _time(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
