"""Parallel imaging beside SigPy, pygrappa and BART: python benchmarks/mri/parallel_imaging.py

A head phantom of 230 x 180 pixels seen by eight coils, closed-form k-space with noise; every program runs one
thread and gets the same data.

* ESPIRiT maps from 24 x 24 calibration samples, judged by the part of the coil images that the maps do not
  explain, where both programs' masks agree. BART is timed with its start and the files it reads and writes;
  `imgtech` and SigPy as calls.
* GRAPPA of every second line, judged by the error of the root sum of squares against the phantom.
* CG-SENSE of 400 golden-angle spokes of 512 samples, 256 x 256 pixels, 10 iterations, judged by the error
  against the phantom after the best scale; maps in closed form, data without noise.

* L1-wavelet reconstruction of a quarter of the samples, 100 iterations, judged by the error against the
  combined noise-free image after the best scale; each program with the strength that is best for it among
  five half-decades.

The answer of imgtech must be no worse than the peer's before anything is timed (to 0.5 % for maps, 0.1 % for
CG-SENSE, where both minimise the same sum).
Needs sigpy, pygrappa and the program bart, each for its part. Writes
benchmarks/results/parallel_imaging.json.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

import imgtech
from imgtech.bench import Comparison, compare, save_comparisons
from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import CoilSensitivities, complex_gaussian, shepp_logan
from imgtech.recon.mri import (
    cg_sense,
    espirit_maps,
    grappa,
    kspace_to_image,
    l1_wavelet,
    radial_density,
    roemer_combine,
    root_sum_of_squares,
)

try:
    import sigpy
    import sigpy.mri
except ImportError:
    sigpy = None
try:
    import pygrappa
except ImportError:
    pygrappa = None
BART = shutil.which("bart")

RESULTS = Path(__file__).resolve().parents[1] / "results" / "parallel_imaging.json"
OUTSIDE = "compilation, simulation, change of axis order for the peer"
N_CALIBRATION = 24
GRID = ImageGrid.fft((230, 180), spacing_mm=(1.0, 1.2))
HEAD = shepp_logan(radius_mm=88.0, contrast="modified", attenuation_per_mm=1.0)
COILS = CoilSensitivities.ring(n_coils=8, radius_mm=150.0)


def cartesian_data():
    """Full k-space with noise at a hundredth of the signal, scaled to images of about 1."""
    clean = HEAD.kspace(Trajectory.of_grid(GRID), COILS)
    scale = np.prod(GRID.spacing_mm) * np.sqrt(np.prod(GRID.shape))
    noisy = complex_gaussian(clean / scale, sigma=0.004, rng=np.random.default_rng(1))
    return np.ascontiguousarray(noisy, dtype=np.complex64)


def centre(kspace, n):
    (ny, nx), half = kspace.shape[1:], n // 2
    return kspace[:, ny // 2 - half : ny // 2 + half, nx // 2 - half : nx // 2 + half]


def unexplained(maps, kspace, inside):
    """Part of the coil images that lies outside the space of the maps."""
    images = kspace_to_image(kspace)
    left = images - maps * (np.conj(maps) * images).sum(axis=0) / np.maximum(
        (np.abs(maps) ** 2).sum(axis=0), 1e-12
    )
    return float(np.linalg.norm(left[:, inside]) / np.linalg.norm(images[:, inside]))


def bart(command, kspace):
    """Run BART on k-space ``(coil, y, x)`` through its files; the answer has the same order."""
    with tempfile.TemporaryDirectory() as folder:
        name, out = f"{folder}/in", f"{folder}/out"
        sizes = [kspace.shape[2], kspace.shape[1], 1, kspace.shape[0]]
        Path(name + ".hdr").write_text("# Dimensions\n" + " ".join(map(str, sizes)) + "\n")
        kspace.tofile(name + ".cfl")
        subprocess.run([BART, *command, name, out], check=True, capture_output=True)
        dims = [int(n) for n in Path(out + ".hdr").read_text().splitlines()[1].split()]
        return np.fromfile(out + ".cfl", np.complex64).reshape(dims[::-1]).squeeze()


def beside_espirit() -> list[Comparison]:
    kspace = cartesian_data()
    full = np.zeros_like(kspace)
    (ny, nx), half = kspace.shape[1:], N_CALIBRATION // 2
    block = np.s_[:, ny // 2 - half : ny // 2 + half, nx // 2 - half : nx // 2 + half]
    full[block] = kspace[block]
    calibration = np.ascontiguousarray(full[block])

    def check(ours, theirs):
        inside = (np.abs(ours).sum(axis=0) > 0) & (np.abs(theirs).sum(axis=0) > 0)
        figures = {
            "unexplained, imgtech": unexplained(ours, kspace, inside),
            "unexplained, peer": unexplained(theirs, kspace, inside),
            "common mask, share of pixels": float(inside.mean()),
        }
        assert figures["unexplained, imgtech"] <= 1.005 * figures["unexplained, peer"], figures
        assert figures["common mask, share of pixels"] > 0.3, figures
        return figures

    common = {
        "ours": lambda: espirit_maps(calibration, GRID.shape),
        "check": check,
        "excluded": OUTSIDE,
        "rounds": 5,
    }
    out = []
    if sigpy is not None:
        peer = lambda: sigpy.mri.app.EspiritCalib(  # noqa: E731
            full, calib_width=N_CALIBRATION, crop=0.9, show_pbar=False
        ).run()
        out.append(
            compare(
                "ESPIRiT maps, 230 x 180, 8 coils",
                peer=peer,
                peer_name=f"SigPy {sigpy.__version__}",
                **common,
            )
        )
    if BART is not None:
        version = subprocess.run([BART, "version"], capture_output=True, text=True, check=True).stdout.strip()
        peer = lambda: bart(["ecalib", "-m1", "-c0.9", f"-r{N_CALIBRATION}"], full)  # noqa: E731
        out.append(
            compare("ESPIRiT maps, 230 x 180, 8 coils", peer=peer, peer_name=f"BART {version}", **common)
        )
    return out


def beside_grappa() -> list[Comparison]:
    if pygrappa is None:
        return []
    kspace = cartesian_data()
    ny = kspace.shape[1]
    lines, first = np.arange(ny) % 2 == 0, ny // 2 - N_CALIBRATION // 2
    calibration = np.ascontiguousarray(kspace[:, first : first + N_CALIBRATION])
    undersampled = np.where(lines[:, None], kspace, 0).astype(np.complex64)
    truth = root_sum_of_squares(kspace_to_image(kspace))
    inside = truth > 0.1 * truth.max()
    theirs = np.ascontiguousarray(np.moveaxis(undersampled, 0, -1), dtype=np.complex128)
    theirs_calibration = np.ascontiguousarray(np.moveaxis(calibration, 0, -1), dtype=np.complex128)

    def nrmse(filled):
        image = root_sum_of_squares(kspace_to_image(filled))
        return float(np.linalg.norm((image - truth)[inside]) / np.linalg.norm(truth[inside]))

    def check(ours, peer):
        figures = {"NRMSE, imgtech": nrmse(ours), "NRMSE, peer": nrmse(np.moveaxis(peer, -1, 0))}
        assert figures["NRMSE, imgtech"] <= figures["NRMSE, peer"], figures
        return figures

    return [
        compare(
            "GRAPPA, every second line, 230 x 180, 8 coils",
            ours=lambda: grappa(undersampled, lines, calibration),
            peer=lambda: pygrappa.cgrappa(theirs.copy(), theirs_calibration, kernel_size=(5, 5)),
            peer_name="pygrappa cgrappa",
            check=check,
            excluded=OUTSIDE,
            rounds=5,
        )
    ]


def beside_cg_sense() -> list[Comparison]:
    if sigpy is None:
        return []
    grid = ImageGrid.fft((256, 256), spacing_mm=(0.9, 0.9))
    spokes = Trajectory.radial(400, 512, spacing_mm=0.9, golden=True)
    truth, maps = HEAD.image(grid), COILS.maps(grid)
    maps = maps / root_sum_of_squares(maps)
    kspace = HEAD.kspace(spokes, COILS)
    density = radial_density(spokes)
    turns = (spokes.positions_per_mm * 256 * 0.9).astype(np.float32)
    weights = (density / density.max()).astype(np.float32)
    smooth = truth * root_sum_of_squares(COILS.maps(grid))

    def error(image):
        image = image * (np.vdot(image, smooth) / np.vdot(image, image))
        return float(np.linalg.norm(image - smooth) / np.linalg.norm(smooth))

    def check(ours, theirs):
        figures = {"error, imgtech": error(ours), "error, peer": error(theirs)}
        assert figures["error, imgtech"] <= 1.001 * figures["error, peer"], figures
        return figures

    return [
        compare(
            "CG-SENSE, 400 spokes, 256 x 256, 8 coils, 10 iterations",
            ours=lambda: cg_sense(kspace, spokes, maps, grid, density=density, n_iter=10).image,
            peer=lambda: sigpy.mri.app.SenseRecon(
                kspace, maps, coord=turns, weights=weights, max_iter=10, show_pbar=False
            ).run(),
            peer_name=f"SigPy {sigpy.__version__} SenseRecon",
            check=check,
            excluded=OUTSIDE,
            rounds=3,
            calls=1,
        )
    ]


def beside_wavelets() -> list[Comparison]:
    if sigpy is None:
        return []
    kspace = cartesian_data()
    maps = espirit_maps(centre(kspace, N_CALIBRATION), GRID.shape)
    y, x = (np.abs(np.linspace(-1, 1, n)) for n in GRID.shape)
    chance = np.exp(-2.3 * np.hypot(y[:, None], x))
    sampled = np.random.default_rng(2).random(GRID.shape) < chance
    half = N_CALIBRATION // 2
    sampled[115 - half : 115 + half, 90 - half : 90 + half] = True
    undersampled = kspace * sampled
    scale = np.prod(GRID.spacing_mm) * np.sqrt(np.prod(GRID.shape))
    clean = HEAD.kspace(Trajectory.of_grid(GRID), COILS) / scale
    truth = roemer_combine(kspace_to_image(clean), maps)
    seen = np.abs(maps).sum(axis=0) > 0

    def error(image):
        values, wanted = image[seen], truth[seen]
        values = values * (np.vdot(values, wanted) / np.vdot(values, values))
        return float(np.linalg.norm(values - wanted) / np.linalg.norm(wanted))

    def ours(strength):
        return l1_wavelet(undersampled, sampled, maps, regularization=strength, n_iter=100).image

    def theirs(strength):
        app = sigpy.mri.app.L1WaveletRecon(undersampled, maps, strength, max_iter=100, show_pbar=False)
        return app.run()

    strengths = 10.0 ** np.arange(-4, -1.9, 0.5)
    best = min(strengths, key=lambda strength: error(ours(strength)))
    best_peer = min(strengths, key=lambda strength: error(theirs(strength)))

    def check(mine, peer):
        figures = {
            "share of samples": float(sampled.mean()),
            "error, imgtech": error(mine),
            "error, peer": error(peer),
        }
        assert figures["error, imgtech"] <= figures["error, peer"], figures
        return figures

    return [
        compare(
            "L1-wavelet, a quarter of 230 x 180, 8 coils, 100 iterations",
            ours=lambda: ours(best),
            peer=lambda: theirs(best_peer),
            peer_name=f"SigPy {sigpy.__version__} L1WaveletRecon",
            check=check,
            excluded=OUTSIDE,
            rounds=3,
            calls=1,
        )
    ]


def main() -> None:
    """Run, print a table, save the record."""
    with imgtech.threads(1):
        comparisons = [*beside_espirit(), *beside_grappa(), *beside_cg_sense(), *beside_wavelets()]
    for c in comparisons:
        low, high = c.ratio_range
        print(
            f"{c.name:56} {c.peer:28} {c.ratio:6.1f} ({low:.1f}-{high:.1f}) "
            f"{np.median(c.ours_s) * 1e3:8.1f} ms"
        )
        print("   checked:", ", ".join(f"{key} {value:.4g}" for key, value in c.check.items()))
    save_comparisons(comparisons, RESULTS)


if __name__ == "__main__":
    main()
