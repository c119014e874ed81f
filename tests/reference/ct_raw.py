"""Scans of a digital CT phantom through raw data: fan-beam sinograms in closed form, then ``fbp``."""

from __future__ import annotations

import dataclasses
import math
import warnings
from functools import lru_cache

import numpy as np
from scipy import ndimage

from imgtech.geometry import FanBeam, ImageGrid
from imgtech.io import Series, SeriesTags
from imgtech.phantoms import Ellipse, Gaussian, Phantom, Rectangle
from imgtech.phantoms.placed import Shape2D
from imgtech.phantoms.twins import Placement, Twin, acr_ct_drawing
from imgtech.qc.protocols._ct_scan import pose_at
from imgtech.recon.ct import fbp
from reference.ct_twins import Scan, acr_ct_truth

WATER_PER_MM = 0.0192
THICKNESS_MM = 5.0
Z_MM = np.arange(-32.0, 145.0, 16.0)  # one slice holds the beads at 80 mm
BEAM = FanBeam.full_turn(
    n_views=1680, n_channels=460, channel_spacing_mm=1.05, source_axis_mm=570.0, source_detector_mm=1040.0
)
GRID = ImageGrid(shape=(300, 290), spacing_mm=(0.84, 0.88))
_NODES = 3
_SPOT_MM = 0.25
_LOCAL = (0.3, 91)
_NOISE_IMAGES = 60


def fan_sinogram(phantom: Phantom, beam: FanBeam = BEAM) -> np.ndarray:
    """Mean over every channel by three points of Gauss and Legendre; shapes only on the channels they hit.

    Its views are as many as the finest bars need at their distance from the axis, ``4 pi r f``: with fewer,
    what the sinogram does not hold comes back as other frequencies. The corner of a pattern of 1.2 pairs a
    mm lies up to 70 + 10.6 + 28.3 mm from the axis, which is 1640 views; with 1160 it showed 0.008.
    """
    out = np.zeros(beam.shape)
    middle = beam.fan_angles_rad(beam.channels_mm)
    beta, views = beam.angles_rad, np.arange(beam.n_views)[:, None]
    for shape in phantom.shapes:
        cy, cx = shape.center_mm
        near = beam.source_axis_mm - cx * np.sin(beta) + cy * np.cos(beta)
        gamma = np.arctan2(cx * np.cos(beta) + cy * np.sin(beta), near)
        first, last = (
            np.searchsorted(middle, gamma + side * np.arcsin(np.minimum(_reach_mm(shape) / near, 1.0)))
            for side in (-1, 1)
        )
        start = np.maximum(first - 2, 0)[:, None]
        channels = np.minimum(start + np.arange(int((last - first).max()) + 4), beam.shape[1] - 1)
        fresh = np.diff(channels, axis=1, prepend=-1) > 0
        values = np.zeros(channels.shape)
        for node, weight in zip(*np.polynomial.legendre.leggauss(_NODES), strict=True):
            ray = beam.fan_angles_rad(beam.channels_mm + node * beam.channel_spacing_mm / 2)[channels]
            s = beam.source_axis_mm * np.sin(ray)
            values += weight / 2 * shape.line_integral(beta[:, None] - ray, s)
        np.add.at(out, (np.broadcast_to(views, channels.shape)[fresh], channels[fresh]), values[fresh])
    return out


def _reach_mm(shape: Shape2D) -> float:
    """Radius of a circle about the middle of a shape that holds it."""
    if isinstance(shape, Rectangle):
        return math.hypot(*shape.size_mm) / 2
    return max(shape.semi_axes_mm) if isinstance(shape, Ellipse) else 7.0 * max(shape.sigma_mm)


def raw_series(scan: Scan, twin: Twin, noise_hu: float, rng: np.random.Generator) -> Series:
    """All modules of the ACR phantom, 5 mm slices every 16 mm."""
    place = scan.placement
    z = place.z_mm + np.sort((-1 if place.reversed else 1) * Z_MM)
    slices = []
    for position in z:
        try:
            section = twin.section(
                float(position), thickness_mm=THICKNESS_MM, placement=place, water_per_mm=WATER_PER_MM
            )
            clean = fan_sinogram(section)
        except ValueError:  # beyond the end of the phantom: air
            clean = np.zeros(BEAM.shape)
        noise = noise_hu / _unit_noise()[0] * rng.standard_normal(BEAM.shape)
        slices.append(_hounsfield(clean + noise))
    return Series(
        pixels=np.stack(slices),
        spacing_mm=GRID.spacing_mm,
        positions_mm=z,
        slice_thickness_mm=THICKNESS_MM,
        modality="CT",
        tags=SeriesTags(tube_voltage_kv=120.0),
    )


def raw_truth(scan: Scan, twin: Twin, noise_hu: float) -> dict[str, float]:
    """True values by name; of those that depend on the reconstruction, its own response and noise."""
    unit, beside, disk = _unit_noise()
    seen = dataclasses.replace(scan, noise_hu=noise_hu)
    truth = acr_ct_truth(seen, twin)
    for name in ("NPS peak frequency", "NPS mean frequency", "ring artefact"):
        del truth[name]  # no closed form of the spectrum; the rings of a real detector are another test
    truth["noise"] = noise_hu
    truth["CNR"] = twin.facts["25 mm rod contrast"] / (noise_hu * beside / unit)
    truth["lowest detectable contrast 5 mm"] = 2 * 1.645 * noise_hu * disk / unit
    drawing, p = acr_ct_drawing(), scan.placement
    bone = next(insert for insert in drawing.inserts if insert.name == "bone")
    spot = _spot(_place(p, 0.0, bone.center_mm))
    truth["MTF50 bone rod"], truth["MTF10 bone rod"] = (_where(spot, level) for level in (0.5, 0.1))
    for group in drawing.bars:
        here = _place(p, drawing.resolution.middle_mm, group.center_mm)
        v, u = group.center_mm
        there = _place(
            p,
            drawing.resolution.middle_mm,
            (v + math.sin(group.angle_rad), u + math.cos(group.angle_rad)),
        )
        f = group.per_cm / 10
        truth[f"MTF {group.per_cm} lp/cm bars"] = _response(
            _spot(here), f * (there[0] - here[0]), f * (there[1] - here[1])
        )
    return truth


def _place(placement: Placement, z_mm: float, point: tuple[float, float]) -> tuple[float, float]:
    """Image position of a point of the drawing."""
    position = placement.z_mm + (-z_mm if placement.reversed else z_mm)
    y, x = pose_at(placement, position).to_image_mm(*point)
    return float(y), float(x)


def _hounsfield(sinogram: np.ndarray, grid: ImageGrid = GRID) -> np.ndarray:
    with warnings.catch_warnings():  # noise reaches the edge of the detector, the phantom does not
        warnings.simplefilter("ignore", UserWarning)
        image = fbp(sinogram.astype(np.float32), BEAM, grid, window="hann")
    return 1000 * (image.astype(np.float64) / WATER_PER_MM - 1)


@lru_cache(maxsize=1)
def _unit_noise() -> tuple[float, float, float]:
    """HU for a sinogram noise of 1: near the middle, 60 mm from it, and of disks of 5 mm in module 3."""
    rng = np.random.default_rng(0)
    y, x = GRID.coordinates_mm
    r = np.hypot(y[:, None], x)
    dy, dx = GRID.spacing_mm
    part = (np.arange(9 * 32) + 0.5) / 32 - 4.5  # share of each pixel in the disk, by 32 x 32 points
    held = np.hypot(dy * part[:, None], dx * part) < 2.5
    disk = held.reshape(9, 32, 9, 32).mean(axis=(1, 3))
    squares = np.zeros(3)
    for _ in range(_NOISE_IMAGES):
        image = _hounsfield(rng.standard_normal(BEAM.shape)) + 1000
        means = ndimage.convolve(image, disk / disk.sum(), mode="nearest")
        squares += [
            image[r < 25].var(), image[(r > 48) & (r < 72)].var(), means[r < 85].var(),
        ]  # fmt: skip
    return tuple(np.sqrt(squares / _NOISE_IMAGES))


def _spot(center_mm: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image of a small Gaussian spot on a fine grid around it, by its true integral."""
    step, n = _LOCAL
    grid = ImageGrid(shape=(n, n), spacing_mm=(step, step), center_mm=center_mm)
    spot = Phantom(shapes=(Gaussian(center_mm=center_mm, sigma_mm=(_SPOT_MM, _SPOT_MM)),))
    image = fbp(fan_sinogram(spot), BEAM, grid, window="hann")
    y, x = (c - m for c, m in zip(grid.coordinates_mm, center_mm, strict=True))
    return image * step**2 / (2 * math.pi * _SPOT_MM**2), y, x


def _response(spot: tuple[np.ndarray, np.ndarray, np.ndarray], fy: float, fx: float) -> float:
    """MTF of the reconstruction at the place of a spot."""
    image, y, x = spot
    wave = np.exp(2j * math.pi * fy * y)[:, None] * np.exp(2j * math.pi * fx * x)
    return float(abs((image * wave).sum())) / math.exp(-2 * (math.pi * _SPOT_MM) ** 2 * (fy**2 + fx**2))


def _where(spot: tuple[np.ndarray, np.ndarray, np.ndarray], level: float) -> float:
    """Frequency at which the mean response over all directions falls to a level."""
    f, turns = np.linspace(0.3, 0.8, 26), np.arange(8) * math.pi / 8
    values = np.array(
        [np.mean([_response(spot, k * math.sin(t), k * math.cos(t)) for t in turns]) for k in f]
    )
    return float(np.interp(-level, -values, f))
