"""One small scan of every phantom that has a protocol, and of things that are no phantom."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from imgtech.geometry import ImageGrid
from imgtech.io import Series, series_from_grid
from imgtech.phantoms.twins import Placement, Twin, UsAirTwin, UsTwin, acr_ct, acr_mri, catphan, water_phantom
from reference import ct_twins, mr_twins, nm_twins, planar_twins, us_twins

_PLACE = Placement(center_mm=(4.3, -6.1), z_mm=2.2, roll_rad=0.4)
_CT_GRID = ImageGrid(shape=(230, 236), spacing_mm=(1.03, 1.01))
_AIR_GRID = ImageGrid(shape=(640, 384), spacing_mm=(0.05, 0.1), center_mm=(16.5, 0.0))

# phantom: the protocols that are made for it
MADE_FOR: dict[str, tuple[str, ...]] = {
    "acr-ct": ("acr-ct",),
    "catphan-504": ("catphan-504",),
    "catphan-600": ("catphan-600",),
    "catphan-604": ("catphan-604",),
    "ct-water": ("ct-water",),
    "acr-mri-large": ("acr-mri-large",),
    "acr-mri-medium": ("acr-mri-medium",),
    "bottle": ("mr-snr-nema", "mr-magnet"),
    "plates": ("mr-magnet",),
    "time": ("mr-epi-stability", "mr-snr-nema", "mr-magnet"),  # its images are bottles
    "flood": ("gamma-flood",),
    "bars": ("gamma-bars",),
    "slits": ("gamma-bars",),
    "jaszczak": ("gamma-jaszczak",),
    "pet": ("pet-nema-iq",),
    "leeds": ("planar-xray",),
    "qc3": ("planar-xray",),
    "edge": ("planar-xray",),
    "us": ("us-multipurpose",),
    "us air": ("us-in-air",),
}


def ct_series(twin: Twin, low: float, high: float) -> Series:
    """Slices of 5 mm across a CT phantom."""
    scan = ct_twins.Scan(
        placement=_PLACE,
        grid=_CT_GRID,
        thickness_mm=5.0,
        increment_mm=5.0,
        reach_mm=(low, high),
        noise_hu=6.0,
    )
    return scan.series(twin, np.random.default_rng(1))


def _acr_mri(size: str) -> Series:
    return mr_twins.MrScan(placement=_PLACE).series(acr_mri(size), np.random.default_rng(2))


def _mr_image(twin) -> Series:
    scan = mr_twins.MrScan(placement=_PLACE, grid=ImageGrid(shape=(262, 251), spacing_mm=(0.96, 1.02)))
    return mr_twins.single_images(scan, twin, np.random.default_rng(3))[0]


_MAKERS: dict[str, Callable[[], Series]] = {
    "acr-ct": lambda: ct_series(acr_ct(), -25.0, 145.0),
    "catphan-504": lambda: ct_series(catphan("504"), -90.0, 55.0),
    "catphan-600": lambda: ct_series(catphan("600"), -185.0, 15.0),
    "catphan-604": lambda: ct_series(catphan("604"), -100.0, 65.0),
    "ct-water": lambda: ct_series(water_phantom(), -25.0, 25.0),
    "acr-mri-large": lambda: _acr_mri("large"),
    "acr-mri-medium": lambda: _acr_mri("medium"),
    "bottle": lambda: _mr_image(mr_twins.flood_twin()),
    "plates": lambda: _mr_image(mr_twins.plates_twin()),
    "time": lambda: mr_twins.epi_series(np.random.default_rng(4), n_times=40)[0],
    "flood": lambda: nm_twins.drawn_flood(np.random.default_rng(5), 1500.0)[0],
    "bars": lambda: nm_twins.drawn_bars(np.random.default_rng(6), 40.0)[0],
    "slits": lambda: nm_twins.drawn_slits(np.random.default_rng(7), 200.0)[0],
    "jaszczak": lambda: nm_twins.drawn_jaszczak(np.random.default_rng(8), 0.05)[0],
    "pet": lambda: nm_twins.drawn_pet(np.random.default_rng(9), 0.2)[0],
    "leeds": lambda: planar_twins.drawn_leeds(np.random.default_rng(10), 12.0)[0],
    "qc3": lambda: planar_twins.drawn_qc3(np.random.default_rng(11), 15.0)[0],
    "edge": lambda: planar_twins.drawn_edge(np.random.default_rng(12), 25.0)[0],
    "us": lambda: series_from_grid(
        UsTwin().images(
            us_twins.GRID,
            placement=Placement(center_mm=(1.3, -5.4), roll_rad=0.05),
            rng=np.random.default_rng(13),
        )[0],
        us_twins.GRID,
        modality="US",
    ),
    "us air": lambda: series_from_grid(
        UsAirTwin().image(_AIR_GRID, rng=np.random.default_rng(14)), _AIR_GRID, modality="US"
    ),
}


@functools.cache
def phantom(name: str) -> Series:
    """A scan of a phantom, turned and off the middle."""
    return _MAKERS[name]()


def stack(pixels: np.ndarray, modality: str, spacing_mm: tuple[float, float] = (0.9, 1.1)) -> Series:
    """Images as a series of a modality, 5 mm apart."""
    z = 5.0 * np.arange(len(pixels))
    return Series(
        pixels=np.asarray(pixels, dtype=np.float32),
        spacing_mm=spacing_mm,
        positions_mm=z,
        slice_thickness_mm=5.0,
        modality=modality,
    )


def photo(n: int) -> np.ndarray:
    """A picture of many things: blocks, gradients, texture."""
    rng = np.random.default_rng(15)
    small = rng.normal(size=(n // 50, n // 50))
    y, x = np.mgrid[:n, :n] / n
    return (400 * np.kron(small, np.ones((50, 50)))[:n, :n] + 300 * np.sin(9 * x) * y + 1000).astype(
        np.float32
    )


def no_phantoms(modality: str, n_images: int, n: int = 130) -> dict[str, Series]:
    """Things that are no phantom, in as many images as a protocol takes."""
    rng, shape = np.random.default_rng(16), (n_images, n, n + 7)
    noise = rng.exponential(100.0, size=shape)
    y, x = np.mgrid[: shape[1], : shape[2]]
    half = np.where(x > n / 2, 1000.0, 0.0) + rng.normal(0, 5, size=shape)
    return {
        "all zeros": stack(np.zeros(shape), modality),
        "constant": stack(np.full(shape, 57.0), modality),
        "negative constant": stack(np.full(shape, -1024.0), modality),
        "noise": stack(noise, modality),
        "small noise on air": stack(-1000 + 0.02 * (noise - 100), modality),
        "gradient": stack(np.broadcast_to(1.0 * x + 2.0 * y, shape), modality),
        "half bright": stack(half, modality),
        "one pixel": stack(np.zeros((n_images, 1, 1)), modality),
        "one bright pixel": stack(np.broadcast_to(1e4 * ((y == n // 2) & (x == n // 3)), shape), modality),
        "a row": stack(rng.normal(size=(n_images, 1, n)), modality),
        "two by three": stack(rng.normal(size=(n_images, 2, 3)), modality),
        "photo": stack(np.broadcast_to(photo(n - n % 50), (n_images, n - n % 50, n - n % 50)), modality),
        "tiny pixels": dataclasses.replace(stack(noise, modality), spacing_mm=(1e-3, 1e-3)),
        "huge pixels": dataclasses.replace(stack(noise, modality), spacing_mm=(50.0, 50.0)),
    }
