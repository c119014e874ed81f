"""Do 95 % intervals hold the truth? Simulated images with closed-form truth, fixed seeds.

Run ``python benchmarks/coverage/run.py`` for the whole study, or with ``--only snr ct`` for some of the
families in ``families/``, or with ``--trace`` for the list of standards and algorithms. Every line of the
table repeats one measurement 1000 times with fresh noise and
counts how often the 95 % interval holds the true value. With a true coverage of 95 %, 1000 runs give
93.6 to 96.4 % (two standard deviations). Each family has a result file of its own,
``benchmarks/results/coverage_FAMILY.json``.

A family is a file in ``families/`` with a function ``settings()`` that yields lines; nothing else has to
know of it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import multiprocessing
import os
import sys
import time
import zlib
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results"
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from simulate import Setting  # noqa: E402

Row = dict[str, float | str]


def families() -> list[str]:
    """Names of the files in ``families/``."""
    return sorted(path.stem for path in (HERE / "families").glob("[!_]*.py"))


@cache
def settings(family: str) -> tuple[Setting, ...]:
    """The lines of one family."""
    spec = importlib.util.spec_from_file_location(f"coverage_{family}", HERE / "families" / f"{family}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return tuple(module.settings())


def covered(setting: Setting, n_runs: int) -> list[Row]:
    """Repeat one measurement and count the intervals that hold the truth."""
    rng = np.random.default_rng(zlib.crc32(f"{setting.metric} {setting.about}".encode()))
    found: dict[str, list[tuple[float, float, bool]]] = {name: [] for name in setting.truths}
    start = time.perf_counter()
    for _ in range(n_runs):
        for name, m in setting.once(rng).items():
            low, high = m.interval(0.95)
            found[name].append((m.value, m.uncertainty, low <= setting.truths[name] <= high))
    seconds = (time.perf_counter() - start) / len(found)
    rows: list[Row] = []
    for name, results in found.items():
        values, spreads, hits = np.array(results).T
        rows.append(
            {
                "metric": name,
                "setting": setting.about,
                "truth": float(setting.truths[name]),
                "mean": float(values.mean()),
                "scatter": float(values.std(ddof=1)),
                "mean uncertainty": float(spreads.mean()),
                "runs": n_runs,
                "coverage (%)": 100 * float(hits.mean()),
                "seconds": round(seconds, 1),
            }
        )
    return rows


def traced(setting: Setting) -> list[Row]:
    """Standard, algorithm and result of one run with a fixed seed."""
    rows: list[Row] = []
    for name, m in setting.once(np.random.default_rng(7)).items():
        source = m.definition
        rows.append(
            {
                "metric": name,
                "setting": setting.about,
                "functions": ", ".join(setting.of),
                "document": source.document,
                "edition": source.edition,
                "clause": source.clause,
                "text read": "yes" if source.verified else "no",
                "algorithm": m.algorithm,
                "unit": m.unit,
                "value": m.value,
                "uncertainty": m.uncertainty,
            }
        )
    return rows


def trace(out: Path) -> None:
    """Write what every metric follows, and what it gives with a fixed seed, to ``traceability.json``."""
    rows = [row for name in families() for s in settings(name) for row in traced(s)]
    (out / "traceability.json").write_text(json.dumps({"rows": rows}, indent=2) + "\n")


def _job(job: tuple[str, int, int]) -> tuple[str, list[Row]]:
    family, index, n_runs = job
    return family, covered(settings(family)[index], n_runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=families(), default=families(), metavar="FAMILY")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result files")
    parser.add_argument(
        "--trace", action="store_true", help="only list standards and algorithms, one run each"
    )
    arguments = parser.parse_args()
    if arguments.trace:
        trace(arguments.out)
        return
    jobs = [(name, i, arguments.runs) for name in arguments.only for i in range(len(settings(name)))]
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"  # one core a process, so that processes do not fight for them
    tables: dict[str, list[Row]] = {}
    print("| metric | setting | truth | mean | scatter | uncertainty | coverage (%) |")
    print("|---|---|---|---|---|---|---|")
    arguments.out.mkdir(parents=True, exist_ok=True)
    done: Counter[str] = Counter()
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        for family, rows in pool.imap(_job, jobs):
            for row in rows:
                outside = "" if 90 <= row["coverage (%)"] <= 98 else " **outside**"
                print(
                    f"| {row['metric']} | {row['setting']} | {row['truth']:.4g} | {row['mean']:.4g} | "
                    f"{row['scatter']:.3g} | {row['mean uncertainty']:.3g} | "
                    f"{row['coverage (%)']:.1f}{outside} |",
                    flush=True,
                )
            tables.setdefault(family, []).extend(rows)
            done[family] += 1
            if done[family] == len(settings(family)):
                record = {"family": family, "coverage": 0.95, "rows": tables[family]}
                path = arguments.out / f"coverage_{family}.json"
                path.write_text(json.dumps(record, indent=2) + "\n")
    every = [row["coverage (%)"] for rows in tables.values() for row in rows]
    inside = sum(90 <= c <= 98 for c in every)
    print(f"\n{inside} of {len(every)} lines lie at 90-98 %; mean {math.fsum(every) / len(every):.1f} %")


if __name__ == "__main__":
    main()
