"""Widths of line and point spread functions behind the MTF of edges and wires."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from scipy import integrate, optimize, special
from simulate import Setting, noise

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredEdge, BlurredPoint
from imgtech.qc import Measurement
from imgtech.qc.metrics import slanted_edge_mtf, spread_function, wire_mtf

SPACING = (0.21, 0.19)
LEVELS = {"FWHM": 0.5, "FWTM": 0.1}


def width(spread: Callable[[float], float], level: float, most: float) -> float:
    """Full width of a symmetric function at a level of its height."""
    top = spread(0.0)
    return 2 * float(optimize.brentq(lambda x: spread(x) - level * top, 0.0, most))


def settings() -> Iterator[Setting]:
    yield from lines_of_wires()
    yield from points()
    yield from lines_of_edges()


def lines_of_wires() -> Iterator[Setting]:
    """Along x the line spread function is a Gaussian averaged over a pixel."""
    grid = ImageGrid(shape=(45, 50), spacing_mm=SPACING, center_mm=(1.0, -2.0))
    for sigma, peak, blur in ((0.2, 40.0, 0.0), (0.28, 30.0, 0.7), (0.24, 80.0, 0.0)):
        total = peak * 2 * math.pi * (sigma**2 + math.prod(SPACING) / 12)
        wire = BlurredPoint(position_mm=(1.13, -2.28), sigma_mm=(1.1 * sigma, sigma), total=total)
        clean = wire.image(grid, dtype=np.float64)

        def line(x: float, sigma: float = sigma) -> float:
            half = SPACING[1] / 2
            return float(special.ndtr((x + half) / sigma) - special.ndtr((x - half) / sigma))

        def measure(
            rng: np.random.Generator, clean: np.ndarray = clean, blur: float = blur
        ) -> dict[str, Measurement]:
            mtf = wire_mtf(clean + noise(rng, grid.shape, blur), SPACING, direction_rad=0.0)
            spread = spread_function(mtf)
            return {name: spread.width(level) for name, level in LEVELS.items()}

        yield Setting(
            "line spread of a wire",
            f"sigma {sigma:g} mm, peak {peak:g} of noise, blur {blur:g} px",
            {name: width(line, level, 2.0) for name, level in LEVELS.items()},
            measure,
            of=("spread_function", "SpreadFunction.width"),
        )


def points() -> Iterator[Setting]:
    """The point spread function of the MTF averaged over all directions."""
    grid = ImageGrid(shape=(48, 44), spacing_mm=(0.2, 0.2), center_mm=(1.0, -2.0))
    for sigma, peak, blur in ((0.2, 50.0, 0.0), (0.26, 40.0, 0.8), (0.3, 25.0, 0.0)):
        total = peak * 2 * math.pi * (sigma**2 + 0.04 / 12)
        wire = BlurredPoint(position_mm=(0.87, -1.71), sigma_mm=(sigma, sigma), total=total)
        clean = wire.image(grid, dtype=np.float64)
        f = np.linspace(0, 5.0, 4001)
        transfer = wire.mtf(f, spacing_mm=grid.spacing_mm)

        def point(r: float, f: np.ndarray = f, transfer: np.ndarray = transfer) -> float:
            return float(integrate.simpson(transfer * special.j0(2 * math.pi * f * r) * f, x=f))

        def measure(
            rng: np.random.Generator, clean: np.ndarray = clean, blur: float = blur
        ) -> dict[str, Measurement]:
            mtf = wire_mtf(clean + noise(rng, grid.shape, blur), (0.2, 0.2))
            spread = spread_function(mtf, kind="point")
            return {name: spread.width(level) for name, level in LEVELS.items()}

        yield Setting(
            "point spread of a wire",
            f"sigma {sigma:g} mm, peak {peak:g} of noise, blur {blur:g} px",
            {name: width(point, level, 1.5) for name, level in LEVELS.items()},
            measure,
            of=("spread_function", "SpreadFunction.width"),
        )


def lines_of_edges() -> Iterator[Setting]:
    """Across a slanted edge: the inverse cosine transform of the closed form."""
    for shape, degrees, sigma, spread, blur in (
        ((80, 90), 4.0, 0.2, 2.0, 0.0),
        ((110, 100), 94.0, 0.26, 4.0, 0.0),
        ((120, 90), -7.0, 0.24, 2.5, 0.8),
    ):
        grid = ImageGrid(shape=shape, spacing_mm=(0.2, 0.2), center_mm=(0.0, 0.0))
        edge = BlurredEdge(
            angle_rad=math.radians(degrees), position_mm=0.37, sigma_mm=sigma, low=20.0, high=120.0
        )
        clean = edge.image(grid, dtype=np.float64)
        f = np.linspace(0, 5.0, 4001)
        transfer = edge.mtf(f, spacing_mm=(0.2, 0.2))

        def line(x: float, f: np.ndarray = f, transfer: np.ndarray = transfer) -> float:
            return float(integrate.simpson(transfer * np.cos(2 * math.pi * f * x), x=f))

        def measure(
            rng: np.random.Generator,
            clean: np.ndarray = clean,
            spread: float = spread,
            blur: float = blur,
        ) -> dict[str, Measurement]:
            seen = clean + spread * noise(rng, clean.shape, blur)
            found = spread_function(slanted_edge_mtf(seen, (0.2, 0.2)))
            return {name: found.width(level) for name, level in LEVELS.items()}

        yield Setting(
            "line spread of an edge",
            f"{shape[0]} x {shape[1]} px, {degrees:g} degrees, contrast {100 / spread:g} of noise, "
            f"blur {blur:g} px",
            {name: width(line, level, 2.0) for name, level in LEVELS.items()},
            measure,
            of=("spread_function", "SpreadFunction.width"),
        )
