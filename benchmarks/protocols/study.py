"""Do the 95 % intervals of a protocol hold the truth at any pose? Digital phantoms, fixed seeds.

A case draws a scan of a phantom at a random pose together with the true values by the names of the items;
the protocol measures it without being told anything. Counted is how often the 95 % interval of an item holds
its true value, and every error and exception. With a true coverage of 95 %, 50 poses give 88 to 100 % for
one item (two standard deviations) and 94 to 96 % for all items of a protocol together, if those of one scan
were independent.
"""

from __future__ import annotations

import argparse
import json
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from imgtech.io import Series
from imgtech.qc import Report

RESULTS = Path(__file__).resolve().parents[1] / "results"
POSES = 50
Truth = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One protocol at one noise level.

    ``draw`` returns a scan and the true values, or a function that takes them from the report where the
    definition of a quantity depends on the details of the measurement (the highest frequency of a mean).
    ``circular`` holds the period of items that are angles.
    """

    protocol: str
    about: str
    draw: Callable[[np.random.Generator], tuple[Series, Truth | Callable[[Report], Truth]]]
    measure: Callable[[Series], Report]
    circular: Mapping[str, float] = field(default_factory=lambda: {"roll": 360.0})


def study(case: Case, n_poses: int = POSES, keep: Path | None = None) -> dict[str, Any]:
    """Run one case: coverage of every item and of all together, errors and exceptions in full.

    Every pose has its own seed. With ``keep`` each is written into a folder as it is done, and a study that
    was cut off goes on where it ended.
    """
    about = f"{case.protocol} {case.about}"
    seed = zlib.crc32(about.encode())
    start, poses = time.perf_counter(), []
    for pose in range(n_poses):
        file = None if keep is None else keep / f"{about.replace(' ', '_')}_{pose}.json"
        if file is not None and file.exists():
            poses.append(json.loads(file.read_text(encoding="utf-8")))
            continue
        poses.append(_pose(case, pose, np.random.default_rng([seed, pose])))
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(poses[-1]), encoding="utf-8")
    return _row(case, poses, time.perf_counter() - start)


def _pose(case: Case, pose: int, rng: np.random.Generator) -> dict[str, Any]:
    """One scan: error, half width of the interval, uncertainty and algorithm of every item."""
    out: dict[str, Any] = {"found": {}, "errors": [], "exceptions": [], "left out": []}
    series, truth = case.draw(rng)
    try:
        report = case.measure(series)
    except Exception as error:  # every exception counts and is listed
        out["exceptions"].append(f"pose {pose}: {type(error).__name__}: {error}")
        return out
    for name, value in (truth(report) if callable(truth) else truth).items():
        if name not in {m.name for m in report.measurements}:
            out["left out"].append(name)
            continue
        m = report[name]
        if m.value is None or m.uncertainty is None:
            out["errors"].append(f"pose {pose}, {name}: {m.error}")
            continue
        low, high = m.interval(0.95)
        off = m.value - value
        if name in case.circular:
            period = case.circular[name]
            off = (off + period / 2) % period - period / 2
        out["found"][name] = (float(off), float(high - low) / 2, float(m.uncertainty), m.algorithm)
    return out


def _row(case: Case, poses: Sequence[Mapping[str, Any]], seconds: float) -> dict[str, Any]:
    """Poses in one row of the result file."""
    names = list(dict.fromkeys(name for pose in poses for name in pose["found"]))
    found = {name: [pose["found"][name] for pose in poses if name in pose["found"]] for name in names}
    away = {name: np.array([one[0] for one in ones]) for name, ones in found.items()}
    inside = {name: np.abs(away[name]) <= np.array([one[1] for one in ones]) for name, ones in found.items()}
    left_out = [name for pose in poses for name in pose["left out"]]
    return {
        "protocol": case.protocol,
        "noise": case.about,
        "poses": len(poses),
        "items": len(inside),
        "coverage (%)": round(100 * float(np.mean([np.mean(v) for v in inside.values()])), 2),
        "lowest item (%)": round(100 * min(float(np.mean(v)) for v in inside.values()), 1),
        "exceptions": [text for pose in poses for text in pose["exceptions"]],
        "errors": [text for pose in poses for text in pose["errors"]],
        "left out of reports": {name: left_out.count(name) for name in dict.fromkeys(left_out)},
        "seconds": round(seconds, 1),
        "by item": {
            name: {
                "algorithm": found[name][-1][3],
                "coverage (%)": round(100 * float(np.mean(inside[name])), 1),
                "mean error": float(np.mean(away[name])),
                "scatter": float(np.std(away[name], ddof=1)) if len(away[name]) > 1 else 0.0,
                "mean uncertainty": float(np.mean([one[2] for one in found[name]])),
            }
            for name in names
        },
    }


def main(cases: Sequence[Case], results: str, arguments: Sequence[str] | None = None) -> None:
    """Run the cases of a file, or those of ``--only PROTOCOL ...``, and put them into its result file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=sorted({c.protocol for c in cases}))
    parser.add_argument("--poses", type=int, default=POSES)
    parser.add_argument("--noise", help="only the noise level of this name")
    parser.add_argument("--keep", type=Path, help="folder for the poses done, to go on after a cut")
    options = parser.parse_args(arguments)
    path = RESULTS / f"{results}.json"
    for case in cases:
        if options.only and case.protocol not in options.only:
            continue
        if options.noise and case.about != options.noise:
            continue
        row = study(case, options.poses, options.keep)
        kept = json.loads(path.read_text(encoding="utf-8"))["cases"] if path.exists() else []
        known = {(one["protocol"], one["noise"]): one for one in kept}  # another run may have added some
        known[case.protocol, case.about] = row
        print(
            f"{case.protocol:14s} {case.about:22s} {row['items']:3d} items {row['coverage (%)']:6.1f} % "
            f"(lowest {row['lowest item (%)']:.0f} %), {len(row['errors'])} errors, "
            f"{len(row['exceptions'])} exceptions, {row['seconds']:.0f} s",
            flush=True,
        )
        order = [(c.protocol, c.about) for c in cases]
        rows = [known[key] for key in order if key in known]
        path.write_text(json.dumps({"cases": rows}, indent=1) + "\n", encoding="utf-8")
