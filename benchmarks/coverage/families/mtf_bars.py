"""Bar patterns: modulation, contrast, the curves of Droege and Morin and of Coltman, gamma camera bars."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from simulate import Setting, noise

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredBars, BlurredEdge
from imgtech.qc import Measurement, Source
from imgtech.qc.metrics import bar_contrast, bar_modulation, bar_mtf, coltman_mtf, droege_morin_mtf
from imgtech.qc.roi import rectangle_region

SPACING = (0.21, 0.19)
FREQUENCIES = np.array([0.2, 0.35, 0.5, 0.7, 0.9, 1.1, 1.4])


def settings() -> Iterator[Setting]:
    yield from bars()
    yield from coltman()
    yield from counts()


def bars() -> Iterator[Setting]:
    """Groups of bars at an angle, a plain region, and two blocks of both materials."""
    grid = ImageGrid(shape=(70, 90), spacing_mm=SPACING, center_mm=(0.3, -0.2))
    shape = (70, 180)
    plain, blocks = np.zeros(shape), np.zeros((2, *shape))
    plain[:, 95:175] = 1
    blocks[0, :, 2:40], blocks[1, :, 50:88] = 1, 1
    for angle, sigma, step, spread, blur in (
        (0.25, 0.22, 100.0, 2.0, 0.0),
        (1.1, 0.25, -60.0, 2.0, 0.8),
        (0.15, 0.30, 80.0, 4.0, 0.5),
    ):
        groups = []
        for f in FREQUENCIES:
            periods = max(int(8 * f), 1)
            pattern = BlurredBars(
                angle_rad=angle,
                period_mm=1 / f,
                n_bars=int(30 * f) + 5,
                low=50.0,
                high=50.0 + step,
                sigma_mm=sigma,
            )
            region = rectangle_region(
                grid, center_mm=(0.3, -0.2), size_mm=(5.0, periods / f), angle_rad=angle
            )
            image, where = np.full(shape, 50.0), np.zeros(shape)
            image[:, :90], where[:, :90] = pattern.image(grid, dtype=np.float64), region
            groups.append((image, where))
        materials = np.full(shape, 50.0)
        materials[:, :45] += step
        edge = BlurredEdge(angle_rad=angle, sigma_mm=sigma)
        transfer = edge.mtf(FREQUENCIES, spacing_mm=SPACING)
        harmonics = np.arange(1, 40, 2)
        passed = edge.mtf(FREQUENCIES[2] * harmonics, spacing_mm=SPACING) / harmonics
        about = f"angle {angle:g} rad, sigma {sigma:g} mm, CNR {abs(step) / spread:g}, blur {blur:g} px"

        def contrast(
            rng: np.random.Generator,
            materials: np.ndarray = materials,
            spread: float = spread,
            blur: float = blur,
        ) -> Measurement:
            return bar_contrast(materials + spread * noise(rng, shape, blur), blocks[0], blocks[1])

        def modulation(
            rng: np.random.Generator,
            group: tuple[np.ndarray, np.ndarray] = groups[2],
            spread: float = spread,
            blur: float = blur,
        ) -> Measurement:
            return bar_modulation(group[0] + spread * noise(rng, shape, blur), group[1], plain)

        def curve(
            rng: np.random.Generator, groups=groups, contrast=contrast, modulation=modulation
        ) -> dict[str, Measurement]:
            found = [modulation(rng, group=group) for group in groups]
            m = droege_morin_mtf(FREQUENCIES, found, contrast(rng))
            return {"MTF50": m.at(0.5), "MTF at 0.5 per mm": m.at_frequency(0.5)}

        yield Setting("bar contrast", about, step, contrast, of=("bar_contrast",))
        yield Setting(
            "bar modulation",
            about,
            abs(step) * math.sqrt(2) / math.pi * float(np.hypot.reduce(passed)),
            modulation,
            of=("bar_modulation",),
        )
        fine = np.linspace(0.01, 2, 20001)
        half = float(np.interp(-0.5, -edge.mtf(fine, spacing_mm=SPACING), fine))
        yield Setting(
            "bars",
            about,
            {"MTF50": half, "MTF at 0.5 per mm": float(transfer[2])},
            curve,
            of=("droege_morin_mtf", "MTF.at", "MTF.at_frequency"),
        )


def coltman() -> Iterator[Setting]:
    """Square wave responses with noise of their own."""
    for n, sigma, spread in ((10, 0.25, 0.01), (16, 0.2, 0.02), (8, 0.3, 0.005)):
        f = np.linspace(0.15, 1.4, n)
        k = np.arange(1, 200, 2)[:, None]
        gauss = np.exp(-2 * (np.pi * sigma * k * f) ** 2)
        response = 4 / np.pi * np.sum((-1.0) ** ((k - 1) // 2) * gauss / k, axis=0)

        def once(
            rng: np.random.Generator,
            f: np.ndarray = f,
            response: np.ndarray = response,
            spread: float = spread,
        ) -> Measurement:
            seen = response + spread * rng.standard_normal(len(f))
            return coltman_mtf(f, [_known(c, spread) for c in seen]).at(0.5)

        truth = math.sqrt(math.log(2) / 2) / (np.pi * sigma)
        yield Setting(
            "square waves, MTF50",
            f"{n} patterns, sigma {sigma:g} mm, response known to {spread:g}",
            truth,
            once,
            of=("coltman_mtf", "MTF.at"),
        )


def counts() -> Iterator[Setting]:
    """Sinusoidal counts: modulation and width are those of the formula, whatever the bars."""
    for shape, width, modulation, mean in (
        ((60, 70), 3.2, 0.5, 300.0),
        ((90, 80), 4.1, 0.25, 900.0),
        ((70, 110), 2.5, 0.7, 120.0),
    ):
        grid = ImageGrid(shape=shape, spacing_mm=(0.62, 0.55))
        y, x = grid.coordinates_mm
        phase = np.pi / width * (x * math.cos(0.3) + y[:, None] * math.sin(0.3))
        level = mean * (1 + modulation * np.sin(phase))

        def once(
            rng: np.random.Generator, level: np.ndarray = level, width: float = width
        ) -> dict[str, Measurement]:
            m = bar_mtf(
                rng.poisson(level).astype(float), np.ones(level.shape), (0.62, 0.55), bar_width_mm=width
            )
            return {"MTF": m[0], "FWHM": m[1]}

        spread = width * math.sqrt(16 * math.log(2) / math.pi**2 * math.log(1 / modulation))
        yield Setting(
            "gamma camera bars",
            f"{shape[0]} x {shape[1]} px, modulation {modulation:g}, {mean:g} counts",
            {"MTF": modulation, "FWHM": spread},
            once,
            of=("bar_mtf",),
        )


def _known(value: float, spread: float) -> Measurement:
    return Measurement(
        name="response",
        value=float(value),
        uncertainty=spread,
        definition=Source(document="JCGM 100", edition="2008", clause="4.2.3"),
        algorithm="study-1",
    )
