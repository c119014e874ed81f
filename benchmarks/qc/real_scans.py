"""Metrics on real scans beside the values of other programs: python benchmarks/qc/real_scans.py --data FOLDER

FOLDER holds the MagNET signal-to-noise and slice-width scans of hazen's test data (`mr_snr_magnet`,
`mr_slice_width`) and the flood and quadrant bars of IAEA-NMQC (`nm`). Writes
benchmarks/results/qc_real_scans.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pydicom

from imgtech.geometry import ImageGrid
from imgtech.qc import Measurement
from imgtech.qc.metrics import (
    distance,
    find_points,
    flood_uniformity,
    normalised_snr,
    plate_signal,
    slice_width,
    snr_smoothing,
    snr_two_images,
)
from imgtech.qc.metrics.bars import bar_mtf

RESULTS = Path(__file__).resolve().parents[1] / "results" / "qc_real_scans.json"
MATLAB, NMQC = "MagNET programs in MATLAB", "IAEA-NMQC"


def row(scan: str, what: str, m: Measurement, theirs: float, program: str, digits: int) -> dict:
    """One line of the table."""
    return {
        "scan": scan, "metric": what, "imgtech": round(m.value, digits), "u": round(m.uncertainty, digits),
        "other program": theirs, "program": program,
        "difference (%)": round(100 * (m.value / theirs - 1), 2),
    }  # fmt: skip


def magnet_snr(data: Path) -> list[dict]:
    rows = []
    for name, smoothing, subtraction in (("Siemens", 1874.81, 2130.93), ("GE", 1551.19, 1517.88)):
        first, second = (pydicom.dcmread(path) for path in sorted((data / "mr_snr_magnet" / name).iterdir()))
        images = [np.asarray(one.pixel_array, dtype=np.float64) for one in (first, second)]
        bright = np.argwhere(images[0] > 0.25 * np.percentile(images[0], 95))
        row0, column0 = np.rint((bright.min(axis=0) + bright.max(axis=0)) / 2).astype(int)
        squares = np.zeros((5, *images[0].shape))
        places = [(0, 0), (-40, -40), (-40, 40), (40, -40), (40, 40)]
        for square, (dr, dc) in zip(squares, places, strict=True):
            square[row0 + dr - 10 : row0 + dr + 10, column0 + dc - 10 : column0 + dc + 10] = 1
        facts = {
            "pixel_bandwidth_hz": float(first.PixelBandwidth),
            "n_rows": int(first.Rows),
            "n_columns": int(first.Columns),
            "pixel_spacing_mm": tuple(float(d) for d in first.PixelSpacing),
            "slice_thickness_mm": float(first.SliceThickness),
            "n_averages": float(first.NumberOfAverages),
            "repetition_time_s": float(first.RepetitionTime) / 1000,
        }
        scan = f"MagNET SNR, {name}"
        for what, snr, theirs in (
            (
                "normalised SNR, smoothing",
                snr_smoothing(images[0], squares, restore_variance=False),
                smoothing,
            ),
            ("the same, variance restored", snr_smoothing(images[0], squares), smoothing),
            ("normalised SNR, two images", snr_two_images(*images, squares), subtraction),
        ):
            rows.append(row(scan, what, normalised_snr(snr, **facts), theirs, MATLAB, 1))
    return rows


def magnet_width(data: Path) -> list[dict]:
    file = pydicom.dcmread(next((data / "mr_slice_width" / "SLICEWIDTH").iterdir()))
    pixels = file.pixel_array.astype(float)
    grid = ImageGrid(shape=pixels.shape, spacing_mm=tuple(float(d) for d in file.PixelSpacing))
    y, x = grid.coordinates_mm
    guess = [(y[r], x[c]) for r in (70, 130, 189) for c in (68, 128, 188)]
    rods = find_points(pixels, grid, guess, radius_mm=5.0, dark=True)
    stretch = float(np.mean([distance(rods, 3 * k, 3 * k + 2).value for k in range(3)])) / 120
    traces = [
        plate_signal(x[68:189], pixels[r - 10 : r + 10, 68:189].mean(axis=0), expected_mm=25.0)
        for r in (99, 159)
    ]
    m = slice_width(*traces, stretch=stretch)
    return [row("MagNET slice width", "slice width (mm)", m, 5.48, MATLAB, 3)]


def gamma(data: Path) -> list[dict]:
    flood = pydicom.dcmread(data / "nm" / "UNIFORMIDAD_1.dcm")
    spacing = tuple(float(d) for d in flood.PixelSpacing)
    rows = []
    for field, way in (("cfov", "central field"), ("ufov", "useful field")):
        found = flood_uniformity(flood.pixel_array, spacing, field=field)
        for m, what, theirs in zip(found, ("integral", "differential"), (2.38, 1.728), strict=True):
            rows.append(row("flood, 16 million counts", f"{what} (%), {way}", m, theirs, NMQC, 3))
    counts = pydicom.dcmread(data / "nm" / "QuadrantBar.dcm").pixel_array.astype(float)
    quadrants = {
        4.23: ((275, 426), (278, 425)), 3.18: ((81, 230), (278, 425)),
        2.54: ((81, 230), (87, 231)), 2.12: ((275, 426), (87, 231)),
    }  # fmt: skip
    for (width, (lines, columns)), theirs in zip(quadrants.items(), (0.64, 0.462, 0.30, 0.202), strict=True):
        region = np.zeros(counts.shape)
        region[slice(*lines), slice(*columns)] = 1
        m = bar_mtf(counts, region, (1.0325, 1.0325), bar_width_mm=width)[0]
        rows.append(row("quadrant bars", f"MTF of {width} mm bars", m, theirs, NMQC, 4))
    return rows


def main() -> None:
    """Run, print the rows, save them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    rows = [*magnet_snr(data), *magnet_width(data), *gamma(data)]
    for r in rows:
        print("  ".join(f"{value}" for value in r.values()))
    RESULTS.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
