"""Lengths, angles and distortion from markers, diameters and edges in noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from simulate import Setting, noise

from imgtech.geometry import ImageGrid, Trajectory
from imgtech.phantoms import BlurredDisk, BlurredEdge, CoilSensitivities, complex_gaussian, uniform_disk
from imgtech.qc import Measurement
from imgtech.qc.metrics import (
    angle,
    diameter,
    disk_rim,
    distance,
    distortion_map,
    edge_length,
    find_points,
)
from imgtech.recon.mri import cartesian

GRID = ImageGrid(shape=(136, 141), spacing_mm=(1.0, 1.1), center_mm=(3.0, -5.0))


def settings() -> Iterator[Setting]:
    yield from markers()
    yield from disks()
    yield from magnitudes()
    yield from boxes()


def turned(places: np.ndarray, angle_rad: float, offset: tuple[float, float]) -> np.ndarray:
    """Turn from x towards y, then shift."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    y, x = places.T
    return np.stack([c * y + s * x, c * x - s * y], axis=1) + offset


def markers() -> Iterator[Setting]:
    """Nine rods of a grid that is turned, shifted, and stretched or sheared along its own axes."""
    for turn, offset, stretch, spread, blur in (
        (0.07, (1.3, -4.1), ((1.012, 0.0), (0.0, 0.985)), 2.0, 0.0),
        (-0.04, (4.3, -7.2), ((1.0, 0.006), (0.006, 1.0)), 1.5, 0.8),
        (0.02, (2.1, -5.7), ((1.0, 0.0), (0.0, 1.0)), 3.0, 0.0),
    ):
        drawing = np.array([(y, x) for y in (-46.0, 0.0, 46.0) for x in (-46.0, 0.0, 46.0)])
        bent = drawing @ np.array(stretch).T
        places = turned(bent, turn, offset)
        image = np.full(GRID.shape, 100.0)
        for place in places:
            rod = BlurredDisk(center_mm=tuple(place), radius_mm=2.6, sigma_mm=0.5, high=-60.0)
            image += rod.image(GRID, dtype=np.float64)

        def once(
            rng: np.random.Generator,
            image: np.ndarray = image,
            drawing: np.ndarray = drawing,
            turn: float = turn,
            offset: tuple[float, float] = offset,
            spread: float = spread,
            blur: float = blur,
        ) -> dict[str, Measurement]:
            guess = turned(drawing, turn, offset) + 0.4
            seen = image + spread * noise(rng, GRID.shape, blur)
            found = find_points(seen, GRID, guess, radius_mm=5.0, dark=True)
            bend = distortion_map(found, drawing)
            return {
                "distance": distance(found, 0, 8),
                "angle": angle(found, 1, 4, 5),
                "offset y": bend.offset_y,
                "offset x": bend.offset_x,
                "rotation": bend.rotation,
                "scale error y": bend.scale_y,
                "scale error x": bend.scale_x,
                "shear": bend.shear,
                "root-mean-square distortion": bend.root_mean_square,
                "largest distortion": bend.largest,
            }

        off = bent - drawing
        arms = bent[[1, 5]]
        turns = np.arctan2(arms[:, 0], arms[:, 1])
        truth = {
            "distance": float(np.hypot(*(bent[8] - bent[0]))),
            "angle": math.remainder(float(turns[1] - turns[0]), 2 * math.pi),
            "offset y": offset[0],
            "offset x": offset[1],
            "rotation": turn,
            "scale error y": 100 * (stretch[0][0] - 1),
            "scale error x": 100 * (stretch[1][1] - 1),
            "shear": stretch[0][1] + stretch[1][0],
            "root-mean-square distortion": math.sqrt(float((off**2).sum()) / 9),
            "largest distortion": float(np.hypot(*off.T).max()),
        }
        kind = "stretched" if stretch[0][0] != 1 else "sheared" if stretch[0][1] else "true"
        yield Setting(
            "markers",
            f"{kind} grid, turned by {turn:g} rad, contrast {60 / spread:g} of noise, blur {blur:g} px",
            truth,
            once,
            of=(
                "find_points", "distance", "angle", "distortion_map", "Distortion.offset_y",
                "Distortion.offset_x", "Distortion.rotation", "Distortion.scale_y", "Distortion.scale_x",
                "Distortion.shear", "Distortion.root_mean_square", "Distortion.largest",
            ),
        )  # fmt: skip


def disks() -> Iterator[Setting]:
    """A bright disk, in every run at another place and in another direction."""
    for radius, sigma, spread, blur in ((45.0, 0.4, 4.0, 0.0), (52.3, 0.9, 5.0, 0.0), (38.7, 0.8, 4.0, 0.7)):

        def once(
            rng: np.random.Generator,
            radius: float = radius,
            sigma: float = sigma,
            spread: float = spread,
            blur: float = blur,
        ) -> Measurement:
            off = rng.uniform(-0.5, 0.5, 2)
            center = (4.0 + float(off[0]), -6.0 + float(off[1]))
            disk = BlurredDisk(center_mm=center, radius_mm=radius, sigma_mm=sigma, low=5.0, high=105.0)
            seen = disk.image(GRID, dtype=np.float64) + spread * noise(rng, GRID.shape, blur)
            rim = disk_rim(seen, GRID, center_mm=(3.0, -5.0), radius_mm=radius + 1.5, n_rays=360)
            return diameter(rim, rng.uniform(-math.pi, math.pi))

        about = (
            f"{2 * radius:g} mm, edge of {sigma:g} mm, contrast {100 / spread:g} of noise, blur {blur:g} px"
        )
        yield Setting("diameter", about, 2 * radius, once, of=("disk_rim", "diameter"))


def magnitudes() -> Iterator[Setting]:
    """A shaded disk from the k-space of four coils, at forty places, in every run in another direction."""
    grid = ImageGrid.fft((160, 150), spacing_mm=(1.3, 1.4))
    coils = CoilSensitivities.ring(n_coils=4, radius_mm=100.0, start_rad=0.6)
    for radius, share, window in ((75.0, 0.02, "hann"), (61.3, 0.06, "hamming"), (68.2, 0.1, "none")):

        @cache
        def clean(place: int, radius: float = radius) -> tuple[tuple[float, float], np.ndarray]:
            y, x = np.random.default_rng(place).uniform(-3.0, 3.0, 2)
            disk = uniform_disk(radius_mm=radius, center_mm=(float(y), float(x)))
            return (float(y), float(x)), disk.kspace(Trajectory.of_grid(grid), coils)

        def once(
            rng: np.random.Generator,
            radius: float = radius,
            share: float = share,
            window: str = window,
            clean: Callable[[int], tuple[tuple[float, float], np.ndarray]] = clean,
        ) -> Measurement:
            center, kspace = clean(int(rng.integers(40)))
            kspace = complex_gaussian(kspace, sigma=share * float(np.abs(kspace).max()) / radius, rng=rng)
            seen = cartesian(kspace, spacing_mm=grid.spacing_mm, window=window, combine="rss")
            rim = disk_rim(seen, grid, center_mm=center, radius_mm=radius, n_rays=360, magnitude=True)
            return diameter(rim, rng.uniform(-math.pi, math.pi))

        about = f"{2 * radius:g} mm, magnitude of four coils, noise {share:g}, window {window}"
        yield Setting("diameter", about, 2 * radius, once, of=("disk_rim", "diameter"))


def boxes() -> Iterator[Setting]:
    """A band at an angle, blurred."""
    for turn, length, spread, blur in (
        (0.0, 52.37, 2.0, 0.0),
        (0.35, 61.1, 4.0, 0.0),
        (-1.2, 47.9, 3.0, 0.8),
    ):
        center = np.array([4.2, -3.3])
        along = np.array([math.sin(turn), math.cos(turn)])
        ends = float(along @ center) + np.array([-length / 2, length / 2])
        edges = [BlurredEdge(angle_rad=turn, position_mm=end, sigma_mm=1.0) for end in ends]
        clean = 20 + 80 * (edges[0].image(GRID, dtype=np.float64) - edges[1].image(GRID, dtype=np.float64))

        def once(
            rng: np.random.Generator,
            clean: np.ndarray = clean,
            length: float = length,
            along: np.ndarray = along,
            spread: float = spread,
            blur: float = blur,
            center: np.ndarray = center,
        ) -> Measurement:
            seen = clean + spread * noise(rng, GRID.shape, blur)
            start, end = (center + side * along * length / 2 + 0.8 * along for side in (-1, 1))
            return edge_length(
                seen, GRID, start_mm=tuple(start), end_mm=tuple(end), width_mm=20.0, reach_mm=8.0
            )

        about = f"{length:g} mm at {turn:g} rad, contrast {80 / spread:g} of noise, blur {blur:g} px"
        yield Setting("length between edges", about, length, once, of=("edge_length",))
