"""CT of the demo: a head and a sensitometry phantom, photon noise, filtered back-projection."""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np
import numpy.typing as npt

from imgtech.cli._demo.repeats import circle, type_a
from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.phantoms import (
    Phantom,
    contrast_rods,
    poisson_transmission,
    shepp_logan,
    slanted_edge,
)
from imgtech.qc import Picture
from imgtech.qc.metrics import slanted_edge_mtf
from imgtech.qc.roi import disk_region, region_mean
from imgtech.recon.ct import fbp, to_hounsfield, window_response
from imgtech.report import Checked, Curve, Plot, Section, line_plot

WATER_PER_MM = 0.02059  # 60 keV, NIST SRD 126
INSERTS_HU = {"air": -1000.0, "polyethylene": -100.0, "acrylic": 120.0, "Delrin": 340.0, "Teflon": 950.0}
RING_MM, ROD_MM, START_RAD, CENTER_MM = 58.0, 14.0, 0.3, (6.0, -4.0)
PHOTONS, REPEATS, WINDOW = 1e6, 8, "hann"
N_VIEWS, N_CHANNELS, CHANNEL_MM = 720, 735, 0.35


def section(rng: np.random.Generator) -> Section:
    """Simulate, reconstruct and measure."""
    beam = ParallelBeam.half_turn(n_views=N_VIEWS, n_channels=N_CHANNELS, channel_spacing_mm=CHANNEL_MM)
    grid = ImageGrid.square(512, fov_mm=240.0)
    head = to_hounsfield(
        fbp(_noisy(shepp_logan(radius_mm=115.0), beam, rng), beam, grid, window=WINDOW),
        water_per_mm=WATER_PER_MM,
    )
    rods = _sensitometry()
    scans, seconds = [], []
    for _ in range(REPEATS):
        sinogram = _noisy(rods, beam, rng)
        start = time.perf_counter()
        image = fbp(sinogram, beam, grid, window=WINDOW)
        seconds.append(time.perf_counter() - start)
        scans.append(to_hounsfield(image, water_per_mm=WATER_PER_MM))
    places = {"water": CENTER_MM, **_rod_places()}
    truths = {"water": 0.0, **INSERTS_HU}
    rows = [
        Checked(
            measurement=type_a(
                f"CT number of {name}",
                [
                    region_mean(scan, disk_region(grid, center_mm=places[name], radius_mm=9.0))
                    for scan in scans
                ],
                "HU",
                "region-mean-repeats-1",
            ),
            truth=truths[name],
            origin="value of the phantom",
        )
        for name in truths
    ]
    sharpness, plot = _sharpness(rng)
    pixel = grid.spacing_mm[0]
    outlines = tuple(
        circle((y / pixel) + 255.5, (x / pixel) + 255.5, 9.0 / pixel, name) for name, (y, x) in places.items()
    )
    return Section(
        title="Computed tomography",
        lead=(
            "Line integrals of ellipses are known exactly. A photon-counting detector sees them with Poisson "
            "noise; filtered back-projection turns them into CT numbers."
        ),
        facts=(
            ("Raw data", f"{N_VIEWS} views x {N_CHANNELS} channels, {PHOTONS:.0e} photons a channel"),
            ("Image", f"512 x 512 pixels of {pixel:.3f} mm"),
            ("Filtered back-projection", f"{1e3 * min(seconds):.0f} ms (best of {REPEATS})"),
        ),
        pictures=(
            Picture(title="Shepp-Logan head, window -60 to 100 HU", pixels=head, window=(-60.0, 100.0)),
            Picture(title="Sensitometry inserts and the regions measured", pixels=scans[0], outlines=outlines,
                    window=(-1050.0, 1050.0)),
        ),
        plots=(plot,),
        rows=(*rows, sharpness),
    )  # fmt: skip


def _noisy(phantom: Phantom, beam: ParallelBeam, rng: np.random.Generator) -> npt.NDArray[np.floating]:
    return poisson_transmission(phantom.sinogram(beam), photons_per_channel=PHOTONS, rng=rng)


def _sensitometry() -> Phantom:
    return contrast_rods(
        radius_mm=92.0,
        rod_radii_mm=[ROD_MM] * len(INSERTS_HU),
        rod_contrasts=[WATER_PER_MM * hu / 1000 for hu in INSERTS_HU.values()],
        ring_radius_mm=RING_MM,
        value=WATER_PER_MM,
        start_rad=START_RAD,
        center_mm=CENTER_MM,
    )


def _rod_places() -> dict[str, tuple[float, float]]:
    angles = [START_RAD + 2 * math.pi * i / len(INSERTS_HU) for i in range(len(INSERTS_HU))]
    return {
        name: (CENTER_MM[0] + RING_MM * math.sin(a), CENTER_MM[1] + RING_MM * math.cos(a))
        for name, a in zip(INSERTS_HU, angles, strict=True)
    }


def _sharpness(rng: np.random.Generator) -> tuple[Checked, Plot]:
    """MTF at a slanted edge of acrylic against the product of all that blurs it.

    Four edges lie a quarter of a channel apart: what sampling folds back differs in sign among them and
    leaves their mean. What stays, its square, is below 0.25 % here and enters the uncertainty as a
    rectangular distribution (GUM 4.3.7).
    """
    step_mm, width_mm, pixel_mm = 0.35, 0.7, 0.3
    beam = dataclasses.replace(
        ParallelBeam.half_turn(n_views=720, n_channels=401, channel_spacing_mm=step_mm),
        channel_width_mm=width_mm,
    )
    grid = ImageGrid(shape=(100, 90), spacing_mm=(pixel_mm, pixel_mm), center_mm=(0.0, -20.0))
    found = []
    for quarter in range(4):
        edge = slanted_edge(
            angle_rad=math.radians(5.0),
            position_mm=-20.0 + quarter * step_mm / 4,
            value=WATER_PER_MM * 1.12,
            size_mm=(80.0, 50.0),
        )
        image = fbp(_noisy(edge, beam, rng), beam, grid, window=WINDOW)
        found.append(slanted_edge_mtf(image, (pixel_mm, pixel_mm)))
    halves = [mtf.at(0.5) for mtf in found]
    value = float(np.mean([m.value for m in halves]))
    noise = math.sqrt(sum(m.uncertainty**2 for m in halves if m.uncertainty)) / len(halves)
    measured = dataclasses.replace(
        halves[0],
        name="sharpness MTF50 of the image",
        value=value,
        uncertainty=math.hypot(noise, 0.0025 * value / math.sqrt(3)),
    )
    f = np.linspace(0.0, 1.0, 101)
    relative = 2 * step_mm * f
    theory = np.sinc(width_mm * f) * window_response(WINDOW, relative)
    mean = np.mean([np.interp(f, mtf.frequencies_per_mm, mtf.values) for mtf in found], axis=0)
    svg = line_plot(
        [Curve(label="slanted edge", x=f, y=mean), Curve(label="theory", x=f, y=theory, dashed=True)],
        x_label="spatial frequency / (1/mm)",
        y_label="MTF",
        y_range=(0.0, 1.05),
    )
    plot = Plot(
        svg=svg, caption=f"Sharpness with channels {width_mm} mm wide every {step_mm} mm and a Hann window"
    )
    expected = float(np.interp(-0.5, -theory, f))
    return Checked(measurement=measured, truth=expected, origin="channel x window"), plot
