"""What noise alone does to metrics whose truth is known: python benchmarks/qc/bias.py

* Percent integral uniformity of a perfectly uniform disk, truth 100 %: the value of imgtech, the raw number
  of the ACR text (highest and lowest mean of a 1 cm2 disk), and the first and last percentile of the pixels,
  which stand for highest and lowest in pylinac 3.49.
* gCNR of two regions of the same speckle, truth 0: the value of imgtech and one minus the overlap of two
  histograms of 100 bins, the usual way.
* The sum of a noise power spectrum by the variance of the pixels, truth 1: periodic noise, and regions out of
  a larger field with a trend fitted to them.

Writes benchmarks/results/qc_bias.json.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from imgtech.geometry import ImageGrid
from imgtech.phantoms import speckle_field
from imgtech.qc import Measurement
from imgtech.qc.metrics import noise_power_spectrum, percent_integral_uniformity
from imgtech.qc.metrics.ultrasound import gcnr
from imgtech.qc.roi import disk_region

RESULTS = Path(__file__).resolve().parents[1] / "results" / "qc_bias.json"
GRID = ImageGrid(shape=(161, 170), spacing_mm=(1.2, 1.1), center_mm=(3.0, -7.0))
REGION = disk_region(GRID, center_mm=(5.3, -4.1), radius_mm=80.0)


def row(what: str, setting: str, truth: float, way: str, values: list[float], spreads: list[float]) -> dict:
    """One line of the table; ``spreads`` are the uncertainties, empty where none is given."""
    mean, scatter = float(np.mean(values)), float(np.std(values, ddof=1))
    stated = f"{np.mean(spreads):.3g}" if spreads else "none"
    return {
        "metric": what, "setting": setting, "truth": truth, "computed by": way, "mean": round(mean, 4),
        "scatter": round(scatter, 4), "mean stated uncertainty": stated, "images": len(values),
    }  # fmt: skip


def uniformity(rng: np.random.Generator, snr: float, runs: int = 40) -> list[dict]:
    found: list[Measurement] = []
    percentiles = []
    for _ in range(runs):
        image = 1 + rng.standard_normal(GRID.shape) / snr
        found.append(percent_integral_uniformity(image, GRID, REGION))
        low, high = np.percentile(image[REGION > 0.5], [1, 99])
        percentiles.append(100 * (1 - (high - low) / (high + low)))
    what, setting = "PIU (%)", f"uniform, SNR {snr:g}"
    raw = [m.details["acr value"] for m in found]
    return [
        row(what, setting, 100, "imgtech", [m.value for m in found], [m.uncertainty for m in found]),
        row(what, setting, 100, "ACR text", raw, []),
        row(what, setting, 100, "percentiles 1 and 99 of the pixels", percentiles, []),
    ]


def overlap(rng: np.random.Generator, shape: tuple[int, int], runs: int = 100) -> list[dict]:
    grid = ImageGrid(shape=(shape[0], 2 * shape[1]), spacing_mm=(0.1, 0.1))
    left = np.zeros(grid.shape)
    left[:, : shape[1]] = 1
    found, plain = [], []
    for _ in range(runs):
        envelope = np.abs(speckle_field(grid, fwhm_mm=(0.0, 0.0), rng=rng))
        found.append(gcnr(envelope, left, 1 - left))
        bins = np.linspace(envelope.min(), envelope.max(), 101)
        one, two = (np.histogram(envelope[left == side], bins)[0] / math.prod(shape) for side in (1, 0))
        plain.append(1 - float(np.minimum(one, two).sum()))
    what, setting = "gCNR", f"equal speckle, {math.prod(shape)} pixels"
    return [
        row(what, setting, 0, "imgtech", [m.value for m in found], [m.uncertainty for m in found]),
        row(what, setting, 0, "overlap of histograms", plain, []),
    ]


def noise_power(rng: np.random.Generator, detrend: str | None, runs: int = 8) -> list[dict]:
    spacing, n = (0.6, 0.45), 64
    rows = []
    powers: dict[str, Callable] = {
        "white": lambda f: np.full_like(f, 1.0),
        "ramp": lambda f: f * np.exp(-((f / 0.4) ** 2) / 2),
        "low pass": lambda f: np.exp(-((2 * np.pi * 0.4 * f) ** 2)),
    }
    for name, power in powers.items():
        values, naive = [], []
        for _ in range(runs):
            size = (n, n) if detrend is None else (16 * n, 16 * n)
            fy, fx = (np.fft.fftfreq(m, d) for m, d in zip(size, spacing, strict=True))
            gain = np.sqrt(power(np.hypot(fy[:, None], fx)))
            white = rng.standard_normal((256 if detrend is None else 1, *size))
            field = 7 + np.fft.ifft2(np.fft.fft2(white) * gain).real
            regions = field.reshape(-1, size[0] // n, n, size[1] // n, n).transpose(0, 1, 3, 2, 4)
            regions = regions.reshape(-1, n, n)
            truth = ((field - 7) ** 2).mean()
            spectrum = noise_power_spectrum(regions, spacing, detrend=detrend or "mean")
            values.append(spectrum.variance().value / truth)
            y, x = np.meshgrid(np.linspace(-1, 1, n), np.linspace(-1, 1, n), indexing="ij")
            terms = [np.ones((n, n)), x, y, x * x, x * y, y * y][: 6 if detrend == "quadratic" else 1]
            basis = np.linalg.qr(np.stack([t.ravel() for t in terms], axis=1))[0]
            flat = regions.reshape(len(regions), -1)
            naive.append(float(((flat - flat @ basis @ basis.T) ** 2).mean() / truth))
        setting = f"{name}, {'periodic' if detrend is None else detrend + ' taken off'}"
        rows += [
            row("sum of NPS by variance", setting, 1, "imgtech", values, []),
            row("sum of NPS by variance", setting, 1, "nothing given back", naive, []),
        ]
    return rows


def main() -> None:
    """Run, print the rows, save them."""
    rng = np.random.default_rng(20261126)
    rows = [*uniformity(rng, 20.0), *uniformity(rng, 80.0)]
    for shape in ((10, 10), (25, 40), (100, 100)):
        rows += overlap(rng, shape)
    rows += [*noise_power(rng, None), *noise_power(rng, "quadratic")]
    for r in rows:
        print("  ".join(f"{value}" for value in r.values()))
    RESULTS.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
