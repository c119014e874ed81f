"""From line integrals to an image in its unit: grid, method and scale of ``imgtech recon ct``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.progress import progress
from imgtech._core.validate import FloatArray, one_of, positive
from imgtech.cli.recon._ct_chain import Beam, Say
from imgtech.geometry import ConeBeam, FanBeam, ImageGrid
from imgtech.recon.ct import cgls, fbp, fdk, os_sart, sirt, to_hounsfield, tv, wfbp
from imgtech.recon.ct.corrections import apply_hounsfield_scale, measure_hounsfield_scale

_METHODS = ("direct", "sirt", "os-sart", "cgls", "tv")
_SOLVERS: Mapping[str, Callable[..., Any]] = {"sirt": sirt, "os-sart": os_sart, "cgls": cgls, "tv": tv}
_LARGEST_CONE_SIDE = 512
_SLICES_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The image that was asked for."""

    method: str = "direct"
    iterations: int | None = None
    strength: float | None = None
    window: str = "hann"
    cutoff: float = 1.0
    size: int | None = None
    fov_mm: float | None = None
    slices: int | None = None
    slice_mm: float | None = None
    center_mm: str | None = None

    def __post_init__(self) -> None:
        one_of("--method", self.method, _METHODS)
        if self.method == "direct" and self.iterations is not None:
            raise ValueError("--iterations must go with an iterative --method: " + ", ".join(_SOLVERS))
        if (self.method == "tv") != (self.strength is not None):
            raise ValueError("--strength must go with --method tv, and --method tv with --strength")


def image_grid(beam: Beam, wanted: Wanted) -> ImageGrid:
    """Pixels over what the detector sees; as many as channels unless the user says otherwise."""
    spacing_mm = beam.channel_spacing_mm
    if isinstance(beam, FanBeam):
        spacing_mm = beam.axis_spacing_mm
    elif isinstance(beam, ConeBeam):
        spacing_mm /= beam.magnification
    fov_mm = beam.n_channels * spacing_mm if wanted.fov_mm is None else positive("--fov-mm", wanted.fov_mm)
    most = _LARGEST_CONE_SIDE if isinstance(beam, ConeBeam) else beam.n_channels
    n = min(beam.n_channels, most) if wanted.size is None else wanted.size
    square = ImageGrid.square(n, fov_mm=fov_mm)
    center = _numbers("--center-mm", wanted.center_mm, (2, 3)) if wanted.center_mm else [0.0, 0.0]
    if not isinstance(beam, ConeBeam):
        if wanted.slices is not None:
            raise ValueError("--slices is for cone beams; here every slice of the data becomes one")
        return ImageGrid(shape=square.shape, spacing_mm=square.spacing_mm, center_mm=(center[1], center[0]))
    low, high = _heights(beam)
    step = (
        beam.row_spacing_mm / beam.magnification
        if wanted.slice_mm is None
        else positive("--slice-mm", wanted.slice_mm)
    )
    n_z = max(1, round((high - low) / step)) if wanted.slices is None else wanted.slices
    z_mm = center[2] if len(center) == 3 else (low + high) / 2
    return ImageGrid(
        shape=(n_z, *square.shape),
        spacing_mm=(step, *square.spacing_mm),
        center_mm=(z_mm, center[1], center[0]),
    )


def _heights(beam: ConeBeam) -> tuple[float, float]:
    """Where a scan sees the axis from all sides: the rows of a circle, a helix without its ends."""
    z_mm = np.asarray(beam.source_z_mm)
    rise_mm = abs(float(z_mm[-1] - z_mm[0]))
    if rise_mm == 0:
        half = beam.n_rows * beam.row_spacing_mm / 2
        rows = np.array([beam.row_offset_mm - half, beam.row_offset_mm + half]) / beam.magnification
        return float(z_mm[0] + rows[0]), float(z_mm[0] + rows[1])
    turned = abs(float(beam.angles_rad[-1] - beam.angles_rad[0]))
    ends = rise_mm * (np.pi / 2 + beam.half_fan_rad) / turned
    low, high = float(z_mm.min()) + ends, float(z_mm.max()) - ends
    return (low, high) if high > low else (float(z_mm.min()), float(z_mm.max()))


def reconstruct(
    sinogram: FloatArray, beam: Beam, grid: ImageGrid, wanted: Wanted, say: Say
) -> npt.NDArray[Any]:
    """Images ``(slice, y, x)`` in 1/mm by the method that fits the beam."""
    window: Any = wanted.window
    if wanted.method != "direct":
        return _iterative(sinogram, beam, grid, wanted, say)
    ramp: Any = {"window": window, "cutoff": wanted.cutoff}
    if isinstance(beam, ConeBeam):
        circle = np.ptp(np.asarray(beam.source_z_mm)) == 0 and not np.any(beam.focal_shift_mm)
        method: Callable[..., FloatArray] = fdk if circle else wfbp
        say(f"method: {method.__name__}, window {window}")
        return method(sinogram, beam, grid, **ramp)
    say(f"method: fbp, window {window}")
    blocks = range(0, len(sinogram), _SLICES_AT_ONCE)
    return np.concatenate(
        [
            fbp(sinogram[begin : begin + _SLICES_AT_ONCE], beam, grid, **ramp)
            for begin in progress(blocks, "slices", total=len(blocks))
        ]
    )


def _iterative(
    sinogram: FloatArray, beam: Beam, grid: ImageGrid, wanted: Wanted, say: Say
) -> npt.NDArray[Any]:
    solve = _SOLVERS[wanted.method]
    options: dict[str, Any] = {} if wanted.iterations is None else {"n_iter": wanted.iterations}
    if wanted.strength is not None:
        options["strength"] = wanted.strength
    is_cone = isinstance(beam, ConeBeam)
    parts = [sinogram] if is_cone else list(sinogram)
    images = []
    for part in progress(parts, wanted.method, total=len(parts)):
        found = solve(part, beam, grid, **options)
        images.append(found.image)
        fall = found.residuals[-1] / max(found.residuals[0], 1e-300)
        say(f"method: {wanted.method}, {found.n_iter} steps, residual down to {fall:.3g} of the first")
    return np.asarray(images[0] if is_cone else np.stack(images))


def to_unit(
    images: npt.NDArray[Any],
    grid: ImageGrid,
    water_per_mm: float | None,
    water_region: str | None,
    air_region: str | None,
    say: Say,
) -> tuple[npt.NDArray[Any], str]:
    """Images in HU where water is known or shown, in 1/mm otherwise, and the name of the unit."""
    if (water_region is None) != (air_region is None):
        raise ValueError("--water-region and --air-region must come together")
    if water_region is not None and air_region is not None:
        scale = measure_hounsfield_scale(
            images,
            water=_disk("--water-region", water_region, grid, images.shape),
            air=_disk("--air-region", air_region, grid, images.shape),
        )
        say(f"Hounsfield scale: water {scale.water_per_mm:.5g}/mm, air {scale.air_per_mm:.3g}/mm")
        return apply_hounsfield_scale(images, scale), "HU"
    if water_per_mm is None:
        return images, "attenuation, 1/mm"
    say(f"Hounsfield scale: water {water_per_mm:.5g}/mm, air 0")
    return to_hounsfield(images, water_per_mm), "HU"


def _disk(name: str, text: str, grid: ImageGrid, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    x, y, radius = _numbers(name, text, (3,))
    y_mm, x_mm = grid.coordinates_mm[-2:]
    inside = np.hypot(y_mm[:, None] - y, x_mm - x) <= positive(name, radius)
    if not inside.any():
        raise ValueError(f"{name} must hold pixels of the image, got none within {radius:g} mm")
    return np.broadcast_to(inside, shape)


def _numbers(name: str, text: str, counts: tuple[int, ...]) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ValueError(f"{name} must be numbers with commas between them, got {text!r}") from error
    if len(values) not in counts:
        allowed = " or ".join(str(n) for n in counts)
        raise ValueError(f"{name} must hold {allowed} numbers, got {text!r}")
    return values
