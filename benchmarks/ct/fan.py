"""Fan-beam FBP beside ODL on ASTRA's CPU code: python benchmarks/ct/fan.py

One slice of 512 x 512 pixels from 720 views of 735 channels, flat detector, Shepp-Logan head in
closed form, Hann window. Both answers are compared with the pixel-averaged truth inside the head before
anything is timed; imgtech must not be further from it. ASTRA's CPU code has no more than one thread.
Needs odl and astra-toolbox. Writes benchmarks/results/ct_fan.json.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import odl

from imgtech.bench import Comparison, compare, save_comparisons
from imgtech.geometry import FanBeam, ImageGrid
from imgtech.phantoms import shepp_logan
from imgtech.recon.ct import fbp

N, N_VIEWS, N_CHANNELS = 512, 720, 735
HEAD = shepp_logan(radius_mm=170.0)
RESULTS = Path(__file__).resolve().parents[1] / "results" / "ct_fan.json"


def rms_error(image, grid):
    """Root-mean-square difference to the truth inside the head's circle, relative to the skull."""
    truth = HEAD.image(grid)
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    inside = np.hypot(y, x) < 170.0
    return float(np.sqrt(np.mean((image - truth)[inside] ** 2)) / truth.max())


def beside_odl() -> Comparison:
    """Whole fbp of a flat fan over a full turn against ODL's FBP operator."""
    grid = ImageGrid.square(N, fov_mm=350.0)
    beam = FanBeam.full_turn(
        source_axis_mm=600.0,
        source_detector_mm=1000.0,
        n_views=N_VIEWS,
        n_channels=N_CHANNELS,
        channel_spacing_mm=1.0,
        start_rad=np.pi / N_VIEWS,  # ODL's angles are the middles of its intervals
    )
    sinogram = HEAD.sinogram(beam)
    space = odl.uniform_discr([-175.0] * 2, [175.0] * 2, [N] * 2, dtype="float32")
    angles = odl.uniform_partition(0, 2 * np.pi, N_VIEWS)
    channels = odl.uniform_partition(-N_CHANNELS / 2, N_CHANNELS / 2, N_CHANNELS)
    geometry = odl.applications.tomo.FanBeamGeometry(angles, channels, src_radius=600.0, det_radius=400.0)
    rays = odl.applications.tomo.RayTransform(space, geometry, impl="astra_cpu")
    theirs = odl.applications.tomo.fbp_op(rays, padding=True, filter_type="Hann")
    data = rays.range.element(sinogram)

    def check(ours, peer):
        figures = {
            "relative rms error, imgtech": rms_error(ours, grid),
            "relative rms error, peer": rms_error(np.asarray(peer.asarray()).T, grid),
        }
        assert figures["relative rms error, imgtech"] <= figures["relative rms error, peer"] < 0.1, figures
        return figures

    return compare(
        f"flat fan, filtered back-projection {N}^2 x {N_VIEWS}",
        ours=lambda: fbp(sinogram, beam, grid, window="hann"),
        peer=lambda: theirs(data),
        peer_name=f"ODL {odl.__version__} on ASTRA CPU",
        check=check,
        excluded="compilation, phantom, geometry and filter objects of the peer",
        work=float(N * N * N_VIEWS),
        work_unit="pixel and view",
    )


def main() -> None:
    """Run, print, save the record."""
    comparison = beside_odl()
    low, high = comparison.ratio_range
    ours, theirs = comparison.medians
    print(
        f"{comparison.name}: {comparison.ratio:.1f} ({low:.1f}-{high:.1f}), {ours:.4f} s and {theirs:.3f} s"
    )
    print("   checked:", ", ".join(f"{key} {value:.2e}" for key, value in comparison.check.items()))
    save_comparisons([comparison], RESULTS)


if __name__ == "__main__":
    main()
