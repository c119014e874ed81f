"""Error of MTF50 and MTF10 from a slanted edge: python benchmarks/qc/mtf_accuracy.py

Edges in closed form (Gaussian blur, mean over every pixel) of 512 x 512 square pixels, in every quadrant and
of either polarity, at angles of 2 to 10 degrees to rows or columns that imgtech is not told. Written down for
every blur and contrast-to-noise ratio: the mean error, the scatter of single images, and the least scatter
that any unbiased estimator can have that knows the blur to be Gaussian (Cramer and Rao: position, angle, both
grey values and the blur from all pixels).

Peers get upright edges that brighten along x, and are told the angle where they ask for it.
Writes benchmarks/results/qc_mtf_accuracy.json.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from peers import Peer, present
from scipy import optimize

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredEdge
from imgtech.qc.metrics import slanted_edge_mtf

RESULTS = Path(__file__).resolve().parents[1] / "results" / "qc_mtf_accuracy.json"
N, SPACING = 512, 0.2
GRID = ImageGrid(shape=(N, N), spacing_mm=(SPACING, SPACING))
LOW, HIGH = 80.0, 180.0
LEVELS = (0.5, 0.1)
SIGMAS_PX = (0.6, 0.8, 1.0, 1.25, 1.5)
RUNS, PEER_RUNS = 64, 8


def blurred(degrees: float, position_mm: float, sigma_px: float, *, low=LOW, high=HIGH) -> BlurredEdge:
    return BlurredEdge(
        angle_rad=math.radians(degrees), position_mm=position_mm, low=low, high=high,
        sigma_mm=sigma_px * SPACING,
    )  # fmt: skip


def truth(edge: BlurredEdge) -> np.ndarray:
    def excess(f: float, level: float) -> float:
        return float(edge.mtf([f], spacing_mm=GRID.spacing_mm)[0]) - level

    return np.array([optimize.brentq(excess, 1e-3, 1 / SPACING, args=(level,)) for level in LEVELS])


def picture(edge: BlurredEdge) -> np.ndarray:
    return edge.image(GRID, dtype=np.float64)


def least_scatter(sigma_px: float, cnr: float, degrees: float = 5.0) -> np.ndarray:
    """Relative standard deviation of MTF50 and MTF10 at the Cramer-Rao bound, in percent."""
    at = {"degrees": degrees, "position_mm": 0.37, "sigma_px": sigma_px, "low": LOW, "high": HIGH}
    steps = {"degrees": 1e-3, "position_mm": 1e-4, "sigma_px": 1e-4, "low": 1.0, "high": 1.0}
    slopes = []
    for name, step in steps.items():
        up, down = (picture(blurred(**(at | {name: at[name] + s}))) for s in (step, -step))
        slopes.append(((up - down) / (2 * step)).ravel())
    slopes = np.array(slopes)
    noise = (HIGH - LOW) / cnr
    spread = math.sqrt(np.linalg.inv(slopes @ slopes.T)[2, 2]) * noise
    up, down = (truth(blurred(**(at | {"sigma_px": sigma_px + s}))) for s in (1e-3, -1e-3))
    return 100 * np.abs(up - down) / 2e-3 * spread / truth(blurred(**at))


def poses(rng: np.random.Generator, n: int):
    """Every quadrant and either polarity in turn, with an angle, a side it leans to and a place at random."""
    for i in range(n):
        tilt = rng.uniform(2, 10) * rng.choice((-1, 1))
        yield 90.0 * (i % 4) + tilt, rng.uniform(-1, 1) * 4, (LOW, HIGH) if i % 8 < 4 else (HIGH, LOW)


def ours(image: np.ndarray) -> list[float]:
    mtf = slanted_edge_mtf(image, GRID.spacing_mm)
    return [mtf.at(level).value for level in LEVELS]


def row(program: str, sigma_px: float, cnr: float, errors: np.ndarray, least: np.ndarray | None) -> dict:
    """One line of the table; errors in percent, shape (image, level)."""
    out = {"program": program, "blur (px)": sigma_px, "CNR": "no noise" if cnr == math.inf else f"{cnr:g}"}
    for k, level in enumerate(("MTF50", "MTF10")):
        e = errors[:, k]
        out[f"{level} mean error (%)"] = round(float(e.mean()), 3)
        out[f"{level} scatter (%)"] = round(float(e.std(ddof=1)), 3)
        out[f"{level} least scatter (%)"] = "" if least is None else round(float(least[k]), 3)
        out[f"{level} largest error (%)"] = round(float(np.abs(e).max()), 3)
    return out | {"images": len(e)}


def imgtech_rows(rng: np.random.Generator) -> list[dict]:
    rows = []
    for sigma in SIGMAS_PX:
        drawn = [
            (picture(edge), truth(edge))
            for edge in (
                blurred(degrees, place, sigma, low=low, high=high)
                for degrees, place, (low, high) in poses(rng, RUNS)
            )
        ]
        for cnr in (math.inf, 20.0, 50.0):
            noise = (HIGH - LOW) / cnr
            found = np.array([ours(image + noise * rng.standard_normal(image.shape)) for image, _ in drawn])
            errors = 100 * (found / np.array([t for _, t in drawn]) - 1)
            least = None if cnr == math.inf else least_scatter(sigma, cnr)
            rows.append(row("imgtech", sigma, cnr, errors, least))
    return rows


def peer_rows(rng: np.random.Generator) -> list[dict]:
    rows = []
    for cnr in (math.inf, 20.0):
        for sigma in (0.6, 1.0, 1.5):
            edges = [blurred(d, rng.uniform(-2, 2), sigma) for d in np.linspace(2.2, 9.8, PEER_RUNS)]
            noise = (HIGH - LOW) / cnr
            images = [picture(e) + noise * rng.standard_normal(GRID.shape) for e in edges]
            real = np.array([truth(e) for e in edges])
            answers = {"imgtech, the peers' edges": [ours(image) for image in images]}
            for name in present():
                peer = Peer(name, {f"edge{i}": image for i, image in enumerate(images)})
                for way, asked in _requests(name, edges).items():
                    answers[f"{peer.name}, {way}"] = [
                        peer.ask(*request[:1], **request[1]) for request in asked
                    ]
                peer.close()
            rows += [
                row(program, sigma, cnr, 100 * (np.array(found) / real - 1), None)
                for program, found in answers.items()
            ]
    return rows


def _requests(name: str, edges: list[BlurredEdge]) -> dict[str, list]:
    common = [{"image": f"edge{i}", "spacing_mm": SPACING} for i in range(len(edges))]
    degrees = [{"degrees": math.degrees(e.angle_rad)} for e in edges]
    if name == "pylinac":
        places = [{"position_mm": e.position_mm} for e in edges]
        return {
            "rows": [("mtf_rows", c) for c in common],
            "profile projected along the true edge": [
                ("mtf_projected", c | d | p) for c, d, p in zip(common, degrees, places, strict=True)
            ],
        }
    crop = {"crop": [N // 2 - 80, N // 2 + 80, N // 2 - 40, N // 2 + 40]}
    turned = [{"degrees": -d["degrees"]} for d in degrees]  # its angles grow the other way
    return {"true angle": [("mtf", c | d | crop) for c, d in zip(common, turned, strict=True)]}


def main() -> None:
    """Run, print the rows, save them."""
    rng = np.random.default_rng(20261126)
    rows = imgtech_rows(rng) + peer_rows(rng)
    for r in rows:
        print("  ".join(f"{value}" for value in r.values()))
    RESULTS.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
