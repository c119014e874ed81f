"""The ACR MRI protocol beside hazen, from DICOM files to the numbers.

``python benchmarks/protocols/beside_hazen.py --data FOLDER --peer-python PYTHON``: FOLDER holds the ACR MRI
series of hazen's own test data (`mr_acr`), PYTHON is that of an environment with hazen. Both read the files,
find the phantom and make all eight tests. The times of one series are taken in turns and go to
benchmarks/results/protocols_hazen.json; with ``--values`` the numbers of all series, or of those named
behind it, are put side by side in benchmarks/results/protocols_hazen_values.json instead.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from peer import Peer

from imgtech import qc
from imgtech.bench import compare, save_comparisons
from imgtech.io import read_series
from imgtech.qc.protocols._acr_mri_scan import find_phantom
from imgtech.qc.protocols._acr_mri_sheets import find_sheets, total_score

RESULTS = Path(__file__).resolve().parent.parent / "results"
TIMED = "Siemens"
OUTSIDE = "imports, the first call (compilation), start of the peer's process; pictures and report files"
LOW = "acr_low_contrast_object_detectability"
Answers = dict[str, Any]


def low_contrast_s(path: Path) -> float:
    """Median time of the low-contrast test alone, files read and phantom found with it."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        total_score(find_sheets(find_phantom(read_series(path))))
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def number(theirs: Answers, task: str, subtype: str, part: str = "") -> float | None:
    """A number of the peer by its task, name and a part of its description; None where it gives none."""
    values = theirs[task]["values"]
    found = [v for s, d, v in values if s == subtype and part in d] if isinstance(values, list) else []
    return float(found[0]) if found else None


def side_by_side(name: str, ours: qc.Report, theirs: Answers) -> list[dict[str, Any]]:
    """Rows of what both measure in a series."""
    rows = {
        "slice thickness (mm)": ("slice thickness", "acr_slice_thickness", "slice width", ""),
        "bar length difference slice 1 (mm)": (
            "bar length difference slice 1", "acr_slice_position", "length difference", "Slice 1 "),
        "bar length difference slice 11 (mm)": (
            "bar length difference slice 11", "acr_slice_position", "length difference", "Slice 11 "),
        "diameter slice 5 horizontal (mm)": (
            "diameter slice 5 horizontal", "acr_geometric_accuracy", "Slice 5 Horizontal distance", ""),
        "diameter slice 5 vertical (mm)": (
            "diameter slice 5 vertical", "acr_geometric_accuracy", "Slice 5 Vertical distance", ""),
        "percent integral uniformity (%)": (
            "percent integral uniformity", "acr_uniformity", "Integral uniformity", ""),
        "percent signal ghosting (%)": ("percent signal ghosting", "acr_ghosting", "signal ghosting", ""),
        "resolution, first direction (mm)": (
            "resolution left to right", "acr_spatial_resolution", "Upper Left", ""),
        "resolution, second direction (mm)": (
            "resolution up and down", "acr_spatial_resolution", "Lower Right", ""),
        "low-contrast score": ("low-contrast score", LOW, "total", ""),
    }  # fmt: skip
    out = []
    for what, (item, task, subtype, part) in rows.items():
        m, other = ours[item], number(theirs, task, subtype, part)
        half = (m.interval(0.95)[1] - m.interval(0.95)[0]) / 2
        words = theirs[task]["values"]
        out.append(
            {
                "series": name,
                "what": what,
                "imgtech": f"{m.value:.3g} ± {half:.2g}",
                "hazen": words.split("(")[0][:60] if isinstance(words, str) else other,
            }
        )
    return out


def main() -> None:
    """Run, print, save the record."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--values", nargs="*", metavar="SERIES")
    options = parser.parse_args()
    options.data = options.data.resolve()
    peer = Peer(options.peer_python, "worker_hazen.py", "hazen")
    if options.values is not None:
        file = RESULTS / "protocols_hazen_values.json"
        known = json.loads(file.read_text())["rows"] if options.values and file.exists() else []
        rows: list[dict[str, Any]] = [row for row in known if row["series"] not in options.values]
        for path in sorted((options.data / "mr_acr").iterdir()):
            if path.name in options.values or (not options.values and "Localizer" not in path.name):
                rows += side_by_side(path.name, qc.run(path, protocol="acr-mri-large"), peer.ask("all", path))
        file.write_text(json.dumps({"rows": sorted(rows, key=lambda row: row["series"])}, indent=1) + "\n")
    else:
        path = options.data / "mr_acr" / TIMED
        alone = low_contrast_s(path)

        def check(ours: qc.Report, theirs: Answers) -> dict[str, float]:
            assert all(m.error is None for m in ours.measurements)
            figures = {"low contrast alone, imgtech (s)": alone}
            figures["low contrast alone, peer (s)"] = theirs[LOW]["seconds"]
            figures["the other seven, peer (s)"] = sum(
                answer["seconds"] for task, answer in theirs.items() if task != LOW
            )
            return figures

        done = compare(
            f"ACR MRI, {TIMED}, eight tests",
            ours=lambda: qc.run(path, protocol="acr-mri-large"),
            peer=lambda: peer.ask("all", path),
            peer_name=peer.version,
            check=check,
            excluded=OUTSIDE,
            rounds=2,
            calls=1,
        )
        print(done.name, done.ratio, done.ratio_range, done.check)
        save_comparisons([done], RESULTS / "protocols_hazen.json")
    peer.close()


if __name__ == "__main__":
    main()
