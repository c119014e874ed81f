"""Ultrasound: speckle of known resolution, lesions, wires, fading echoes and uneven elements."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import ndimage
from simulate import Setting

from imgtech.geometry import ImageGrid
from imgtech.phantoms import speckle_field
from imgtech.qc import Measurement
from imgtech.qc.metrics.ultrasound import (
    PointTarget,
    column_levels,
    distance_error,
    element_levels,
    gcnr,
    lesion_cnr,
    lesion_contrast,
    penetration_depth,
    penetration_depth_by_correlation,
    point_target,
    speckle_snr,
)

CELLS = ((0.0, 0.0), (0.3, 0.6), (0.45, 1.3))


def settings() -> Iterator[Setting]:
    yield from lesions()
    yield from points()
    yield from penetration()
    yield from elements()


def overlap(ratio: float) -> float:
    """gCNR of two Rayleigh envelopes whose powers have this ratio."""
    if ratio == 1:
        return 0.0
    edge = ratio * math.log(ratio) / (ratio - 1)
    return abs(math.exp(-edge / ratio) - math.exp(-edge))


def lesions() -> Iterator[Setting]:
    """Two halves of an image with speckle of different power."""
    for size, fwhm, ratio in (
        (40, CELLS[0], 1.0),
        (90, CELLS[1], 0.25),
        (110, CELLS[2], 0.05),
    ):
        grid = ImageGrid(shape=(size, 2 * size + 10), spacing_mm=(0.1, 0.15), center_mm=(20.0, 1.0))
        left = np.zeros(grid.shape)
        left[:, : size + 3] = 1
        right = 1 - left

        def image(
            rng: np.random.Generator,
            grid: ImageGrid = grid,
            fwhm: tuple[float, float] = fwhm,
            ratio: float = ratio,
            left: np.ndarray = left,
        ) -> np.ndarray:
            dark, bright = (speckle_field(grid, fwhm_mm=fwhm, rng=rng) for _ in range(2))
            return np.abs(np.where(left > 0, math.sqrt(ratio) * dark, bright))

        about = f"{size} px, cells {fwhm[0]:g} x {fwhm[1]:g} mm, {10 * math.log10(ratio):.0f} dB"
        yield Setting(
            "lesion contrast",
            about,
            10 * math.log10(ratio),
            lambda rng, image=image, a=left, b=right: lesion_contrast(image(rng), a, b),
            of=("ultrasound.lesion_contrast",),
        )
        yield Setting(
            "speckle SNR",
            about,
            math.sqrt(math.pi / (4 - math.pi)),
            lambda rng, image=image, b=right: speckle_snr(image(rng), b),
            of=("ultrasound.speckle_snr",),
        )
        if ratio == 1:
            continue
        means = (1 - math.sqrt(ratio)) * math.sqrt(math.pi / 4)
        yield Setting(
            "lesion CNR, amplitude",
            about,
            means / math.sqrt((1 + ratio) * (1 - math.pi / 4)),
            lambda rng, image=image, a=left, b=right: lesion_cnr(image(rng), a, b),
            of=("ultrasound.lesion_cnr",),
        )
        yield Setting(
            "lesion CNR, power",
            about,
            (1 - ratio) / math.sqrt(1 + ratio**2),
            lambda rng, image=image, a=left, b=right: lesion_cnr(image(rng), a, b, scale="power"),
            of=("ultrasound.lesion_cnr",),
        )
    for size, fwhm, ratio in (
        ((10, 10), CELLS[0], 1.0),
        ((30, 34), CELLS[0], 1.0),
        ((100, 100), CELLS[0], 1.0),
        ((60, 70), CELLS[1], 1.0),
        ((100, 100), CELLS[2], 1.0),
        ((12, 15), CELLS[0], 0.3),
        ((60, 70), CELLS[1], 0.5),
        ((60, 70), CELLS[1], 0.1),
        ((100, 120), CELLS[2], 0.01),
    ):
        grid = ImageGrid(shape=size, spacing_mm=(0.1, 0.15))
        first = np.zeros((size[0], 2 * size[1]))
        first[:, : size[1]] = 1

        def once(
            rng: np.random.Generator,
            grid: ImageGrid = grid,
            fwhm: tuple[float, float] = fwhm,
            ratio: float = ratio,
            first: np.ndarray = first,
        ) -> Measurement:
            dark, bright = (np.abs(speckle_field(grid, fwhm_mm=fwhm, rng=rng)) for _ in range(2))
            return gcnr(np.concatenate([math.sqrt(ratio) * dark, bright], axis=1), first, 1 - first)

        about = f"{size[0] * size[1]} px, cells {fwhm[0]:g} x {fwhm[1]:g} mm, {10 * math.log10(ratio):.0f} dB"
        yield Setting("gCNR", about, overlap(ratio), once, of=("ultrasound.gcnr",))


def points() -> Iterator[Setting]:
    """Gaussian echoes in speckle of the same resolution, or in white noise."""
    for decibels, fwhm, background, level in (
        (30.0, (0.4, 0.9), (0.4, 0.9), -6.0),
        (36.0, (0.5, 1.4), (0.0, 0.0), -6.0),
        (46.0, (0.35, 0.8), (0.35, 0.8), -20.0),
    ):
        grid = ImageGrid(shape=(110, 100), spacing_mm=(0.05, 0.1), center_mm=(30.0, -2.0))
        y, x = grid.coordinates_mm[0][:, None] - 30.131, grid.coordinates_mm[1] + 1.87
        point = np.exp(-4 * math.log(2) * ((y / fwhm[0]) ** 2 + (x / fwhm[1]) ** 2))

        def target(
            rng: np.random.Generator,
            point: np.ndarray = point,
            grid: ImageGrid = grid,
            background: tuple[float, float] = background,
            decibels: float = decibels,
            level: float = level,
        ) -> PointTarget:
            field = 10 ** (-decibels / 20) * speckle_field(grid, fwhm_mm=background, rng=rng)
            return point_target(
                np.abs(point + field), grid, near_mm=(30.0, -2.0), search_mm=(2.2, 4.2), level_db=level
            )

        scale = math.sqrt(-level * math.log(10) / 20 / math.log(2))
        kind = "noise" if background[0] == 0 else "speckle"
        about = f"{fwhm[0]:g} x {fwhm[1]:g} mm, {kind} {-decibels:g} dB, {level:g} dB width"

        def widths(rng: np.random.Generator, target=target) -> dict[str, Measurement]:
            found = target(rng)
            return {
                "axial width": found.axial_width,
                "lateral width": found.lateral_width,
                "axial position": found.axial_position,
                "lateral position": found.lateral_position,
            }

        yield Setting(
            "point",
            about,
            {
                "axial width": scale * fwhm[0],
                "lateral width": scale * fwhm[1],
                "axial position": 30.131,
                "lateral position": -1.87,
            },
            widths,
            of=("ultrasound.point_target", *(f"ultrasound.PointTarget.{name}" for name in (
                "axial_width", "lateral_width", "axial_position", "lateral_position"))),
        )  # fmt: skip
    for n, axis, error in ((2, "axial", 0.0), (4, "axial", 1.5), (3, "lateral", -2.0)):
        along = 10.0 * np.arange(n) * (1 + error / 100)
        grid = ImageGrid(
            shape=(int(along[-1] / 0.1) + 100, 90) if axis == "axial" else (90, int(along[-1] / 0.1) + 100),
            spacing_mm=(0.1, 0.1),
        )
        start = grid.coordinates_mm[0 if axis == "axial" else 1][50]
        places = [(start + p, 0.07) if axis == "axial" else (0.07, start + p) for p in along]
        y, x = grid.coordinates_mm[0][:, None], grid.coordinates_mm[1]
        clean = sum(np.exp(-(((y - py) / 0.4) ** 2) - ((x - px) / 0.6) ** 2) for py, px in places)

        def spacing(
            rng: np.random.Generator,
            clean: np.ndarray = clean,
            grid: ImageGrid = grid,
            places: list[tuple[float, float]] = places,
            axis: str = axis,
        ) -> Measurement:
            envelope = np.abs(clean + 0.02 * speckle_field(grid, fwhm_mm=(0.67, 1.0), rng=rng))
            found = [point_target(envelope, grid, near_mm=p, search_mm=(4.0, 4.0)) for p in places]
            return distance_error(found, 10.0 * np.arange(len(places)), axis=axis)

        yield Setting("distance error", f"{n} wires, {axis}, {error:g} %", error, spacing,
                      of=("ultrasound.distance_error",))  # fmt: skip


def penetration() -> Iterator[Setting]:
    """Echoes that fade and sink into noise of equal resolution."""
    for slope, columns, fwhm in ((1.5, 70, CELLS[1]), (3.0, 100, CELLS[1]), (2.0, 120, CELLS[2])):
        grid = ImageGrid(shape=(250, columns), spacing_mm=(0.1, 0.2), center_mm=(40.0, 0.0))
        depth = 41.3
        fade = 10 ** (-slope * (grid.coordinates_mm[0] - depth) / 20)[:, None]

        def images(
            rng: np.random.Generator,
            grid: ImageGrid = grid,
            fade: np.ndarray = fade,
            fwhm: tuple[float, float] = fwhm,
        ) -> tuple[np.ndarray, ...]:
            echo, first, second = (speckle_field(grid, fwhm_mm=fwhm, rng=rng) for _ in range(3))
            return np.abs(fade * echo + first), np.abs(fade * echo + second), np.abs(second)

        def against_noise(
            rng: np.random.Generator, images=images, grid: ImageGrid = grid, slope: float = slope
        ) -> Measurement:
            phantom, _, noise = images(rng)
            return penetration_depth(phantom, noise, grid, window_mm=9 / slope, ratio=math.sqrt(2))

        def by_pair(
            rng: np.random.Generator, images=images, grid: ImageGrid = grid, slope: float = slope
        ) -> Measurement:
            first, second, _ = images(rng)
            return penetration_depth_by_correlation(
                first, second, grid, window_mm=9 / slope, ratio=math.sqrt(2)
            )

        about = f"{slope:g} dB/mm, {columns} columns, cells {fwhm[0]:g} x {fwhm[1]:g} mm"
        yield Setting("penetration, noise image", about, depth, against_noise,
                      of=("ultrasound.penetration_depth",))  # fmt: skip
        yield Setting("penetration, image pair", about, depth, by_pair,
                      of=("ultrasound.penetration_depth_by_correlation",))  # fmt: skip


def elements() -> Iterator[Setting]:
    """Elements whose gains are drawn anew in every run; the truth is that of their distribution."""
    for spread, fwhm in ((0.4, (0.1, 0.0)), (0.8, (0.2, 0.0)), (1.5, (0.3, 0.0))):
        grid = ImageGrid(shape=(250, 80), spacing_mm=(0.05, 0.3), center_mm=(14.0, 0.0))

        def columns(
            rng: np.random.Generator,
            grid: ImageGrid = grid,
            spread: float = spread,
            fwhm: tuple[float, float] = fwhm,
        ) -> Measurement:
            gain = 10 ** (spread * rng.standard_normal(80) / 20)
            envelope = gain * np.abs(speckle_field(grid, fwhm_mm=fwhm, rng=rng))
            return column_levels(envelope, grid, depth_mm=(8.0, 20.0), n_neighbours=40).non_uniformity()

        yield Setting("column non-uniformity", f"{spread:g} dB, cells of {fwhm[0]:g} mm", spread, columns,
                      of=("ultrasound.column_levels", "ultrasound.ElementLevels.non_uniformity"))  # fmt: skip

    for spread, samples, memory in ((0.6, 300, 0.0), (1.0, 450, 1.2), (2.0, 200, 0.8)):

        def channels(
            rng: np.random.Generator, spread: float = spread, samples: int = samples, memory: float = memory
        ) -> dict[str, Measurement]:
            gain = spread * rng.standard_normal(40)
            gain[::5] -= 3.0  # every fifth element is weak, about as much as the threshold asks
            data = rng.standard_normal((2, 40, samples))
            if memory:
                data = ndimage.gaussian_filter1d(data, memory, axis=-1, mode="wrap")
            levels = element_levels(10 ** (gain[:, None] / 20) * data)
            below = levels.count_below(-3.0)
            around = [np.median(gain[max(i - 10, 0) : i + 11]) for i in range(40)]
            truth = float(np.count_nonzero(gain - around < -3.0))
            return {"elements below -3 dB, counted less true": replace(below, value=below.value - truth)}

        yield Setting(
            "",
            f"{spread:g} dB, 2 x {samples} samples, memory {memory:g} samples",
            {"elements below -3 dB, counted less true": 0.0},
            channels,
            of=("ultrasound.element_levels", "ultrasound.ElementLevels.count_below"),
        )
