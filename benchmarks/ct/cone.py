"""Cone-beam CT beside itk-rtk: python benchmarks/ct/cone.py [--projections FILE]

256 x 256 x 256 voxels from 360 views of 320 x 320 channels, or as told, ellipsoids in closed form. Both
answers are compared with the truth near the plane of the source before anything is timed; imgtech must not
be further from it than the peer. In the whole volume the means over cubes must agree. Both programs run on
all processors. Simulating the data takes a few minutes: with ``--projections`` they are kept in a file for
the next run. Needs itk-rtk. Writes benchmarks/results/ct_cone.json.
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

import itk
import numpy as np
from itk import RTK as rtk

from imgtech.bench import Comparison, compare, save_comparisons
from imgtech.geometry import ConeBeam, ImageGrid
from imgtech.phantoms import Ellipsoid, Phantom
from imgtech.recon.ct import _cone_frames, _kernels_cone, _kernels_cone_window, fdk
from imgtech.recon.ct._cone_coverage import redundancy_weights


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projections", type=Path, help="file (.npz) that keeps the simulated data")
    parser.add_argument("--simulate-only", action="store_true", help="stop once the file is written")
    parser.add_argument("--voxels", type=int, default=256, help="voxels along an edge of the cube")
    parser.add_argument("--views", type=int, default=360)
    parser.add_argument("--rounds", type=int, default=2)
    return parser.parse_args()


OPTIONS = arguments()
N, N_VIEWS, N_CHANNELS = OPTIONS.voxels, OPTIONS.views, 5 * OPTIONS.voxels // 4
FEW_VIEWS = 60  # of the bare back-projection: frames of all views at once would take a gigabyte
VOXEL_MM = 204.8 / N
PITCH_MM = 1.5 * VOXEL_MM
DISTANCES = {"source_axis_mm": 2.0 * N * VOXEL_MM, "source_detector_mm": 3.0 * N * VOXEL_MM}
GRID = ImageGrid(shape=(N, N, N), spacing_mm=(VOXEL_MM,) * 3)
HEAD = Phantom(
    shapes=(
        Ellipsoid(value=0.020, semi_axes_mm=(80.0, 92.0, 70.0)),
        Ellipsoid(value=0.002, semi_axes_mm=(16.0, 31.0, 11.0), center_mm=(0.0, 5.0, 22.0), angle_rad=0.31),
        Ellipsoid(value=-0.004, semi_axes_mm=(18.0, 21.0, 25.0), center_mm=(4.0, -35.0, 2.0)),
        Ellipsoid(value=0.004, semi_axes_mm=(5.0, 4.6, 4.6), center_mm=(-3.0, 60.0, -8.0)),
    )
)
IMAGE = itk.Image[itk.F, 3]
RESULTS = Path(__file__).resolve().parents[1] / "results" / "ct_cone.json"


def scan(n_views: int) -> ConeBeam:
    """A full turn of a flat panel."""
    return ConeBeam(
        **DISTANCES,
        angles_rad=np.arange(n_views) * 2 * np.pi / n_views,
        n_channels=N_CHANNELS,
        channel_spacing_mm=PITCH_MM,
        n_rows=N_CHANNELS,
        row_spacing_mm=PITCH_MM,
    )


def rtk_geometry(beam: ConeBeam) -> rtk.ThreeDCircularProjectionGeometry:
    """The same scan for itk-rtk, whose rotation axis is y."""
    geometry = rtk.ThreeDCircularProjectionGeometry.New()
    for angle in beam.angles_rad:
        geometry.AddProjection(beam.source_axis_mm, beam.source_detector_mm, float(np.rad2deg(angle)))
    return geometry


def rtk_inputs(projections: np.ndarray, beam: ConeBeam) -> tuple[itk.Image, itk.Image]:
    """Projections, and a source of empty volumes, as itk-rtk takes them."""
    stack = itk.image_from_array(projections)
    stack.SetSpacing([beam.channel_spacing_mm, beam.row_spacing_mm, 1.0])
    stack.SetOrigin([beam.channels_mm[0], beam.rows_mm[0], 0.0])
    empty = rtk.ConstantImageSource[IMAGE].New()
    empty.SetSize([N] * 3)
    empty.SetSpacing([VOXEL_MM] * 3)
    empty.SetOrigin([-(N - 1) / 2 * VOXEL_MM] * 3)
    return stack, empty


def to_ours(volume: itk.Image) -> np.ndarray:
    """From itk-rtk's axes (z, y, x), y along the rotation axis and z against our y."""
    return itk.array_from_image(volume).transpose(1, 0, 2)[:, ::-1]


def cube_means(volume: np.ndarray) -> np.ndarray:
    """Means over cubes of a sixteenth of the edge.

    Both programs sum the same formula with other interpolations, so that their edges and ripples differ, and
    means do not. A volume that is shifted by a tenth of a voxel of 1.6 mm makes the means of this object
    differ by 3e-3 rms, one that is a thousandth larger all of them by 5e-4.
    """
    b = N // 16
    return volume.reshape(16, b, 16, b, 16, b).mean(axis=(1, 3, 5), dtype=np.float64)


def fewer_errors(truth: np.ndarray, inside: np.ndarray):
    """A check: near the plane of the source imgtech is at most as far from the truth as the peer."""

    def check(ours, theirs):
        near = slice(N // 2 - 8, N // 2 + 8)
        errors = [float(np.sqrt(np.mean((v - truth)[near, inside] ** 2)) / 0.02) for v in (ours, theirs)]
        apart = cube_means(ours - theirs)[cube_means((ours != 0) & inside) == 1] / 0.02
        figures = {
            "relative rms error, imgtech": errors[0],
            "relative rms error, peer": errors[1],
            "relative rms difference of cube means": float(np.sqrt(np.mean(apart**2))),
            "relative mean difference": float(np.mean(apart)),
        }
        assert errors[0] <= errors[1], figures
        assert figures["relative rms difference of cube means"] < 2e-3, figures
        assert abs(figures["relative mean difference"]) < 2e-4, figures
        return figures

    return check


def whole_call(projections: np.ndarray, truth: np.ndarray, inside: np.ndarray) -> Comparison:
    """Fdk against RTK's FDKConeBeamReconstructionFilter, from projections to the volume."""
    beam = scan(N_VIEWS)
    geometry = rtk_geometry(beam)

    def peer():
        stack, empty = rtk_inputs(projections, beam)
        reconstruction = rtk.FDKConeBeamReconstructionFilter[IMAGE].New()
        reconstruction.SetInput(0, empty.GetOutput())
        reconstruction.SetInput(1, stack)
        reconstruction.SetGeometry(geometry)
        reconstruction.GetRampFilter().SetTruncationCorrection(0.0)
        reconstruction.GetRampFilter().SetHannCutFrequency(0.0)
        reconstruction.Update()
        return to_ours(reconstruction.GetOutput())

    return compare(
        f"FDK {N}^3 x {N_VIEWS}",
        ours=lambda: fdk(projections, beam, GRID),
        peer=peer,
        peer_name=f"itk-rtk {version('itk-rtk')} FDK",
        check=fewer_errors(truth, inside),
        excluded="compilation, phantom, geometry objects",
        rounds=OPTIONS.rounds,
        calls=2,
        work=float(N**3 * N_VIEWS),
        work_unit="voxel and view",
    )


def back_projection(projections: np.ndarray, inside: np.ndarray) -> Comparison:
    """The back-projection kernel alone against RTK's FDKBackProjectionImageFilter, no filter in either."""
    beam = scan(FEW_VIEWS)
    few = np.ascontiguousarray(projections[:: N_VIEWS // FEW_VIEWS])
    geometry = rtk_geometry(beam)
    weights, _ = redundancy_weights(beam, beam.fan_angles_rad(beam.channels_mm))
    reach_mm = 0.5 * N_CHANNELS * PITCH_MM
    columns = _cone_frames.Columns.of(beam.channels_mm, beam.channel_spacing_mm, reach_mm, 0)
    flat = _cone_frames.spline_response(np.ones(columns.n_fft // 2 + 1), "ram-lak", 1.0)
    kernel = _kernels_cone_window if _kernels_cone_window.HAS_AVX512 else _kernels_cone
    fractions = ((np.arange(kernel.STEPS) + 0.5) / kernel.STEPS).astype(np.float32)
    _, y_mm, x_mm = GRID.coordinates_mm
    blocks = []
    for block in _cone_frames.view_blocks(few, beam, GRID, columns, flat, weights, 0):
        positions = np.empty((len(block.views), N, N), np.int32)
        angles = beam.angles_rad[block.views]
        _kernels_cone.channel_positions(
            np.cos(angles), np.sin(angles), beam.source_axis_mm, beam.source_detector_mm, False,
            columns.low_mm, columns.spacing_mm / 2, 2 * columns.n_samples,
            block.by_rows, y_mm, x_mm, positions,
        )  # fmt: skip
        places = (block.row_start, block.row_step, block.scale, positions)
        blocks.append((block.frames.copy(), *places, fractions, block.by_rows))

    def ours():
        volume = np.zeros(GRID.shape, np.float32)
        for block in blocks:
            kernel.add_views(*block, volume)
        return volume

    u, v = beam.channels_mm, beam.rows_mm[:, None]
    cosines = beam.source_detector_mm / np.sqrt(beam.source_detector_mm**2 + u**2 + v**2)
    weighted = (few * cosines * weights[:, None, :]).astype(np.float32)

    def peer():
        stack, empty = rtk_inputs(weighted, beam)
        smear = rtk.FDKBackProjectionImageFilter[IMAGE, IMAGE].New()
        smear.SetInput(0, empty.GetOutput())
        smear.SetInput(1, stack)
        smear.SetGeometry(geometry)
        smear.Update()
        return to_ours(smear.GetOutput())

    def check(ours, theirs):
        a, b = (volume[:, inside].astype(np.float64) for volume in (ours, theirs))
        scale = float((a * b).sum() / (b * b).sum())
        apart = float(np.sqrt(np.mean((a - scale * b) ** 2)) / np.sqrt(np.mean(a**2)))
        assert apart < 2e-3, (apart, scale)
        return {"relative rms difference up to a factor": apart}

    return compare(
        f"back-projection alone {N}^3 x {FEW_VIEWS}",
        ours=ours,
        peer=peer,
        peer_name=f"itk-rtk {version('itk-rtk')} FDKBackProjection",
        check=check,
        excluded="frames and positions of imgtech's kernel, which the whole call holds",
        rounds=OPTIONS.rounds,
        work=float(N**3 * FEW_VIEWS),
        work_unit="voxel and view",
    )


def simulated(path: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Projections and the truth, from the file where there is one."""
    if path is not None and path.exists():
        stored = np.load(path)
        return stored["projections"], stored["truth"]
    projections, truth = HEAD.projections(scan(N_VIEWS)), HEAD.image(GRID).astype(np.float32)
    if path is not None:
        np.savez(path, projections=projections, truth=truth)
    return projections, truth


def main() -> None:
    """Run, print a table, save the record."""
    projections, truth = simulated(OPTIONS.projections)
    if OPTIONS.simulate_only:
        return
    _, y_mm, x_mm = GRID.coordinates_mm
    inside = np.hypot(y_mm[:, None], x_mm) < 0.45 * N * VOXEL_MM
    comparisons = []
    for make in (
        lambda: whole_call(projections, truth, inside),
        lambda: back_projection(projections, inside),
    ):
        c = make()
        comparisons.append(c)
        low, high = c.ratio_range
        print(
            f"{c.name:32} {c.peer:36} {c.ratio:6.1f} ({low:.1f}-{high:.1f}) "
            f"{np.median(c.ours_s):6.2f} s, {c.rate / 1e9:.2f} GUPS, peer {c.rate / c.ratio / 1e9:.3f}"
        )
        print("   checked:", ", ".join(f"{key} {value:.2e}" for key, value in c.check.items()))
        save_comparisons(comparisons, RESULTS)


if __name__ == "__main__":
    main()
