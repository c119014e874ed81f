"""Projectors and SIRT beside ASTRA (CPU): python benchmarks/ct/iterative.py

Whole calls of SIRT on parallel beams, and the matched projector of a flat fan, Shepp-Logan head in closed
form. Every answer is compared with the truth before anything is timed: the image of SIRT with the
pixel-averaged head, the projections with the channel-averaged line integrals. imgtech must not be further
from it than the peer. ASTRA's CPU code runs one thread: it has none for more.
Needs astra-toolbox. Writes benchmarks/results/ct_iterative.json.
"""

from __future__ import annotations

from pathlib import Path

import astra
import numpy as np

from imgtech.bench import Comparison, compare, save_comparisons
from imgtech.geometry import FanBeam, ImageGrid, ParallelBeam
from imgtech.phantoms import shepp_logan
from imgtech.recon.ct import Projector, sirt

SPACING_MM = 0.7
OUTSIDE = "compilation, phantom, geometry objects of the peer"
RESULTS = Path(__file__).resolve().parents[1] / "results" / "ct_iterative.json"


def volume(grid):
    """ASTRA's geometry of a square grid at the origin; its rows run towards -y."""
    n, half = grid.shape[0], grid.fov_mm[0] / 2
    return astra.create_vol_geom(n, n, -half, half, -half, half)


def sirt_beside_astra(n: int, n_views: int, n_iter: int, rounds: int) -> Comparison:
    """SIRT from zeros, the same number of iterations."""
    grid = ImageGrid.square(n, fov_mm=n * SPACING_MM)
    beam = ParallelBeam.half_turn(n_views=n_views, n_channels=n, channel_spacing_mm=SPACING_MM)
    head = shepp_logan(radius_mm=0.47 * n * SPACING_MM)
    sinogram, truth = head.sinogram(beam), head.image(grid)
    rays = astra.create_proj_geom("parallel", SPACING_MM, n, beam.angles_rad)
    linear = astra.create_projector("linear", rays, volume(grid))
    data_id, image_id = (
        astra.data2d.create("-sino", rays, sinogram),
        astra.data2d.create("-vol", volume(grid)),
    )
    config = astra.astra_dict("SIRT") | {
        "ProjectorId": linear,
        "ProjectionDataId": data_id,
        "ReconstructionDataId": image_id,
    }

    def theirs():
        astra.data2d.store(image_id, 0.0)
        made = astra.algorithm.create(config)
        astra.algorithm.run(made, n_iter)
        astra.algorithm.delete(made)
        return astra.data2d.get(image_id)[::-1]

    def check(ours, peer):
        error = [float(np.sqrt(np.mean((image - truth) ** 2)) / truth.max()) for image in (ours, peer)]
        figures = {
            "relative rms error, imgtech": error[0],
            "relative rms error, peer": error[1],
            "relative rms difference": float(np.sqrt(np.mean((ours - peer) ** 2)) / truth.max()),
        }
        assert error[0] <= 1.01 * error[1], figures
        assert figures["relative rms difference"] < 0.02, figures
        return figures

    return compare(
        f"SIRT, {n_iter} iterations, {n}^2 x {n_views}",
        ours=lambda: sirt(sinogram, beam, grid, n_iter=n_iter).image,
        peer=theirs,
        peer_name=f"ASTRA {astra.__version__} CPU linear SIRT",
        check=check,
        excluded=OUTSIDE,
        rounds=rounds,
        work=2.0 * n * n * n_views * n_iter,
        work_unit="pixel, view and projection or back-projection",
    )


def fan_beside_astra(kind: str, n: int = 512, n_views: int = 720, rounds: int = 3) -> Comparison:
    """Forward projection onto a flat fan."""
    grid = ImageGrid.square(n, fov_mm=350.0)
    beam = FanBeam.full_turn(
        source_axis_mm=600.0,
        source_detector_mm=1000.0,
        n_views=n_views,
        n_channels=735,
        channel_spacing_mm=1.0,
    )
    head = shepp_logan(radius_mm=170.0)
    truth, image = head.sinogram(beam), head.image(grid)
    project = Projector(beam, grid)
    rays = astra.create_proj_geom("fanflat", 1.0, 735, beam.angles_rad, 600.0, 400.0)
    made = astra.create_projector(kind, rays, volume(grid))
    image_id = astra.data2d.create("-vol", volume(grid), np.ascontiguousarray(image[::-1]))
    out_id = astra.data2d.create("-sino", rays)
    config = astra.astra_dict("FP") | {
        "ProjectorId": made,
        "ProjectionDataId": out_id,
        "VolumeDataId": image_id,
    }
    algorithm = astra.algorithm.create(config)

    def theirs():
        astra.algorithm.run(algorithm)
        return astra.data2d.get(out_id)

    def check(ours, peer):
        error = [float(np.sqrt(np.mean((data - truth) ** 2)) / truth.max()) for data in (ours, peer)]
        figures = {"relative rms error, imgtech": error[0], "relative rms error, peer": error[1]}
        assert error[0] <= error[1], figures
        return figures

    return compare(
        f"matched forward projection, flat fan, {n}^2 x {n_views}",
        ours=lambda: project.forward(image),
        peer=theirs,
        peer_name=f"ASTRA {astra.__version__} CPU {kind}",
        check=check,
        excluded=OUTSIDE,
        rounds=rounds,
        work=float(n * n * n_views),
        work_unit="pixel and view",
    )


def main() -> None:
    """Run, print a table, save the record."""
    comparisons = [
        sirt_beside_astra(256, 180, n_iter=10, rounds=3),
        sirt_beside_astra(512, 720, n_iter=2, rounds=3),
        fan_beside_astra("line_fanflat"),
        fan_beside_astra("strip_fanflat"),
    ]
    for c in comparisons:
        low, high = c.ratio_range
        ours, theirs = c.medians
        print(f"{c.name:48} {c.peer:36} {c.ratio:6.1f} ({low:.1f}-{high:.1f}) {ours:8.4f} s {theirs:8.3f} s")
        print("   checked:", ", ".join(f"{key} {value:.2e}" for key, value in c.check.items()))
    save_comparisons(comparisons, RESULTS)


if __name__ == "__main__":
    main()
