"""Ultrasound of the demo: wires and a cyst in speckle, plane waves, delay-and-sum."""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np
import numpy.typing as npt

from imgtech.cli._demo.repeats import circle, type_a
from imgtech.geometry import ImageGrid, LinearArray, PlaneWaves
from imgtech.phantoms import GaussianPulse, Scatterers, speckle, wires
from imgtech.qc import Measurement, Outline, Picture
from imgtech.recon.ultrasound import delay_and_sum, envelope, log_compress, rf_to_iq
from imgtech.report import Checked, Curve, Plot, Section, line_plot

PROBE = LinearArray(n_elements=128, pitch_mm=0.3)
PULSE = GaussianPulse(center_hz=5e6, fractional_bandwidth=0.6)
WAVES = PlaneWaves.from_degrees([-7.0, 0.0, 7.0], sampling_hz=20e6, start_s=8e-6, pulse_delay_s=0.5e-6)
DEPTHS_MM, LATERAL_MM = (14.0, 19.0, 24.0, 29.0, 34.0), (-11.3,)
CYST_MM = (24.0, 5.0, 5.0)
N_SAMPLES, DYNAMIC_RANGE_DB, F_NUMBER = 900, 55.0, 2.0
SPECKLE_SNR = math.sqrt(math.pi / (4 - math.pi))  # mean over standard deviation of a Rayleigh distribution
GRID = ImageGrid(shape=(290, 340), spacing_mm=(0.1, 0.1), center_mm=(24.5, 0.0))


def section(rng: np.random.Generator) -> Section:
    """Simulate, beamform and measure."""
    points = wires(depths_mm=DEPTHS_MM, lateral_mm=LATERAL_MM, amplitude=20.0)
    tissue = _tissue(rng)
    picture, seconds = _beamform(_with_noise(points + tissue, rng), GRID)
    places = [_wire(points, i, rng) for i in range(len(DEPTHS_MM))]
    rows = (
        Checked(
            measurement=_place_error("depth error of the wires", [p[0] for p in places]),
            truth=0.0,
            origin="places of the wires",
        ),
        Checked(
            measurement=_place_error("lateral error of the wires", [p[1] for p in places]),
            truth=0.0,
            origin="places of the wires",
        ),
        Checked(
            measurement=type_a("speckle SNR", _speckle_blocks(picture), "1", "block-ratio-1"),
            truth=SPECKLE_SNR,
            origin="Rayleigh distribution, many scatterers a cell",
        ),
    )
    decibels = log_compress(picture, dynamic_range_db=DYNAMIC_RANGE_DB)
    return Section(
        title="Ultrasound",
        lead=(
            "Every scatterer sends a Gaussian pulse back to every element at its exact time of flight. Three "
            "plane waves are beamformed by delay-and-sum on IQ data and compounded."
        ),
        facts=(
            (
                "Raw data",
                f"{WAVES.n_transmits} plane waves x {PROBE.n_elements} elements x {N_SAMPLES} samples",
            ),
            ("Scatterers", f"{tissue.n_scatterers + points.n_scatterers}"),
            ("Image", f"{GRID.shape[0]} x {GRID.shape[1]} pixels of 0.1 mm"),
            ("Beamforming", f"{1e3 * seconds:.0f} ms"),
        ),
        pictures=(
            Picture(
                title=f"B-mode, {DYNAMIC_RANGE_DB:.0f} dB, wires on the left, a cyst on the right",
                pixels=decibels,
                outlines=(*(_mark(z, x, 1.2, "") for z, x in points.positions_mm), _mark(*CYST_MM, "cyst")),
            ),
        ),
        plots=(_point_spread(points),),
        rows=rows,
    )


def _tissue(rng: np.random.Generator) -> Scatterers:
    """Speckle right of the wires, around the cyst; equal strengths, so that few points a cell are enough."""
    drawn = speckle(((11.5, 37.5), (-7.0, 16.5)), density_per_mm2=60.0, rng=rng, cysts_mm=[CYST_MM])
    return Scatterers(drawn.positions_mm, np.sign(drawn.amplitudes))


def _with_noise(scatterers: Scatterers, rng: np.random.Generator) -> npt.NDArray[np.floating]:
    rf = scatterers.echoes(PROBE, WAVES, pulse=PULSE, n_samples=N_SAMPLES)
    return np.asarray(rf + rng.normal(scale=0.3, size=rf.shape).astype(np.float32))


def _beamform(rf: npt.NDArray[np.floating], grid: ImageGrid) -> tuple[npt.NDArray[np.floating], float]:
    iq = rf_to_iq(rf, WAVES, center_hz=PULSE.center_hz)
    seconds = math.inf
    for _ in range(2):
        start = time.perf_counter()
        image = delay_and_sum(
            iq, PROBE, WAVES, grid, f_number=F_NUMBER, window="hann", center_hz=PULSE.center_hz
        )
        seconds = min(seconds, time.perf_counter() - start)
    return envelope(image), seconds


def _wire(points: Scatterers, number: int, rng: np.random.Generator) -> tuple[float, float]:
    """Error in depth and across of one wire's peak, by a parabola through the three highest samples."""
    z, x = points.positions_mm[number]
    fine = ImageGrid(shape=(121, 121), spacing_mm=(0.02, 0.02), center_mm=(z + 0.003, x - 0.004))
    alone = Scatterers(points.positions_mm[number : number + 1], points.amplitudes[number : number + 1])
    image, _ = _beamform(_with_noise(alone, rng), fine)
    row, column = np.unravel_index(np.argmax(image), image.shape)
    places = (
        (fine.coordinates_mm[0], image[:, column], int(row), z),
        (fine.coordinates_mm[1], image[row], int(column), x),
    )
    down, across = (_parabola(values, i) * 0.02 + axis[i] - truth for axis, values, i, truth in places)
    return float(down), float(across)


def _place_error(name: str, errors: list[float]) -> Measurement:
    """Mean error; interpolating between samples may move a peak by 1 % of a wavelength (GUM 4.3.7)."""
    found = type_a(name, errors, "mm", "envelope-peak-1")
    wavelength_mm = 1540e3 / PULSE.center_hz
    spread = math.hypot(found.uncertainty or 0.0, 0.01 * wavelength_mm / math.sqrt(3))
    return dataclasses.replace(found, uncertainty=spread, degrees_of_freedom=math.inf)


def _parabola(values: npt.NDArray[np.floating], i: int) -> float:
    """Where between the samples the peak lies, in samples from sample i."""
    left, middle, right = (float(v) for v in values[i - 4 : i + 5 : 4])
    return 4 * 0.5 * (left - right) / (left - 2 * middle + right)


def _speckle_blocks(image: npt.NDArray[np.floating]) -> list[float]:
    """Mean over standard deviation in blocks of 4 mm, right of the wires and off the cyst.

    The aperture grows with depth and the image with it; a parabola through the mean of each depth right
    of the cyst takes that out.
    """
    z, x = GRID.coordinates_mm
    depth = (z > 13.0) & (z < 36.0)
    gain = np.polyval(np.polyfit(z[depth], image[np.ix_(depth, (x > 11) & (x < 15))].mean(1), 2), z)
    flat = image / gain[:, None]
    ratios = []
    for top in np.arange(13.0, 33.0, 4.0):
        for left in np.arange(-5.5, 12.0, 4.0):
            distance = math.hypot(top + 2 - CYST_MM[0], left + 2 - CYST_MM[1])
            if distance > CYST_MM[2] + 3.5:
                block = flat[np.ix_((z >= top) & (z < top + 4), (x >= left) & (x < left + 4))]
                ratios.append(float(block.mean() / block.std()))
    return ratios


def _point_spread(points: Scatterers) -> Plot:
    z, x = points.positions_mm[2]
    alone = Scatterers(np.array([[z, x]]), np.array([1.0]))
    depths = np.linspace(-1.2, 1.2, 241)
    grid = ImageGrid(shape=(241, 5), spacing_mm=(0.01, 0.01), center_mm=(z, x))
    image, _ = _beamform(alone.echoes(PROBE, WAVES, pulse=PULSE, n_samples=N_SAMPLES), grid)
    found = image[:, 2] / image[:, 2].max()
    pulse = np.exp(-0.5 * (2 * depths / (1540e3 * PULSE.sigma_s)) ** 2)
    svg = line_plot(
        [
            Curve(label="wire", x=depths, y=found),
            Curve(label="pulse alone", x=depths, y=pulse, dashed=True),
        ],
        x_label="depth from the wire / mm",
        y_label="amplitude",
        y_range=(0.0, 1.05),
    )
    return Plot(svg=svg, caption="A wire along depth and the pulse that made it")


def _mark(z: float, x: float, radius_mm: float, label: str) -> Outline:
    assert GRID.center_mm is not None
    row = (z - GRID.center_mm[0]) / GRID.spacing_mm[0] + (GRID.shape[0] - 1) / 2
    column = (x - GRID.center_mm[1]) / GRID.spacing_mm[1] + (GRID.shape[1] - 1) / 2
    return circle(row, column, radius_mm / GRID.spacing_mm[0], label)
