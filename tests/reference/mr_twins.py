"""Scans of digital MR phantoms at drawn poses, with what a protocol should find in them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from imgtech.geometry import ImageGrid
from imgtech.io import Series, SeriesTags
from imgtech.phantoms import CoilSensitivities
from imgtech.phantoms.twins import (
    Cylinder,
    MrSolid,
    MrTwin,
    Placement,
    RampSlot,
    ScanPlane,
    acr_mri_drawing,
    cosine_shading,
    plane_image,
)
from imgtech.qc.roi import ellipse_region
from imgtech.recon.mri import cartesian

WATER = 1000.0
ROLES = (1, 5, 7, 8, 9, 10, 11)


@dataclass(frozen=True, kw_only=True)
class MrScan:
    """How an ACR MRI twin is scanned."""

    placement: Placement = field(default_factory=Placement)
    grid: ImageGrid = field(default_factory=lambda: ImageGrid.square(256, fov_mm=250.0))
    thickness_mm: float = 5.0
    off_mm: float = 0.0
    sigma: float = 10.0
    shading: float = 0.08
    shading_rad: float = 0.4
    period_mm: float = 420.0
    ghost: float = 0.0
    field_t: float = 1.5
    roles: tuple[int, ...] = ROLES
    coils: CoilSensitivities | None = None

    @property
    def sensitivity(self) -> CoilSensitivities:
        """One coil that shades the image along one direction."""
        return cosine_shading(depth=self.shading, period_mm=self.period_mm, angle_rad=self.shading_rad)

    def positions_mm(self, roles_mm: dict[int, float]) -> np.ndarray:
        """Where the slices lie along the stack, ascending."""
        sign = -1.0 if self.placement.reversed else 1.0
        z = np.array([roles_mm[r] + self.off_mm for r in self.roles])
        return np.sort(self.placement.z_mm + sign * z)

    def series(self, twin: MrTwin, rng: np.random.Generator) -> Series:
        """Magnitude images with noise, as a reader would return them."""
        positions = self.positions_mm(acr_mri_drawing(twin.name.split()[-1]).roles_mm)
        if self.coils is not None:
            pixels = np.stack([self._reconstructed(twin, float(z), rng) for z in positions])
            return as_series(pixels, self.grid, positions, self.field_t)
        pixels = twin.images(
            self.grid,
            positions,
            thickness_mm=self.thickness_mm,
            placement=self.placement,
            sensitivity=self.sensitivity,
            ghost=1j * self.ghost,
            sigma=self.sigma,
            rng=rng,
        )
        return as_series(pixels, self.grid, positions, self.field_t)

    def _reconstructed(self, twin: MrTwin, position: float, rng: np.random.Generator) -> np.ndarray:
        """k-space of all coils with noise, through the reconstruction."""
        n = self.grid.shape
        signal = twin.kspace(
            self.grid, position, thickness_mm=self.thickness_mm, placement=self.placement, coils=self.coils
        )
        odd = np.where((np.arange(n[0]) - n[0] // 2) % 2, -1.0, 1.0)[:, None]
        area = self.grid.spacing_mm[0] * self.grid.spacing_mm[1]
        noise = rng.standard_normal((2, *signal.shape)) * self.sigma * area * math.sqrt(n[0] * n[1])
        whole = signal * (1 + 1j * self.ghost * odd) + noise[0] + 1j * noise[1]
        return cartesian(whole, spacing_mm=self.grid.spacing_mm, combine="rss")


def head_coil(n_coils: int = 6) -> CoilSensitivities:
    """Coils around the head whose root sum of squares is nearly even."""
    angles = 2 * np.pi * np.arange(n_coils) / n_coils
    k = 1 / 600.0
    weights = [
        [1.2, -0.25j * np.cos(a), 0.25j * np.cos(a), -0.25j * np.sin(a), 0.25j * np.sin(a)] for a in angles
    ]
    scale = np.exp(1j * angles)[:, None] / (1.2 * math.sqrt(n_coils))
    return CoilSensitivities(
        coefficients=np.array(weights) * scale,
        frequencies_per_mm=np.array([(0, 0), (0, k), (0, -k), (k, 0), (-k, 0)], dtype=float),
    )


def as_series(
    pixels: np.ndarray,
    grid: ImageGrid,
    positions: Iterable[float],
    field_t: float,
    name: str = "digital twin",
) -> Series:
    """Images as an MR series with the place of its grid."""
    y, x = grid.coordinates_mm
    return Series(
        pixels=pixels,
        spacing_mm=grid.spacing_mm,
        positions_mm=np.asarray(positions),
        slice_thickness_mm=5.0,
        modality="MR",
        origin_mm=(float(x[0]), float(y[0]), float(np.min(positions))),
        tags=SeriesTags(
            field_strength_t=field_t,
            echo_time_ms=20.0,
            repetition_time_ms=500.0,
            bandwidth_hz_per_pixel=130.0,
            averages=1.0,
            series_description=name,
            frame_of_reference_uid="1.2.3.4",
            manufacturer="imgtech",
        ),
    )


def drawn_scan(rng: np.random.Generator, *, sigma: float, off_mm: float | None = None) -> MrScan:
    """Any rotation, +-20 mm, both mirror images and slice orders."""
    return MrScan(
        placement=Placement(
            center_mm=(rng.uniform(-20, 20), rng.uniform(-20, 20)),
            z_mm=rng.uniform(-50, 50),
            roll_rad=rng.uniform(-math.pi, math.pi),
            mirrored=bool(rng.integers(2)),
            reversed=bool(rng.integers(2)),
        ),
        grid=ImageGrid(shape=(288, 280), spacing_mm=(0.98, 0.98)),
        thickness_mm=rng.uniform(4.5, 5.6),
        off_mm=rng.uniform(-2, 2) if off_mm is None else off_mm,
        sigma=sigma,
        shading=rng.uniform(0.02, 0.15),
        shading_rad=rng.uniform(-math.pi, math.pi),
        ghost=rng.uniform(0.004, 0.02),
    )


@dataclass(frozen=True, kw_only=True)
class LocalizerScan:
    """A slice along the axis of a phantom: through a point this far off the axis, turned in its plane."""

    row: tuple[float, float, float] = (0.0, 1.0, 0.0)
    column: tuple[float, float, float] = (0.0, 0.0, -1.0)
    off_mm: float = 0.0
    shift_mm: tuple[float, float] = (0.0, 0.0)
    thickness_mm: float = 10.0
    grid: ImageGrid = field(default_factory=lambda: ImageGrid(shape=(214, 205), spacing_mm=(1.31, 1.31)))
    sigma: float = 10.0
    shading: float = 0.08
    shading_rad: float = 0.4
    ghost: float = 0.0
    n_steps: int = 3

    def series(self, twin: MrTwin, placement: Placement, rng: np.random.Generator) -> Series:
        """One image in the coordinates of the axial ones."""
        drawing = acr_mri_drawing(twin.name.split()[-1])
        along = (-1.0 if placement.reversed else 1.0) * (drawing.foot_mm + drawing.length_mm / 2)
        axis = np.array([placement.tilt[1], placement.tilt[0], 1.0])
        middle = np.array([placement.center_mm[1], placement.center_mm[0], placement.z_mm])
        normal = np.cross(self.row, self.column)
        point = middle + along * axis / np.linalg.norm(axis) + self.off_mm * normal
        point -= self.shift_mm[0] * np.array(self.column) + self.shift_mm[1] * np.array(self.row)
        pixels = plane_image(
            only_large(twin),
            self.grid,
            ScanPlane.of_scanner(
                placement, point_mm=tuple(float(p) for p in point), row=self.row, column=self.column
            ),
            thickness_mm=self.thickness_mm,
            sensitivity=cosine_shading(depth=self.shading, period_mm=420.0, angle_rad=self.shading_rad),
            ghost=1j * self.ghost,
            sigma=self.sigma,
            rng=rng,
            n_steps=self.n_steps,
        )
        y, x = self.grid.coordinates_mm
        first = point + y[0] * np.array(self.column) + x[0] * np.array(self.row)
        return dataclasses.replace(
            as_series(pixels[None], self.grid, [float(first @ normal)], 1.5, name="sagittal localizer"),
            orientation=(*self.row, *self.column),
            origin_mm=tuple(float(p) for p in first),
            slice_thickness_mm=self.thickness_mm,
        )


def only_large(twin: MrTwin) -> MrTwin:
    """An ACR twin without its holes, cells and spokes."""
    small = ("hole", "cell", "spoke")
    solids = {name: s for name, s in twin.solids.items() if not any(word in name for word in small)}
    return dataclasses.replace(twin, solids=solids)


def drawn_localizer(rng: np.random.Generator, placement: Placement, *, sigma: float) -> LocalizerScan:
    """Any plane along the scanner's axis in which the ramp block leaves 30 mm of the end free."""
    while True:
        turn, roll = rng.uniform(-math.pi, math.pi), rng.uniform(-math.pi, math.pi)
        across = np.array([math.cos(roll), math.sin(roll), 0.0])
        up = np.array([0.0, 0.0, -1.0])
        row = math.cos(turn) * across + math.sin(turn) * up
        column = rng.choice([-1.0, 1.0]) * (math.cos(turn) * up - math.sin(turn) * across)
        scan = LocalizerScan(
            row=tuple(float(c) for c in row),
            column=tuple(float(c) for c in column),
            off_mm=rng.uniform(-25, 25),
            shift_mm=(rng.uniform(-15, 15), rng.uniform(-15, 15)),
            thickness_mm=rng.uniform(3, 20),
            grid=ImageGrid(shape=(300, 290), spacing_mm=(0.98, 0.98)),
            n_steps=4,
            sigma=sigma,
            shading=rng.uniform(0.02, 0.15),
            shading_rad=rng.uniform(-math.pi, math.pi),
            ghost=rng.uniform(0.0, 0.01),
        )
        down = np.array(
            [-math.sin(placement.roll_rad), math.cos(placement.roll_rad), 0.0]
        )  # v of the phantom
        normal = np.cross(row, column)
        v = scan.off_mm * (down @ normal) + np.arange(-40.0, 40.0) * (down @ across)
        if (np.abs(v) > 6.0 + scan.thickness_mm / 2 * abs(down @ normal)).sum() >= 30:
            return scan


def acr_truth(scan: MrScan, twin: MrTwin) -> dict[str, float]:
    """True value of every item; the signal-to-noise ratio by the noise that was added."""
    drawing = acr_mri_drawing(twin.name.split()[-1])
    high, wide = (twin.facts[f"{way} diameter"] / 2 for way in ("vertical", "horizontal"))
    truth = {"slice thickness": scan.thickness_mm}
    for role in (1, 5):
        truth[f"diameter slice {role} vertical"] = 2 * high
        truth[f"diameter slice {role} horizontal"] = 2 * wide
    diagonal = 2 / math.hypot(math.sqrt(0.5) / wide, math.sqrt(0.5) / high)
    truth["diameter slice 5 falling diagonal"] = truth["diameter slice 5 rising diagonal"] = diagonal
    for role in (1, 11):
        truth[f"bar length difference slice {role}"] = 2 * scan.off_mm
    for role in (8, 9, 10, 11):
        # the sheet is as thick as before in a slice of another thickness
        truth[f"contrast slice {role}"] = 100 * _contrast(
            twin.facts[f"contrast of slice {role}"] * 5.0 / scan.thickness_mm
        )
    truth["percent integral uniformity"] = shading_piu(scan, drawing.uniform_area_mm2)
    truth |= _ghosts(scan, twin, high, drawing.uniform_area_mm2)
    truth["signal-to-noise ratio"] = WATER * _mean_shading(scan, drawing.uniform_area_mm2) / scan.sigma
    return truth


def _contrast(share: float) -> float:
    """Height over what lies beside it."""
    return share / (1 - share)


def _ghosts(scan: MrScan, twin: MrTwin, radius_mm: float, area_mm2: float) -> dict[str, float]:
    """Both numbers from slice 7 without noise: what truncation of k-space leaves in the air belongs to it.

    The number of the ACR text is that of magnitudes with noise, whose mean is known in closed form.
    """
    quiet = dataclasses.replace(scan, sigma=0.0, roles=(7,)).series(twin, np.random.default_rng(0))
    image = quiet.pixels[0].astype(np.float64)
    center = scan.placement.center_mm
    level = WATER * _shade(scan, center, math.sqrt(area_mm2 / math.pi))
    n = 1 if scan.coils is None else scan.coils.n_coils
    means, powers = [], []
    for axis, side in ((0, -1), (0, 1), (1, -1), (1, 1)):
        half = scan.grid.fov_mm[axis] / 2
        edge = center[axis] + side * radius_mm
        across = min(math.sqrt(1000 / math.pi) / 2, (side * (side * half - edge) - 4.0) / 2)
        axes, place = [2 * math.sqrt(1000 / math.pi)] * 2, list(center)
        axes[axis], place[axis] = across, (edge + side * half) / 2
        inside = ellipse_region(scan.grid, center_mm=tuple(place), semi_axes_mm=tuple(axes)) > 0.5
        means.append(float(_magnitude(image[inside], scan.sigma, n).mean()))
        powers.append(float((image[inside] ** 2).mean()))
    return {
        "percent signal ghosting": 50 * abs(means[0] + means[1] - means[2] - means[3]) / level,
        "ghosting without the noise floor": 100
        * math.sqrt(abs(powers[0] + powers[1] - powers[2] - powers[3]) / 2)
        / level,
    }


def _magnitude(height: np.ndarray, sigma: float, n_coils: int) -> np.ndarray:
    """Mean of the root sum of squares of n noisy channels."""
    bent = special.eval_genlaguerre(0.5, n_coils - 1, -((height / sigma) ** 2) / 2)
    return sigma * math.sqrt(math.pi / 2) * bent


def _shade(scan: MrScan, at: tuple[float, float], radius_mm: float) -> float:
    """Mean sensitivity over a disk: of one coil in closed form, of several by points of their root sum."""
    if scan.coils is not None:
        return float(_root_sum(scan.coils, *_disk_points(at, radius_mm)).mean())
    s = at[1] * math.cos(scan.shading_rad) + at[0] * math.sin(scan.shading_rad)
    wave = math.sin(2 * math.pi * s / scan.period_mm)
    return 1 + scan.shading * wave * _jinc(radius_mm, scan.period_mm)


def _root_sum(coils: CoilSensitivities, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    waves = np.exp(2j * np.pi * np.tensordot(coils.frequencies_per_mm, np.stack([y, x]), axes=1))
    return np.sqrt((np.abs(np.tensordot(coils.coefficients, waves, axes=1)) ** 2).sum(axis=0))


def _disk_points(at: tuple[float, float], radius_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Points spread evenly over a disk (sunflower)."""
    i = np.arange(300)
    r, a = radius_mm * np.sqrt((i + 0.5) / 300), i * math.pi * (3 - math.sqrt(5))
    return at[0] + r * np.sin(a), at[1] + r * np.cos(a)


def _uniform_center(scan: MrScan) -> tuple[float, float]:
    return scan.placement.at(0.0, thickness_mm=1.0).to_image(5.0, 0.0)


def _jinc(radius_mm: float, period_mm: float) -> float:
    """Mean of a cosine over a disk, over its value in the middle."""
    a = 2 * math.pi * radius_mm / period_mm
    return float(2 * special.j1(a) / a)


def _mean_shading(scan: MrScan, area_mm2: float) -> float:
    return _shade(scan, _uniform_center(scan), math.sqrt(area_mm2 / math.pi))


def shading_piu(scan: MrScan, area_mm2: float, disk_mm2: float = 100.0) -> float:
    """PIU of the shading alone: the disk of 1 cm2 at all places in the large one."""
    cy, cx = _uniform_center(scan)
    small = math.sqrt(disk_mm2 / math.pi)
    reach = math.sqrt(area_mm2 / math.pi) - small
    if scan.coils is not None:
        y, x = _disk_points((cy, cx), reach)
        y = np.append(y, cy + reach * np.sin(np.arange(90) * math.pi / 45))
        x = np.append(x, cx + reach * np.cos(np.arange(90) * math.pi / 45))
        means = np.array([_shade(scan, (b, a), small) for b, a in zip(y, x, strict=True)])
    else:
        s = cx * math.cos(scan.shading_rad) + cy * math.sin(scan.shading_rad)
        wave = np.sin(2 * np.pi * np.linspace(s - reach, s + reach, 4001) / scan.period_mm)
        means = 1 + scan.shading * wave * _jinc(small, scan.period_mm)
    return float(100 * (1 - np.ptp(means) / (means.max() + means.min())))


def plates_twin(thickness_like_mm: float = 5.0, *, stretch: float = 1.0) -> MrTwin:
    """A MagNET-style slice-width object: nine rods and two pairs of plates in a disk of water."""
    z = (-40.0, 40.0)
    solids: dict[str, MrSolid] = {"water": Cylinder(signal=WATER, semi_axes_mm=(91.0, 91.0), z_mm=z)}
    for i in range(9):
        v, u = ((k - 1) * 60.0 * stretch for k in divmod(i, 3))
        solids[f"rod {i + 1}"] = Cylinder(signal=-WATER, center_mm=(v, u), semi_axes_mm=(2.6, 2.6), z_mm=z)
    for side in (-1, 1):
        solids[f"plate {side}"] = RampSlot(
            signal=-WATER,
            center_mm=(30.0 * side * stretch, 0.0),
            width_mm=26.0,
            height_mm=0.25 * thickness_like_mm,
            slope=side * math.tan(math.radians(11.3)) / stretch,
            reach_mm=9.0,
        )
    return MrTwin(name="plates", solids=solids, facts={"distance": 120.0 * stretch})


def flood_twin(radius_mm: float = 95.0) -> MrTwin:
    """A bottle of water."""
    water = Cylinder(signal=WATER, semi_axes_mm=(radius_mm, radius_mm), z_mm=(-60.0, 60.0))
    return MrTwin(name="flood", solids={"water": water}, facts={})


def single_images(scan: MrScan, twin: MrTwin, rng: np.random.Generator, n: int = 1) -> list[Series]:
    """The same slice n times."""
    found = []
    for _ in range(n):
        pixels = twin.images(
            scan.grid, [scan.placement.z_mm], thickness_mm=scan.thickness_mm, placement=scan.placement,
            sensitivity=scan.sensitivity, ghost=1j * scan.ghost, sigma=scan.sigma, rng=rng,
        )  # fmt: skip
        found.append(as_series(pixels, scan.grid, [0.0], scan.field_t))
    return found


def shading_at(scan: MrScan, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Sensitivity of the one coil at points."""
    s = x * math.cos(scan.shading_rad) + y * math.sin(scan.shading_rad)
    return 1 + scan.shading * np.sin(2 * np.pi * s / scan.period_mm)


def epi_series(
    rng: np.random.Generator,
    *,
    n_times: int = 120,
    radius_mm: float = 80.0,
    center_mm: tuple[float, float] = (0.0, 0.0),
    sigma: float = 10.0,
    fluctuation: float = 0.0,
    drift: float = 0.0,
    ghost: float = 0.0,
    n_lost: int = 2,
) -> tuple[Series, dict[str, float]]:
    """A bottle in time: pixel noise, a common fluctuation and a drift that rises all the way."""
    grid = ImageGrid(shape=(64, 70), spacing_mm=(3.6, 3.4))
    quiet = (
        flood_twin(radius_mm)
        .images(grid, [0.0], thickness_mm=4.0, placement=Placement(center_mm=center_mm), ghost=1j * ghost)[0]
        .astype(float)
    )
    t = np.linspace(-0.5, 0.5, n_times)
    course = 1 + drift * t + fluctuation * rng.standard_normal(n_times)
    course = np.concatenate([[1.4, 1.15][:n_lost], course])
    noise = sigma * rng.standard_normal((2, len(course), *grid.shape))
    images = np.abs(course[:, None, None] * quiet + noise[0] + 1j * noise[1])
    series = as_series(images, grid, np.zeros(len(course)), 3.0)
    whole = math.hypot(sigma, fluctuation * WATER)
    square = math.hypot(sigma / 21, fluctuation * WATER)
    truth = {
        "signal": WATER,
        "SNR": WATER / sigma,
        "SFNR": WATER / whole,
        "percent fluctuation": 100 * square / WATER,
        "percent drift": 100 * abs(drift),
        "radius of decorrelation": whole / square,
    }
    return series, truth
