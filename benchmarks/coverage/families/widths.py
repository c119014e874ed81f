"""Widths of peaks, slice profiles of beads, ramps and wedges, opposed ramps, rows of holes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy import special
from simulate import Setting, noise

from imgtech.geometry import ImageGrid
from imgtech.phantoms import BlurredDisk, BlurredPoint
from imgtech.qc import Measurement
from imgtech.qc.metrics import (
    bead_slice_profile,
    hole_dip,
    opposed_ramps,
    profile_width,
    ramp_slice_profile,
)

HALF, TENTH = 2 * math.sqrt(2 * math.log(2)), 2 * math.sqrt(2 * math.log(10))


def settings() -> Iterator[Setting]:
    yield from peaks()
    yield from slices()
    yield from ramps()
    yield from holes()


def peaks() -> Iterator[Setting]:
    """A Gaussian peak on a sloping background."""
    for n, step, sigma, height in ((81, 0.25, 1.4, 50.0), (61, 0.4, 1.7, 100.0), (121, 0.3, 2.9, 30.0)):
        x = (np.arange(n) - 0.45 * n) * step
        clean = 7 + 0.05 * x + height * np.exp(-(((x - 0.83) / sigma) ** 2) / 2)
        about = f"{n} samples, FWHM of {HALF * sigma / step:.1f} samples, height {height:g} of noise"
        for method, level, factor, name in (
            ("nema", 0.5, HALF, "FWHM"),
            ("fit", 0.5, HALF, "FWHM"),
            ("fit", 0.1, TENTH, "FWTM"),
        ):

            def once(
                rng: np.random.Generator,
                x: np.ndarray = x,
                clean: np.ndarray = clean,
                method: str = method,
                level: float = level,
            ) -> Measurement:
                seen = clean + rng.standard_normal(len(x))
                return profile_width(x, seen, method=method, level=level)

            yield Setting(f"{name}, {method}", about, factor * sigma, once, of=("profile_width",))


def slices() -> Iterator[Setting]:
    """Slice profiles of beads, wires on ramps, and wedges."""
    for shape, sigma, peak, blur in (((25, 24, 26), 0.9, 60.0, 0.0), ((33, 20, 22), 1.4, 30.0, 0.7),
                                     ((29, 30, 28), 1.1, 120.0, 0.0)):  # fmt: skip
        grid = ImageGrid(shape=shape, spacing_mm=(0.4, 0.4, 0.5), center_mm=(0.2, 0.0, 0.0))
        total = peak * (2 * math.pi) ** 1.5 * sigma * 0.36
        bead = BlurredPoint(
            position_mm=(0.5, 0.3, -0.4), sigma_mm=(sigma, 0.6, 0.6), total=total, background=9.0
        )
        clean = bead.image(grid, dtype=np.float64)

        def of_bead(
            rng: np.random.Generator, clean: np.ndarray = clean, grid: ImageGrid = grid, blur: float = blur
        ) -> Measurement:
            layers = np.stack([noise(rng, clean.shape[1:], blur) for _ in clean])
            return bead_slice_profile(clean + layers, grid.spacing_mm).width(method="fit")

        truth = HALF * math.sqrt(sigma**2 + 0.4**2 / 12)
        about = f"{shape[0]} slices, FWHM {truth:.2f} mm, peak {peak:g} of noise, blur {blur:g} px"
        yield Setting("slice profile of a bead", about, truth, of_bead,
                      of=("bead_slice_profile", "SliceProfile.width"))  # fmt: skip
    for degrees, sigma, height in ((14.0, 0.8, 40.0), (23.0, 1.5, 80.0), (45.0, 2.0, 150.0)):
        slope = math.tan(math.radians(degrees))
        x = np.arange(-90, 97) * 0.25
        z = (x - 1.3) * slope
        wire = 50 + height * np.exp(-((z / sigma) ** 2) / 2)
        wedge = 50 + 8 * height * special.ndtr(z / sigma)

        for kind, clean, method in (("ramp", wire, "nema"), ("ramp", wire, "fit"), ("wedge", wedge, "fit")):

            def of_ramp(
                rng: np.random.Generator,
                clean: np.ndarray = clean,
                kind: str = kind,
                method: str = method,
                x: np.ndarray = x,
                degrees: float = degrees,
            ) -> Measurement:
                seen = clean + rng.standard_normal(len(x))
                profile = ramp_slice_profile(x, seen, ramp_angle_rad=math.radians(degrees), kind=kind)
                return profile.width(method=method)

            about = f"{degrees:g} degrees, FWHM {HALF * sigma:.2f} mm, height {height:g} of noise"
            yield Setting(f"slice profile of a {kind}, {method}", about, HALF * sigma, of_ramp,
                          of=("ramp_slice_profile", "SliceProfile.width"))  # fmt: skip


def ramps() -> Iterator[Setting]:
    """Two opposed wires in a tilted slice."""
    for degrees, tilt, thickness, height in ((11.3, 2.0, 3.0, 40.0), (23.0, -5.0, 5.0, 25.0),
                                             (45.0, 0.0, 2.0, 100.0)):  # fmt: skip
        a, d = math.radians(degrees), math.radians(tilt)
        x = np.arange(-120, 130) * 0.35
        traces = [
            np.exp(-4 * math.log(2) * ((x - 0.7) / (thickness / math.tan(a + side * d))) ** 2)
            for side in (1, -1)
        ]

        def once(
            rng: np.random.Generator,
            traces: list[np.ndarray] = traces,
            x: np.ndarray = x,
            a: float = a,
            height: float = height,
        ) -> Measurement:
            lengths = [
                profile_width(x, 20 + height * t + rng.standard_normal(len(x)), method="fit") for t in traces
            ]
            return opposed_ramps(*lengths, ramp_angle_rad=a)

        about = f"{degrees:g} degrees, tilt {tilt:g}, {thickness:g} mm, height {height:g} of noise"
        yield Setting("slice thickness, opposed ramps", about, thickness, once, of=("opposed_ramps",))


def holes() -> Iterator[Setting]:
    """Four holes in a row; the truth is read where a pixel of the closed form lies at every point."""
    grid = ImageGrid(shape=(52, 56), spacing_mm=(0.4, 0.35), center_mm=(1.0, -1.0))
    for pitch, sigma, spread in ((3.0, 0.5, 2.0), (1.8, 0.4, 1.0), (1.2, 0.35, 1.5)):
        along, across = np.array([math.sin(0.2), math.cos(0.2)]), np.array([math.cos(0.2), -math.sin(0.2)])
        centers = np.array([1.3, -1.2]) + np.outer((np.arange(4) - 1.5) * pitch, along)
        disks = [BlurredDisk(center_mm=tuple(c), radius_mm=pitch / 4, sigma_mm=sigma) for c in centers]
        image = 100 * sum(disk.image(grid, dtype=np.float64) for disk in disks)
        lines = np.linspace(-0.5, 0.5, 5)[:, None] * pitch / 4 * across

        def read(place: np.ndarray, disks: list[BlurredDisk] = disks, lines: np.ndarray = lines) -> float:
            found = 0.0
            for at in place + lines:
                one = ImageGrid(shape=(3, 3), spacing_mm=grid.spacing_mm, center_mm=tuple(at))
                found += 100 * sum(disk.image(one, dtype=np.float64)[1, 1] for disk in disks) / len(lines)
            return float(found)

        tops = np.mean([read(c) for c in centers])
        gaps = np.mean([read((a + b) / 2) for a, b in pairwise(centers)])

        def once(
            rng: np.random.Generator,
            image: np.ndarray = image,
            centers: np.ndarray = centers,
            pitch: float = pitch,
            spread: float = spread,
        ) -> Measurement:
            seen = image + spread * rng.standard_normal(image.shape)
            return hole_dip(
                seen, grid, centers_mm=centers, hole_diameter_mm=pitch / 2, background=0.0, noise=spread
            )

        about = f"holes of {pitch / 2:g} mm, blur {sigma:g} mm, noise {spread:g} %"
        yield Setting("dip between holes", about, float((tops - gaps) / tops), once, of=("hole_dip",))
