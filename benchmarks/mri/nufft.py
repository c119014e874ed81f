"""The NUFFT beside finufft: python benchmarks/mri/nufft.py

An image of 256 x 256 pixels and 400 golden-angle spokes of 512 samples, complex64, one coil and eight; a
volume of 64 x 64 x 64 voxels and 3906 spokes of 128 samples over a ball, one coil. Both programs run one
thread and reuse a plan. Both answers are compared with the direct sum in double precision on 500 samples and
60 pixels, of white images and white samples, before anything is timed; neither may be further from it than
3e-5, and imgtech in the plane not further than finufft at the same setting. In space imgtech's error may be
up to twice finufft's.
Needs finufft. Writes benchmarks/results/nufft.json.
"""

from __future__ import annotations

from pathlib import Path

import finufft
import numpy as np

import imgtech
from imgtech.bench import Comparison, compare, save_comparisons
from imgtech.geometry import ImageGrid, Trajectory, kooshball
from imgtech.recon.gridding import Nufft

N, N_SPOKES, N_SAMPLES, TOLERANCE = 256, 400, 512, 1e-5
GRID = ImageGrid.fft((N, N), spacing_mm=(1.0, 1.0))
SPOKES = Trajectory.radial(N_SPOKES, N_SAMPLES, spacing_mm=1.0, golden=True)
TURNS = SPOKES.positions_per_mm.reshape(-1, 2)
RESULTS = Path(__file__).resolve().parents[1] / "results" / "nufft.json"


def white(shape, rng):
    """Complex white noise, complex64."""
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)


def near_the_sum(truth, some, most_of_peer=1.0):
    """A check: both answers at ``some`` places of the first coil against the direct sum."""

    def check(ours, theirs):
        def error(found):
            return float(np.linalg.norm(found.ravel()[some] - truth) / np.linalg.norm(truth))

        figures = {"relative error, imgtech": error(ours), "relative error, peer": error(theirs)}
        most = min(3e-5, most_of_peer * figures["relative error, peer"])
        assert figures["relative error, imgtech"] <= most, figures
        return figures

    return check


def beside_finufft(n_coils: int) -> list[Comparison]:
    """Both directions for ``n_coils`` coils at once."""
    rng = np.random.default_rng(3)
    images, samples = white((n_coils, N, N), rng), white((n_coils, *SPOKES.shape), rng)
    y, x = GRID.coordinates_mm
    at = rng.choice(len(TURNS), 500, replace=False)
    waves = np.exp(-2j * np.pi * TURNS[at, :1] * y), np.exp(-2j * np.pi * TURNS[at, 1:] * x)
    spectrum = ((waves[0] @ images[0]) * waves[1]).sum(axis=1)
    pixels = rng.choice(N * N, 60, replace=False)
    where = np.stack([y[pixels // N], x[pixels % N]])
    back = (samples[0].ravel()[:, None] * np.exp(2j * np.pi * (TURNS @ where))).sum(axis=0)

    nufft = Nufft(SPOKES, GRID, TOLERANCE)
    common = {"n_trans": n_coils, "eps": TOLERANCE, "dtype": np.complex64, "nthreads": 1}
    forward, adjoint = (finufft.Plan(kind, (N, N), isign=sign, **common) for kind, sign in ((2, -1), (1, 1)))
    angles = [np.ascontiguousarray(2 * np.pi * TURNS[:, a], dtype=np.float32) for a in (0, 1)]
    forward.setpts(*angles)
    adjoint.setpts(*angles)
    flat = samples.reshape(n_coils, -1)
    theirs = (images[0], flat[0]) if n_coils == 1 else (images, flat)
    settings = {
        "peer_name": f"finufft {finufft.__version__}",
        "excluded": "compilation, plans, one thread each",
        "work": float(n_coils * len(TURNS)),
        "work_unit": "sample",
    }
    size = f"{N}^2, {len(TURNS)} points, {n_coils} coil{'s' * (n_coils > 1)}"
    return [
        compare(
            f"NUFFT type 2, {size}",
            ours=lambda: nufft.forward(images),
            peer=lambda: forward.execute(theirs[0]),
            check=near_the_sum(spectrum, at),
            **settings,
        ),
        compare(
            f"NUFFT type 1, {size}",
            ours=lambda: nufft.adjoint(samples),
            peer=lambda: adjoint.execute(theirs[1]),
            check=near_the_sum(back, pixels),
            **settings,
        ),
    ]


def beside_finufft_in_space() -> list[Comparison]:
    """Both directions for one coil and a volume."""
    rng = np.random.default_rng(4)
    grid = ImageGrid.fft((64, 64, 64), spacing_mm=(1.0, 1.0, 1.0))
    spokes = kooshball(3906, 128, spacing_mm=1.0, golden=True)
    turns = spokes.positions_per_mm.reshape(-1, 3)
    image, samples = white(grid.shape, rng), white(spokes.shape, rng)
    at = rng.choice(len(turns), 500, replace=False)
    waves = [np.exp(-2j * np.pi * np.outer(turns[at, a], grid.coordinates_mm[a])) for a in range(3)]
    spectrum = np.einsum("pz,py,px,zyx->p", *waves, image, optimize=True)
    voxels = rng.choice(64**3, 60, replace=False)
    where = np.stack(
        [c[i] for c, i in zip(grid.coordinates_mm, np.unravel_index(voxels, grid.shape), strict=True)]
    )
    back = (samples.ravel()[:, None] * np.exp(2j * np.pi * (turns @ where))).sum(axis=0)
    nufft = Nufft(spokes, grid, TOLERANCE)
    common = {"eps": TOLERANCE, "dtype": np.complex64, "nthreads": 1}
    forward, adjoint = (
        finufft.Plan(kind, grid.shape, isign=sign, **common) for kind, sign in ((2, -1), (1, 1))
    )
    angles = [np.ascontiguousarray(2 * np.pi * turns[:, a], dtype=np.float32) for a in range(3)]
    forward.setpts(*angles)
    adjoint.setpts(*angles)
    settings = {
        "peer_name": f"finufft {finufft.__version__}",
        "excluded": "compilation, plans, one thread each",
        "work": float(len(turns)),
        "work_unit": "sample",
    }
    size = f"64^3, {len(turns)} points, 1 coil"
    return [
        compare(
            f"NUFFT type 2, {size}",
            ours=lambda: nufft.forward(image),
            peer=lambda: forward.execute(image),
            check=near_the_sum(spectrum, at, 2.0),
            **settings,
        ),
        compare(
            f"NUFFT type 1, {size}",
            ours=lambda: nufft.adjoint(samples),
            peer=lambda: adjoint.execute(samples.ravel()),
            check=near_the_sum(back, voxels, 2.0),
            **settings,
        ),
    ]


def main() -> None:
    """Run, print a table, save the record."""
    with imgtech.threads(1):
        comparisons = beside_finufft(1) + beside_finufft(8) + beside_finufft_in_space()
    print(f"{'what':48} {'ratio':>6} {'min':>6} {'max':>6} {'imgtech':>10} {'peer':>10}")
    for c in comparisons:
        low, high = c.ratio_range
        ours, theirs = c.medians
        times = f"{ours * 1e3:7.1f} ms {theirs * 1e3:7.1f} ms"
        print(f"{c.name:48} {c.ratio:6.2f} {low:6.2f} {high:6.2f} {times}")
        print("   checked:", ", ".join(f"{key} {value:.2e}" for key, value in c.check.items()))
    save_comparisons(comparisons, RESULTS)


if __name__ == "__main__":
    main()
