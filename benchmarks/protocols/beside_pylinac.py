"""Whole protocols beside pylinac, from DICOM files to the numbers.

``python benchmarks/protocols/beside_pylinac.py --data FOLDER --peer-python PYTHON``: FOLDER holds the ACR MRI
series of hazen's test data (`mr_acr`) and the CatPhan 504 scans of pylinac's (`ct_catphan504`); the ACR CT
phantom is a digital twin that is written to files, straight and centred to 2 mm, as the peer needs it. PYTHON
is that of an environment with pylinac. Both read the files, find the phantom and measure; in turns. What both
measure stands beside the times. Writes benchmarks/results/protocols_pylinac.json.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from peer import Peer

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "tests")]

from imgtech import qc  # noqa: E402
from imgtech.bench import Comparison, compare, save_comparisons  # noqa: E402
from imgtech.io import read_series, write_series  # noqa: E402
from imgtech.phantoms.twins import Placement, acr_ct  # noqa: E402
from imgtech.qc.protocols._acr_mri_scan import find_phantom  # noqa: E402
from imgtech.qc.protocols._acr_mri_sheets import find_sheets, total_score  # noqa: E402
from reference.ct_twins import Scan  # noqa: E402

RESULTS = HERE.parent / "results" / "protocols_pylinac.json"
OUTSIDE = "imports, the first call (compilation), start of the peer's process; pictures and report files"
Answers = dict[str, Any]


def _catphan(ours: qc.Report, theirs: Answers) -> dict[str, float]:
    rois = theirs["ctp404"]["hu_rois"]
    names = {
        "PMP": "PMP", "LDPE": "LDPE", "Polystyrene": "Poly", "Acrylic": "Acrylic", "Delrin": "Delrin",
        "Teflon": "Teflon",
    }  # fmt: skip
    apart = [ours[f"CT number {own}"].value - rois[other]["value"] for own, other in names.items()]
    lines = [ours[f"line {side}"].value for side in ("top", "right", "bottom", "left")]
    assert max(abs(a) for a in apart) < 5, apart
    assert max(abs(v - 50) for v in lines) < 0.3, lines
    return {
        "largest difference of an insert (HU)": max(apart, key=abs),
        "roll, imgtech (deg)": ours["roll"].value,
        "roll, peer (deg)": theirs["catphan_roll_deg"],
        "mean of the 50 mm lines, imgtech (mm)": float(np.mean(lines)),
        "mean of the 50 mm lines, peer (mm)": theirs["ctp404"]["avg_line_distance_mm"],
        "slice thickness, imgtech (mm)": ours["slice thickness"].value,
        "slice thickness, peer (mm)": theirs["ctp404"]["measured_slice_thickness_mm"],
    }


def _acr_mri(ours: qc.Report, theirs: Answers) -> dict[str, float]:
    assert all(m.error is None for m in ours.measurements)
    if "refused" in theirs:
        return {"peer refused": 1.0}
    return {
        "slice thickness, imgtech (mm)": ours["slice thickness"].value,
        "slice thickness, peer (mm)": theirs["slice1"]["measured_slice_thickness_mm"],
        "bar length difference, imgtech (mm)": ours["bar length difference slice 1"].value,
        "bar length difference, peer (mm)": theirs["slice1"]["bar_difference_mm"],
        "low-contrast score, imgtech": ours["low-contrast score"].value,
    }


def _acr_ct(ours: qc.Report, theirs: Answers) -> dict[str, float]:
    truth = acr_ct().facts
    names = {"air": "Air", "polyethylene": "Poly", "acrylic": "Acrylic", "bone": "Bone", "water": "Water"}
    if "refused" in theirs:
        raise AssertionError(theirs["refused"])
    rois = theirs["ct_module"]["rois"]
    own = [ours[f"CT number {name}"].value - truth[name] for name in names]
    other = [rois[peer] - truth[name] for name, peer in names.items()]
    assert max(abs(v) for v in own) < 3, own
    return {
        "largest error of an insert, imgtech (HU)": max(own, key=abs),
        "largest error of an insert, peer (HU)": max(other, key=abs),
    }


def _beside(
    peer: Peer, name: str, kind: str, protocol: str, path: Path, check: Callable[..., dict[str, float]]
) -> Comparison:
    return compare(
        name,
        ours=lambda: qc.run(path, protocol=protocol),
        peer=lambda: peer.ask(kind, path),
        peer_name=peer.version,
        check=check,
        excluded=OUTSIDE,
        rounds=3,
        calls=1,
    )


def _low_contrast_s(path: Path) -> float:
    """Median time of the low-contrast test of a series that is read and found."""
    scan, times = find_phantom(read_series(path)), []
    for _ in range(5):
        start = time.perf_counter()
        total_score(find_sheets(scan))
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def _twin(folder: Path) -> Path:
    place = Placement(center_mm=(1.3, -1.7), z_mm=2.1, roll_rad=math.radians(0.3))
    scan = Scan(placement=place, reach_mm=(-25.0, 145.0), noise_hu=4.0)
    write_series(scan.series(acr_ct(), np.random.default_rng(20261126)), folder / "acr")
    return folder / "acr"


def main() -> None:
    """Run, print a table, save the record."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peer-python", required=True)
    options = parser.parse_args()
    peer = Peer(options.peer_python, "worker_pylinac.py", "pylinac")
    comparisons = []
    for name in ("CBCT_3", "Pelvis"):
        path = options.data / "ct_catphan504" / name
        comparisons.append(_beside(peer, f"CatPhan 504, {name}", "CatPhan504", "catphan-504", path, _catphan))
    for name in ("Siemens", "Philips3TdStream", "GE"):
        path = options.data / "mr_acr" / name
        alone = _low_contrast_s(path)

        def check(ours: qc.Report, theirs: Answers, alone: float = alone) -> dict[str, float]:
            return _acr_mri(ours, theirs) | {"low contrast alone, imgtech (s)": alone}

        comparisons.append(_beside(peer, f"ACR MRI, {name}", "ACRMRILarge", "acr-mri-large", path, check))
    with tempfile.TemporaryDirectory() as folder:
        path = _twin(Path(folder))
        comparisons.append(_beside(peer, "ACR CT, digital twin", "ACRCT", "acr-ct", path, _acr_ct))
    peer.close()
    for c in comparisons:
        low, high = c.ratio_range
        print(f"{c.name:30} {c.peer:18} {c.ratio:6.1f} ({low:.1f}-{high:.1f})")
        print("   ", {k: round(v, 3) for k, v in c.check.items()})
    save_comparisons(comparisons, RESULTS)


if __name__ == "__main__":
    main()
