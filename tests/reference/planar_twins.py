"""Images of digital planar phantoms at drawn poses, with what a protocol should find in them."""

from __future__ import annotations

import math

import numpy as np

from imgtech.geometry import ImageGrid
from imgtech.io import Series
from imgtech.phantoms.twins import FlatTwin, edge_plate, leeds_tor18, planar_drawing, qc3
from reference.nm_twins import drawn_placement

LEEDS_GRID = ImageGrid(shape=(860, 840), spacing_mm=(0.39, 0.40))
QC3_GRID = ImageGrid(shape=(700, 690), spacing_mm=(0.38, 0.39))
EDGE_GRID = ImageGrid(shape=(1010, 1030), spacing_mm=(0.24, 0.25))
SIGMA_MM = {"leeds": 0.35, "qc3": 0.5, "edge": 0.18}


def one_image(pixels: np.ndarray, grid: ImageGrid, modality: str = "DX") -> Series:
    """One X-ray image as a reader would return it."""
    return Series(
        pixels=np.asarray(pixels)[None],
        spacing_mm=grid.spacing_mm,
        positions_mm=np.zeros(1),
        slice_thickness_mm=None,
        modality=modality,
    )


def seen(twin: FlatTwin, grid: ImageGrid, sigma_mm: float, noise: float, rng, placement) -> np.ndarray:
    """The twin with white noise, in whole numbers times 0.01."""
    image = twin.image(grid, sigma_mm=sigma_mm, placement=placement)
    return image + noise * rng.standard_normal(grid.shape)


def drawn_leeds(rng: np.random.Generator, noise: float) -> tuple[Series, dict[str, float]]:
    """Leeds TOR 18, lead dark or bright."""
    place, sigma = drawn_placement(rng), SIGMA_MM["leeds"]
    twin = leeds_tor18(unit_mm=float(rng.uniform(104.0, 118.0)))
    image = seen(twin, LEEDS_GRID, sigma, noise, rng, place)
    sign = 1.0
    if rng.integers(2):
        image, sign = 65535.0 - image, -1.0
    truth = {"roll": math.degrees(place.roll_rad), "bad pixels": 0.0}
    for k in range(1, 4):
        truth[f"frequency bars {k}"] = twin.facts[f"frequency bars {k}"]
    for k in range(1, len(planar_drawing("leeds").groups) + 1):
        f = twin.facts[f"frequency bars {k}"]
        truth[f"MTF bars {k}"] = math.exp(-2 * (math.pi * sigma * f) ** 2)
    for k in range(1, 19):
        truth[f"SDNR disk {k}"] = sign * twin.facts[f"disk {k}"] / noise
    truth["MTF50 bars"] = math.sqrt(math.log(2) / 2) / math.pi / sigma
    return one_image(image, LEEDS_GRID), truth


def drawn_qc3(rng: np.random.Generator, noise: float) -> tuple[Series, dict[str, float]]:
    """QC-3."""
    place, sigma = drawn_placement(rng), SIGMA_MM["qc3"]
    twin = qc3(unit_mm=float(rng.uniform(28.5, 33.0)))
    series = one_image(seen(twin, QC3_GRID, sigma, noise, rng, place), QC3_GRID, "RTIMAGE")
    truth = {"roll": math.degrees(place.roll_rad), "bad pixels": 0.0}
    for k in range(1, 4):
        truth[f"frequency bars {k}"] = twin.facts[f"frequency bars {k}"]
    for k in range(1, 6):
        f = twin.facts[f"frequency bars {k}"]
        truth[f"MTF bars {k}"] = math.exp(-2 * (math.pi * sigma * f) ** 2)
        truth[f"SDNR patch {k}"] = (twin.facts[f"patch {k}"] - twin.facts["lead"]) / noise
    truth["MTF50 bars"] = math.sqrt(math.log(2) / 2) / math.pi / sigma
    low = min(twin.facts[f"patch {k}"] for k in range(1, 6))
    truth["uniformity"] = 100 * (1 - 2.326348 * noise / low)
    return series, truth


def drawn_edge(rng: np.random.Generator, noise: float) -> tuple[Series, dict[str, float]]:
    """An opaque plate; white noise of a detector that uses every quantum once its blur is taken off."""
    place, sigma, twin = drawn_placement(rng), SIGMA_MM["edge"], edge_plate()
    series = one_image(seen(twin, EDGE_GRID, sigma, noise, rng, place), EDGE_GRID)
    signal, area = twin.facts["open"], math.prod(EDGE_GRID.spacing_mm)
    truth = {"bad pixels": 0.0, "noise": 100 * noise / signal}
    for f in (0.5, 1.0):
        truth[f"NNPS at {f:g} per mm"] = noise**2 * area / signal**2
        truth[f"DQE at {f:g} per mm"] = math.exp(-4 * (math.pi * sigma * f) ** 2)
    for side in ("right", "bottom", "left", "top"):
        for level in (0.5, 0.1):
            truth[f"MTF{100 * level:g} {side} edge"] = math.sqrt(math.log(1 / level) / 2) / math.pi / sigma
    for k in range(1, 4):
        truth[f"contrast disk {k}"] = 100 * twin.facts[f"disk {k}"] / signal
    truth["uniformity"] = 100 * (1 - 2.326348 * noise / signal)
    return series, truth


def edge_quanta(noise: float) -> float:
    """Quanta per mm2 behind which this noise is that of an ideal detector."""
    return (edge_plate().facts["open"] / noise) ** 2 / math.prod(EDGE_GRID.spacing_mm)
