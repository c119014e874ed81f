"""MRI of the demo: a uniform phantom in four coils, thermal noise, Cartesian reconstruction."""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np
import numpy.typing as npt

from imgtech.cli._demo.repeats import circle
from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import CoilSensitivities, complex_gaussian, shepp_logan, uniform_disk
from imgtech.qc import Measurement, Outline, Picture
from imgtech.qc.metrics import diameter, disk_rim, percent_integral_uniformity, snr_two_images
from imgtech.qc.roi import disk_region
from imgtech.recon.mri import cartesian
from imgtech.report import Checked, Curve, Plot, Section, line_plot

N_COILS, SIGMA = 4, 4.0
RADIUS_MM, CENTER_MM = 95.0, (5.0, -7.0)
WINDOW = "hann"


def section(rng: np.random.Generator) -> Section:
    """Simulate, reconstruct and measure."""
    wanted = ImageGrid.fft((256, 256), spacing_mm=(0.98, 0.98))
    acquired = ImageGrid.fft((256, 512), spacing_mm=wanted.spacing_mm)
    coils = CoilSensitivities.ring(n_coils=N_COILS, radius_mm=105.0, start_rad=0.6)
    disk = uniform_disk(radius_mm=RADIUS_MM, center_mm=CENTER_MM)
    trajectory = Trajectory.of_grid(acquired)
    clean = disk.kspace(trajectory, coils)
    head = shepp_logan(radius_mm=110.0, contrast="modified", attenuation_per_mm=1.0)

    def image(kspace: npt.NDArray[np.complexfloating]) -> npt.NDArray[np.floating]:
        return cartesian(
            kspace, spacing_mm=wanted.spacing_mm, window=WINDOW, crop=wanted.shape, combine="rss"
        )

    first, second = (image(complex_gaussian(clean, sigma=SIGMA, rng=rng)) for _ in range(2))
    picture = image(complex_gaussian(head.kspace(trajectory, coils), sigma=SIGMA / 4, rng=rng))
    start = time.perf_counter()
    image(clean)
    seconds = time.perf_counter() - start
    truth = np.sqrt((np.abs(coils.maps(wanted)) ** 2).sum(0)).astype(np.float64)
    region = disk_region(wanted, center_mm=CENTER_MM, radius_mm=80.0)
    rows = (
        _snr(first, second, truth, region, wanted),
        Checked(
            measurement=percent_integral_uniformity(first, wanted, region),
            truth=float(percent_integral_uniformity(truth, wanted, region, noise_corrected=False).value or 0),
            origin="the coils' closed form",
        ),
        *(_diameter(first, wanted, name, angle) for name, angle in (("vertical", 90.0), ("horizontal", 0.0))),
    )
    return Section(
        title="Magnetic resonance",
        lead=(
            "The Fourier transform of an ellipse is a Bessel function, and coil sensitivities that are sums "
            "of waves only shift it: four coils without any grid. The readout is oversampled twofold."
        ),
        facts=(
            ("Raw data", f"{N_COILS} coils x 256 lines x 512 samples, complex Gaussian noise"),
            ("Image", "256 x 256 pixels of 0.98 mm, root sum of squares"),
            ("Reconstruction", f"{1e3 * seconds:.0f} ms"),
        ),
        pictures=(
            Picture(
                title="Shepp-Logan head, window up to half the maximum",
                pixels=picture,
                window=(0.0, float(picture.max()) / 2),
            ),
            Picture(
                title="Uniform phantom in a narrow window: the shading of the coils",
                pixels=first,
                window=(0.85 * float(truth.max()), float(truth.max())),
                outlines=(_drawn(wanted, 80.0, "uniformity, SNR"), _drawn(wanted, RADIUS_MM, "diameter")),
            ),
        ),
        plots=(_profiles(first, truth, wanted),),
        rows=rows,
    )


def _snr(
    first: npt.NDArray[np.floating],
    second: npt.NDArray[np.floating],
    truth: npt.NDArray[np.floating],
    region: npt.NDArray[np.floating],
    grid: ImageGrid,
) -> Checked:
    """Noise of the root sum of squares at high SNR is that of one channel: sigma times the sum's weights."""
    n_y, n_x = grid.shape[0], 2 * grid.shape[1]
    u = [(np.arange(n) - n // 2) / (n / 2) for n in (n_y, n_x)]
    energy = math.prod(float(((0.5 + 0.5 * np.cos(np.pi * axis)) ** 2).sum()) for axis in u)
    cell = 1 / (n_y * n_x * grid.spacing_mm[0] * grid.spacing_mm[1])
    noise = SIGMA * math.sqrt(energy) * cell
    signal = float((truth * region).sum() / region.sum())
    return Checked(
        measurement=snr_two_images(first, second, region),
        truth=signal / noise,
        origin="coils, noise and window",
    )


def _diameter(image: npt.NDArray[np.floating], grid: ImageGrid, name: str, angle_deg: float) -> Checked:
    rim = disk_rim(image, grid, center_mm=CENTER_MM, radius_mm=RADIUS_MM, magnitude=True)
    found: Measurement = diameter(rim, math.radians(angle_deg))
    return Checked(
        measurement=dataclasses.replace(found, name=f"diameter {name}"),
        truth=2 * RADIUS_MM,
        origin="size of the phantom",
    )


def _drawn(grid: ImageGrid, radius_mm: float, label: str) -> Outline:
    pixel = grid.spacing_mm[0]
    return circle(128 + CENTER_MM[0] / pixel, 128 + CENTER_MM[1] / pixel, radius_mm / pixel, label)


def _profiles(image: npt.NDArray[np.floating], truth: npt.NDArray[np.floating], grid: ImageGrid) -> Plot:
    row = round(128 + CENTER_MM[0] / grid.spacing_mm[0])
    x = grid.coordinates_mm[1]
    inside = np.abs(x - CENTER_MM[1]) < RADIUS_MM
    svg = line_plot(
        [
            Curve(label="image", x=x, y=image[row]),
            Curve(label="truth", x=x, y=np.where(inside, truth[row], 0.0), dashed=True),
        ],
        x_label="x / mm",
        y_label="signal",
        y_range=(0.0, 1.4 * float(truth.max())),
    )
    return Plot(svg=svg, caption="One row through the middle: image and closed form")
