"""Parallel-beam CT beside ASTRA (CPU), scikit-image and algotom: python benchmarks/ct/parallel.py

One slice of 512 x 512 pixels from 720 views of 512 channels, Shepp-Logan head in closed form. Every answer
is compared with the pixel-averaged truth inside the head before anything is timed; imgtech must not be
further from it than the peer. ASTRA and scikit-image run one thread: they have no CPU code for more; algotom
runs as many as imgtech. At the end both methods of imgtech meet on 2048 x 2048 pixels from 2880 views.
Needs scikit-image, and astra-toolbox and algotom for their parts. Writes benchmarks/results/ct_parallel.json.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
import scipy.fft
import skimage
from skimage.transform import iradon

from imgtech._core.jit import thread_count
from imgtech.bench import Comparison, compare, save_comparisons
from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.phantoms import shepp_logan
from imgtech.recon.ct import Projector, angular_weights, backproject, fbp, ramp_response

try:
    import astra
except ImportError:
    astra = None
try:
    from algotom.rec.reconstruction import fbp_reconstruction
except ImportError:
    fbp_reconstruction = None

N, N_VIEWS, SPACING_MM = 512, 720, 0.7
HEAD = shepp_logan(radius_mm=170.0)
UPDATES = float(N * N * N_VIEWS)
OUTSIDE = "compilation, phantom, geometry objects of the peer"
RESULTS = Path(__file__).resolve().parents[1] / "results" / "ct_parallel.json"


def rms_error(image, grid):
    """Root-mean-square difference to the truth inside the head's circle, relative to the skull."""
    truth = HEAD.image(grid)
    y, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    inside = np.hypot(y, x) < 170.0
    return float(np.sqrt(np.mean((image - truth)[inside] ** 2)) / truth.max())


def closer_than_peer(grid, to_ours=lambda image: image, to_theirs=lambda image: image):
    """A check: imgtech is at most as far from the truth as the peer."""

    def check(ours, theirs):
        figures = {
            "relative rms error, imgtech": rms_error(to_ours(ours), grid),
            "relative rms error, peer": rms_error(to_theirs(theirs), grid),
        }
        assert figures["relative rms error, imgtech"] <= figures["relative rms error, peer"], figures
        return figures

    return check


def beside_skimage() -> Comparison:
    """Whole fbp against iradon, in iradon's geometry: the axis at pixel and channel N // 2."""
    grid = ImageGrid.fft((N, N), spacing_mm=(SPACING_MM, SPACING_MM))
    beam = ParallelBeam.half_turn(
        n_views=N_VIEWS, n_channels=N, channel_spacing_mm=SPACING_MM, detector_offset_mm=-SPACING_MM / 2
    )
    sinogram = HEAD.sinogram(beam)
    theirs, angles_deg = np.ascontiguousarray(sinogram.T), np.rad2deg(beam.angles_rad)
    return compare(
        "filtered back-projection 512^2 x 720",
        ours=lambda: fbp(sinogram, beam, grid),
        peer=lambda: iradon(theirs, angles_deg, filter_name="ramp", interpolation="linear", circle=True),
        peer_name=f"scikit-image {skimage.__version__} iradon",
        check=closer_than_peer(grid, to_theirs=lambda image: np.roll(image[::-1], 1, axis=0) / SPACING_MM),
        excluded=OUTSIDE,
        work=UPDATES,
        work_unit="pixel and view",
    )


def beside_algotom() -> Comparison:
    """Whole fbp under a Hann window against algotom's compiled back-projection on the same threads."""
    grid = ImageGrid.square(N, fov_mm=N * SPACING_MM)
    beam = ParallelBeam.half_turn(n_views=N_VIEWS, n_channels=N, channel_spacing_mm=SPACING_MM)
    sinogram = HEAD.sinogram(beam)
    options = {"filter_name": "hann", "apply_log": False, "gpu": False, "ncore": thread_count()}
    return compare(
        "filtered back-projection, Hann, 512^2 x 720",
        ours=lambda: fbp(sinogram, beam, grid, window="hann"),
        peer=lambda: fbp_reconstruction(sinogram, (N - 1) / 2, angles=beam.angles_rad, **options),
        peer_name=f"algotom {version('algotom')} CPU",
        check=closer_than_peer(grid, to_theirs=lambda image: image[::-1] / SPACING_MM),
        excluded=OUTSIDE,
        work=UPDATES,
        work_unit="pixel and view",
    )


def both_methods(n: int = 2048, n_views: int = 2880) -> Comparison:
    """The Fourier method against the direct one."""
    grid = ImageGrid.square(n, fov_mm=358.4)
    beam = ParallelBeam.half_turn(n_views=n_views, n_channels=n, channel_spacing_mm=358.4 / n)
    sinogram = HEAD.sinogram(beam)

    def check(ours, theirs):
        difference = (ours - theirs) / theirs.max()
        figures = {
            "relative rms difference": float(np.std(difference)),
            "relative largest difference": float(np.abs(difference).max()),
        }
        assert figures["relative rms difference"] < 1e-3, figures
        return figures

    return compare(
        f"filtered back-projection {n}^2 x {n_views}",
        ours=lambda: fbp(sinogram, beam, grid),
        peer=lambda: fbp(sinogram, beam, grid, method="direct"),
        peer_name='imgtech, method="direct"',
        check=check,
        excluded=OUTSIDE,
        rounds=3,
        work=float(n * n * n_views),
        work_unit="pixel and view",
    )


def beside_astra() -> list[Comparison]:
    """Back-projection, whole FBP and the projector pair against ASTRA's linear CPU projector."""
    grid = ImageGrid.square(N, fov_mm=N * SPACING_MM)
    beam = ParallelBeam.half_turn(n_views=N_VIEWS, n_channels=N, channel_spacing_mm=SPACING_MM)
    sinogram, head = HEAD.sinogram(beam), HEAD.image(grid)
    n_fft = 2 * N
    spectrum = scipy.fft.rfft(sinogram, n_fft) * ramp_response(n_fft, SPACING_MM)
    filtered = scipy.fft.irfft(spectrum, n_fft)[:, :N] * angular_weights(beam.angles_rad)[:, None]
    filtered = np.ascontiguousarray(filtered, dtype=np.float32)

    half = N * SPACING_MM / 2
    volume = astra.create_vol_geom(N, N, -half, half, -half, half)
    rays = astra.create_proj_geom("parallel", SPACING_MM, N, beam.angles_rad)
    linear = astra.create_projector("linear", rays, volume)
    image_id = astra.data2d.create("-vol", volume)
    head_id = astra.data2d.create("-vol", volume, np.ascontiguousarray(head[::-1]))
    out_id = astra.data2d.create("-sino", rays)

    def algorithm(kind, **fields):
        config = astra.astra_dict(kind) | {"ProjectorId": linear} | fields
        return astra.algorithm.create(config)

    def on_image(kind, data, **fields):
        data_id = astra.data2d.create("-sino", rays, data)
        made = algorithm(kind, ProjectionDataId=data_id, ReconstructionDataId=image_id, **fields)

        def call():
            astra.algorithm.run(made)
            return astra.data2d.get(image_id)

        return call

    stack = np.stack([(1.0 + 0.1 * i) * sinogram for i in range(8)])

    def slice_by_slice():
        images = []
        for data in stack:
            call = on_image("FBP", data, FilterType="ram-lak")
            images.append(call().copy())
        return np.stack(images)

    def stacks_agree(ours, theirs):
        return closer_than_peer(grid, to_theirs=lambda image: image[::-1])(ours[0], theirs[0])

    forward = algorithm("FP", ProjectionDataId=out_id, VolumeDataId=head_id)

    def project():
        astra.algorithm.run(forward)
        return astra.data2d.get(out_id)

    def sinograms_agree(ours, theirs):
        figures = {
            "relative rms error, imgtech": float(np.std(ours - sinogram) / sinogram.max()),
            "relative rms error, peer": float(np.std(theirs - sinogram) / sinogram.max()),
        }
        assert figures["relative rms error, imgtech"] < 2e-3, figures
        return figures

    def images_agree(ours, theirs):
        figures = {"relative rms difference": float(np.std(ours - theirs[::-1]) / theirs.max())}
        assert figures["relative rms difference"] < 5e-3, figures
        return figures

    name = f"ASTRA {astra.__version__} CPU linear"
    common = {"excluded": OUTSIDE, "work": UPDATES, "work_unit": "pixel and view"}
    operator = Projector(beam, grid)
    per_pixel = SPACING_MM  # ASTRA's BP weighs by the ray length per pixel, spacing^2 / spacing
    return [
        compare(
            "back-projection 512^2 x 720",
            ours=lambda: backproject(filtered, beam, grid),
            peer=on_image("BP", filtered),
            peer_name=f"{name} BP",
            check=closer_than_peer(grid, to_theirs=lambda image: image[::-1] / per_pixel),
            **common,
        ),
        compare(
            "filtered back-projection 512^2 x 720",
            ours=lambda: fbp(sinogram, beam, grid),
            peer=on_image("FBP", sinogram, FilterType="ram-lak"),
            peer_name=f"{name} FBP",
            check=closer_than_peer(grid, to_theirs=lambda image: image[::-1]),
            **common,
        ),
        compare(
            "8 slices, filtered back-projection 512^2 x 720",
            ours=lambda: fbp(stack, beam, grid),
            peer=slice_by_slice,
            peer_name=f"{name} FBP",
            check=stacks_agree,
            rounds=3,
            **common | {"work": len(stack) * UPDATES},
        ),
        compare(
            "matched forward projection 512^2 x 720",
            ours=lambda: operator.forward(head),
            peer=project,
            peer_name=f"{name} FP",
            check=sinograms_agree,
            **common,
        ),
        compare(
            "matched adjoint 512^2 x 720",
            ours=lambda: operator.adjoint(sinogram),
            peer=on_image("BP", sinogram),
            peer_name=f"{name} BP",
            check=images_agree,
            **common,
        ),
    ]


def main() -> None:
    """Run, print a table, save the record."""
    comparisons = [both_methods(), beside_skimage()]
    if fbp_reconstruction is None:
        print("algotom is not installed: its part is left out")
    else:
        comparisons.append(beside_algotom())
    if astra is None:
        print("astra-toolbox is not installed: its part is left out")
    else:
        comparisons += beside_astra()
    print(
        f"{'what':40} {'peer':32} {'ratio':>7} {'min':>6} {'max':>6} {'imgtech':>10} {'GUPS':>6} {'peer':>6}"
    )
    for c in comparisons:
        low, high = c.ratio_range
        rate = c.rate / 1e9
        print(
            f"{c.name:40} {c.peer:32} {c.ratio:7.1f} {low:6.1f} {high:6.1f} "
            f"{np.median(c.ours_s) * 1e3:7.1f} ms {rate:6.2f} {rate / c.ratio:6.3f}"
        )
        print("   checked:", ", ".join(f"{key} {value:.2e}" for key, value in c.check.items()))
    save_comparisons(comparisons, RESULTS)


if __name__ == "__main__":
    main()
