"""Time and truth of noise power, edge MTF and SNR beside others: python benchmarks/qc/metrics.py

* Noise power spectrum of 64 regions of 128 x 128 pixels with the noise of a ramp filter, in closed form.
* MTF of a slanted edge, 512 x 512 pixels, in closed form, at a contrast-to-noise ratio of 50.
* SNR of two images of 512 x 512 pixels beside the two lines of NumPy that its definition takes, which give no
  uncertainty.

pylinac and micro-ct-image-quality-toolbox run in environments of their own (see peers.py) and are handed the
arrays before anything is timed. The answer of imgtech must be right; the error of the peer is written down,
and its time is given however large that is. Writes benchmarks/results/qc_metrics.json.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from mtf_accuracy import GRID, SPACING, blurred, picture, truth
from peers import Peer, present

from imgtech.bench import Comparison, compare, save_comparisons
from imgtech.qc.metrics import noise_power_spectrum, slanted_edge_mtf, snr_two_images

RESULTS = Path(__file__).resolve().parents[1] / "results" / "qc_metrics.json"
OUTSIDE = "compilation, simulation, start of the peer's process and handing it the arrays"
N_REGIONS, SIZE, DEVIATION, CUT_PER_MM = 64, 128, 20.0, 1.2


def ramp_noise(rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Regions cut out of twice as wide fields with NPS ``f exp(-(f / cut)^2)``, and its peak frequency."""
    f = np.fft.fftfreq(2 * SIZE, SPACING)
    radius = np.hypot(f[:, None], f)
    spectrum = radius * np.exp(-((radius / CUT_PER_MM) ** 2))
    spectrum *= DEVIATION**2 / spectrum.mean()
    white = rng.standard_normal((N_REGIONS, 2 * SIZE, 2 * SIZE))
    fields = np.fft.ifft2(np.fft.fft2(white) * np.sqrt(spectrum)).real
    return np.ascontiguousarray(fields[:, :SIZE, :SIZE]), CUT_PER_MM / math.sqrt(2)


def beside_nps(rng: np.random.Generator) -> list[Comparison]:
    regions, peak = ramp_noise(rng)
    variance = regions.var()
    comparisons = []
    for name in present():
        peer = Peer(name, {"regions": regions})

        def check(ours, theirs):
            figures = {
                "variance error (%), imgtech": 100 * (ours.variance().value / variance - 1),
                "peak error (%), imgtech": 100 * (ours.peak_frequency().value / peak - 1),
                "peak error (%), peer": 100 * (theirs["peak"] / peak - 1),
            }
            if "variance" in theirs:
                figures["variance error (%), peer"] = 100 * (theirs["variance"] / variance - 1)
            found = ours.peak_frequency()
            assert abs(figures["variance error (%), imgtech"]) < 1, figures
            assert abs(found.value - peak) < 3 * found.uncertainty < 0.05 * peak, figures
            return figures

        comparisons.append(
            compare(
                f"noise power spectrum, {N_REGIONS} regions of {SIZE} x {SIZE}",
                ours=lambda: noise_power_spectrum(regions, GRID.spacing_mm),
                peer=lambda peer=peer: peer.ask("nps", regions="regions", spacing_mm=SPACING),
                peer_name=peer.name,
                check=check,
                excluded=OUTSIDE,
                rounds=5,
            )
        )
        peer.close()
    return comparisons


def beside_mtf(rng: np.random.Generator) -> list[Comparison]:
    edge = blurred(5.0, 0.37, 1.0)
    image = picture(edge) + 2 * rng.standard_normal(GRID.shape)
    real = truth(edge)
    requests = {
        "pylinac": (
            "mtf_projected", {"image": "edge", "spacing_mm": SPACING, "degrees": 5.0, "position_mm": 0.37},
        ),
        "microct": (
            "mtf", {"image": "edge", "spacing_mm": SPACING, "degrees": -5.0, "crop": [176, 336, 216, 296]},
        ),
    }  # fmt: skip
    comparisons = []
    for name in present():
        peer = Peer(name, {"edge": image})
        task, arguments = requests[name]

        def check(ours, theirs):
            figures = {}
            for k, level in enumerate((0.5, 0.1)):
                percent = f"MTF{100 * level:.0f} error (%)"
                figures[f"{percent}, imgtech"] = 100 * (ours.at(level).value / real[k] - 1)
                figures[f"{percent}, peer"] = 100 * (theirs[k] / real[k] - 1)
            assert abs(figures["MTF50 error (%), imgtech"]) < 0.5, figures
            assert abs(figures["MTF10 error (%), imgtech"]) < 1.5, figures
            return figures

        comparisons.append(
            compare(
                "MTF of a slanted edge, 512 x 512",
                ours=lambda: slanted_edge_mtf(image, GRID.spacing_mm),
                peer=lambda peer=peer, task=task, arguments=arguments: peer.ask(task, **arguments),
                peer_name=f"{peer.name}, told the angle",
                check=check,
                excluded=OUTSIDE,
            )
        )
        peer.close()
    return comparisons


def beside_snr(rng: np.random.Generator) -> list[Comparison]:
    pair = 100 + 4 * rng.standard_normal((2, 512, 512))
    region = np.ones((512, 512))
    inside = region > 0

    def check(ours, theirs):
        figures = {
            "error (%), imgtech": 100 * (ours.value / 25 - 1),
            "error (%), peer": 100 * (theirs / 25 - 1),
            "uncertainty (%), imgtech": 100 * ours.uncertainty / ours.value,
        }
        assert abs(ours.value - 25) < 3 * ours.uncertainty, figures
        return figures

    return [
        compare(
            "SNR of two images, 512 x 512, all pixels",
            ours=lambda: snr_two_images(pair[0], pair[1], region),
            peer=lambda: math.sqrt(2) * pair[0][inside].mean() / (pair[0] - pair[1])[inside].std(ddof=1),
            peer_name=f"NumPy {np.__version__}, no uncertainty",
            check=check,
            excluded=OUTSIDE,
        )
    ]


def main() -> None:
    """Run, print a table, save the record."""
    rng = np.random.default_rng(20261126)
    comparisons = [*beside_nps(rng), *beside_mtf(rng), *beside_snr(rng)]
    for c in comparisons:
        low, high = c.ratio_range
        print(
            f"{c.name:50} {c.peer:50} {c.ratio:6.1f} ({low:.1f}-{high:.1f}) "
            f"{np.median(c.ours_s) * 1e3:8.2f} ms"
        )
        print("   checked:", ", ".join(f"{key} {value:.3g}" for key, value in c.check.items()))
    save_comparisons(comparisons, RESULTS)


if __name__ == "__main__":
    main()
