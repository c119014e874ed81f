"""Slices 8 to 11 of an ACR MRI phantom: how many spokes of low contrast stand out of the noise.

Every slice is described by a polynomial of eighth order and the thirty disks of its drawing, fitted at once
with the disks of the sheets before and behind it: the slice profile does not end at the slice, and what
reaches to the next sheet shows its disks, bright or dark, where no disk of this one is.
What is left is noise as it is in this image, correlated or not, with the ringing of the edges. The same
matched filter that measures a disk is run over it, and its standard deviation, in a ring of 6 mm width
around each of the three circles of disks, is the uncertainty of that disk. A disk is seen where its contrast
is positive beyond chance, with the false discoveries among the thirty of a slice held at 1.25 % (Benjamini
and Hochberg); a spoke where all three of its disks are; the score of a slice is the number of spokes before
the first that is not.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage, special

from imgtech.geometry import ImageGrid
from imgtech.phantoms.twins.acr_mri import SPOKE_DIAMETERS_MM, SPOKE_RADII_MM, spoke_centers
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics.rim import Rim, disk_rim
from imgtech.qc.pose import Pose, grid_indices
from imgtech.qc.protocols._acr_mri_scan import Scan

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Complexes = npt.NDArray[np.complex128]

SHEETS = (8, 9, 10, 11)
SHEET_DEFINITION = Source(
    document="ACR Phantom Test Guidance for the MRI Accreditation Program",
    edition="2015",
    clause="7 Low-contrast object detectability",
    verified=False,
)
SHEET_ALGORITHM = "low-contrast-matched-filter-2"
ALPHA = 0.0125
_ORDER = 8
_EDGE_MM = 1.2
_WIDEST_MM = 3.0
_RING_MM = 3.0
_AROUND_MM = 42.0
_ROUNDS = (
    (np.arange(-1.6, 1.61, 0.8), np.deg2rad(np.arange(-2.0, 2.1, 1.0))),
    (np.arange(-0.6, 0.61, 0.2), np.deg2rad(np.arange(-0.75, 0.8, 0.25))),
)
_DRAWS = 400
_COUNT = 1 / math.sqrt(12)
_MIN_DEGREES = 5.0
_TEMPLATE = 0.015  # of a contrast: how far filters of the scanner leave the shape of a disk open


@dataclass(frozen=True, kw_only=True, eq=False)
class Sheet:
    """One low-contrast slice, fitted.

    Parameters
    ----------
    role : int
        8 to 11.
    rim : Rim
        Edge of the water over the sheet.
    pose : Pose
        Centred on the spokes.
    contrasts, deviations, degrees : numpy.ndarray
        ``(spoke, disk)``: height over the background there, its standard deviation, and the number of places
        at which that was measured.
    neighbours : dict of int to float
        Contrast at which the disks of the sheets before and behind are seen in this slice.
    """

    role: int
    rim: Rim
    pose: Pose
    contrasts: Floats
    deviations: Floats
    degrees: Floats
    neighbours: dict[int, float]

    @property
    def seen(self) -> Bools:
        """Which disks stand out, ``(spoke, disk)``."""
        return _discoveries(self._chances(self.contrasts / self.deviations)[None])[0]

    @property
    def score(self) -> int:
        """Spokes before the first that is not complete."""
        return int(_complete(self.seen[None])[0])

    def scores_again(self) -> npt.NDArray[np.int64]:
        """Scores where the noise is drawn anew on top of what was found."""
        rng = np.random.default_rng(20261126 + self.role)
        ratios = self.contrasts / self.deviations + rng.standard_normal((_DRAWS, *self.contrasts.shape))
        return _complete(_discoveries(self._chances(ratios)))

    def contrast(self) -> tuple[float, float]:
        """Weighted mean contrast of all disks and its standard uncertainty."""
        weights = 1 / self.deviations**2
        value = float((weights * self.contrasts).sum() / weights.sum())
        return value, 1 / math.sqrt(float(weights.sum()))

    def _chances(self, ratios: Floats) -> Floats:
        """Probability of such a ratio, or a larger one, where there is no disk."""
        return np.asarray(special.stdtr(self.degrees, -ratios))


def find_sheets(scan: Scan) -> dict[int, Sheet | str]:
    """The low-contrast slices, or why one cannot be measured; all share the place of their spokes."""
    rims: dict[int, Rim] = {}
    found: dict[int, Sheet | str] = {}
    for role in SHEETS:
        try:
            rims[role] = _insert(scan, role)
        except ValueError as error:
            found[role] = str(error)
    if not rims:
        return found
    move, turn = _spokes(scan, rims)
    for role, rim in rims.items():
        center = rim.center_mm[0] + move[0], rim.center_mm[1] + move[1]
        pose = dataclasses.replace(scan.pose, center_mm=center, angle_rad=scan.pose.angle_rad + turn)
        found[role] = _fitted(scan.image(role), scan.grid, role, rim, pose)
    return dict(sorted(found.items()))


def total_score(sheets: dict[int, Sheet | str]) -> Measurement:
    """Sum of the scores of the four slices."""
    whole = []
    for role in SHEETS:
        sheet = sheets.get(role, "it is missing")
        if isinstance(sheet, str):
            raise ValueError(f"slice {role}: {sheet}")
        whole.append(sheet)
    again = np.sum([s.scores_again() for s in whole], axis=0)
    details: dict[str, float | str] = {f"slice {s.role}": float(s.score) for s in whole}
    return _score(sum(s.score for s in whole), again, details)


def sheet_score(sheet: Sheet | str) -> Measurement:
    """Score of one slice, with the contrast of its disks."""
    if isinstance(sheet, str):
        raise ValueError(sheet)
    seen = sheet.seen.sum(axis=1)
    details: dict[str, float | str] = {f"spoke {i + 1}: disks seen": float(n) for i, n in enumerate(seen)}
    return _score(sheet.score, sheet.scores_again(), details)


def sheet_contrast(sheet: Sheet | str) -> Measurement:
    """Contrast of one slice in percent of the signal beside its disks."""
    if isinstance(sheet, str):
        raise ValueError(sheet)
    value, spread = sheet.contrast()
    return Measurement(
        name="contrast",
        value=100 * value,
        unit="%",
        uncertainty=100 * math.hypot(spread, _TEMPLATE * value),
        definition=SHEET_DEFINITION,
        algorithm=SHEET_ALGORITHM,
        details={f"disks of slice {r} shine through (%)": 100 * c for r, c in sheet.neighbours.items()},
    )


def _score(value: int, again: npt.NDArray[np.int64], details: dict[str, float | str]) -> Measurement:
    return Measurement(
        name="score",
        value=float(value),
        unit="1",
        uncertainty=math.hypot(float(again.std()), _COUNT),
        definition=SHEET_DEFINITION,
        algorithm=SHEET_ALGORITHM,
        details=details,
    )


def _insert(scan: Scan, role: int) -> Rim:
    """Rim of the water over the sheet."""
    center = scan.pose_in(role).to_image_mm(*scan.drawing.sheet_center_mm)
    radius = scan.drawing.sheet_radius_mm
    middle = float(center[0]), float(center[1])
    box, around = _box(scan.grid, middle, radius + _AROUND_MM)
    rim = disk_rim(scan.image(role)[box], around, center_mm=middle, radius_mm=radius)
    if abs(rim.radius_mm - radius) > _WIDEST_MM:
        raise ValueError(
            f"the low-contrast insert measures {2 * rim.radius_mm:.1f} mm across, not {2 * radius:.0f} mm"
        )
    return rim


def _spokes(scan: Scan, rims: dict[int, Rim]) -> tuple[tuple[float, float], float]:
    """Shift and turn, common to all slices, at which the disks of the drawing are brightest.

    Each of 30 disks in four slices pulls a little: a shift that fits the noise of one misfits the others.
    """
    layers = []
    for role, rim in rims.items():
        box, grid, y, x = _window(scan.grid, rim)
        pixels = scan.image(role)[box]
        inside = np.hypot(y, x) < rim.radius_mm - _EDGE_MM
        rest = np.where(inside, pixels - _background(pixels, inside, y, x), 0.0)
        rest /= float(rest[inside].std())
        room = _room(rest, grid)
        spectrum = fft.rfft2(rest, room)
        for centers, diameter in zip(spoke_centers(role), SPOKE_DIAMETERS_MM, strict=True):
            (heights,) = _filtered([spectrum], rest.shape, diameter, grid, room)
            heights = heights / math.sqrt(float((_kernel(diameter, grid.spacing_mm) ** 2).sum()))
            layers.append((heights, grid, rim, np.array(centers)))
    move, turn = np.zeros(2), 0.0
    for shifts, turns in _ROUNDS:
        moves = move + np.array([(dy, dx) for dy in shifts for dx in shifts])
        tried = turn + turns
        total = np.zeros((len(tried), len(moves)))
        for heights, grid, rim, spoke in layers:
            places = []
            for angle in tried:
                turned = scan.pose.angle_rad + float(angle)
                pose = dataclasses.replace(scan.pose, center_mm=rim.center_mm, angle_rad=turned)
                places.append(np.stack(pose.to_image_mm(spoke[:, 0], spoke[:, 1])))
            py, px = np.moveaxis(np.array(places), 1, 0)
            at = grid_indices(grid, py[:, None] + moves[:, :1], px[:, None] + moves[:, 1:])
            total += ndimage.map_coordinates(heights, np.stack(at), order=1).sum(axis=-1)
        k, best = (int(i) for i in np.unravel_index(int(np.argmax(total)), total.shape))
        move, turn = moves[best], float(tried[k])
    return (float(move[0]), float(move[1])), turn


def _fitted(image: Floats, grid: ImageGrid, role: int, rim: Rim, pose: Pose) -> Sheet:
    box, small, y, x = _window(grid, rim)
    pixels = image[box]
    inside = np.hypot(y, x) < rim.radius_mm - _EDGE_MM
    places = _places(pose, role)
    powers = _powers(y[inside] / rim.radius_mm, x[inside] / rim.radius_mm)
    beyond = [r for r in (role - 1, role + 1) if r in SHEETS]
    n, m = len(powers), len(powers) + len(beyond)
    rows = np.empty((m + 30, powers.shape[1]))
    rows[:n] = powers
    for row, other in zip(rows[n:m], beyond, strict=True):
        spectra = [
            _disks_spectrum(small, spoke, diameter)
            for spoke, diameter in zip(_places(pose, other), SPOKE_DIAMETERS_MM, strict=True)
        ]
        row[:] = fft.irfft2(sum(spectra), small.shape)[inside]
    disks = rows[m:]
    for i, place in enumerate(places.reshape(-1, 2)):
        disks[i] = _disk(small, place, SPOKE_DIAMETERS_MM[i // 3])[inside]
    inverse = np.linalg.inv(rows @ rows.T)
    fit = inverse @ (rows @ pixels[inside])
    heights = fit[m:].reshape(10, 3)
    rest = np.zeros(pixels.shape)
    rest[inside] = pixels[inside] - fit @ rows
    beside = (fit[:n] @ powers[:, np.argmax(disks, axis=1)]).reshape(10, 3)
    own = np.diag(inverse)[m:] * [float(disk @ disk) for disk in disks]
    deviations, degrees = _spread(rest, inside, small, y, x, places)
    # what a disk shares with background and neighbours: missing in the rest, and more of it in its height
    deviations *= own.reshape(10, 3)
    level = np.maximum(beside, 1e-12)
    return Sheet(
        role=role,
        rim=rim,
        pose=pose,
        contrasts=heights / level,
        deviations=deviations / level,
        degrees=degrees,
        neighbours=dict(zip(beyond, (fit[n:m] / float(np.median(level))).tolist(), strict=True)),
    )


def _places(pose: Pose, role: int) -> Floats:
    """Where the disks of a sheet lie in the image, ``(spoke, disk, (y, x))``."""
    centers = np.array(spoke_centers(role))
    return np.stack(pose.to_image_mm(centers[..., 0], centers[..., 1]), axis=-1)


def _spread(
    rest: Floats, inside: Bools, grid: ImageGrid, y: Floats, x: Floats, places: Floats
) -> tuple[Floats, Floats]:
    """Standard deviation of a disk's height in its ring, and the number of independent places there."""
    radius = np.hypot(y, x)
    rows, columns = grid.coordinates_mm
    nearest = np.full(rest.shape, np.inf)
    for py, px in places.reshape(-1, 2):
        nearest = np.minimum(nearest, (rows[:, None] - py) ** 2 + (columns - px) ** 2)
    nearest = np.sqrt(nearest)
    room = _room(rest, grid)
    spectra = [fft.rfft2(a, room) for a in (rest, inside.astype(np.float64))]
    deviations, degrees = np.empty((10, 3)), np.empty((10, 3))
    for spoke, diameter in enumerate(SPOKE_DIAMETERS_MM):
        kernel = _kernel(diameter, grid.spacing_mm)
        heights, covered = _filtered(spectra, rest.shape, diameter, grid, room)
        heights = heights / float((kernel**2).sum())
        within = covered > 0.98 * kernel.sum()
        within &= nearest > diameter / 2
        for ring in range(3):
            here = within & (np.abs(radius - SPOKE_RADII_MM[ring]) < _RING_MM)
            area = float(here.sum()) * grid.spacing_mm[0] * grid.spacing_mm[1]
            degrees[spoke, ring] = max(area / (math.pi * diameter**2 / 4), _MIN_DEGREES)
            deviations[spoke, ring] = math.sqrt(float(np.mean(heights[here] ** 2))) if here.any() else np.nan
    floor = float(rest[inside].std())
    return np.where(np.isfinite(deviations) & (deviations > 0), deviations, max(floor, 1e-12)), degrees


def _window(grid: ImageGrid, rim: Rim) -> tuple[tuple[slice, slice], ImageGrid, Floats, Floats]:
    """The pixels around an insert, with their offsets from its middle."""
    box, small = _box(grid, rim.center_mm, *(rim.radius_mm + 2 * d for d in grid.spacing_mm))
    y, x = small.coordinates_mm
    y, x = np.broadcast_arrays(y[:, None] - rim.center_mm[0], x[None, :] - rim.center_mm[1])
    return box, small, y, x


def _box(
    grid: ImageGrid, center: tuple[float, float], *reach: float
) -> tuple[tuple[slice, slice], ImageGrid]:
    """The pixels within a reach (of either axis) of a place, a few more where that is quicker."""
    box, centers = [], []
    for axis, (c, places) in enumerate(zip(center, grid.coordinates_mm, strict=True)):
        first, last = np.searchsorted(places, [c - reach[axis % len(reach)], c + reach[axis % len(reach)]])
        last = min(int(first) + fft.next_fast_len(int(last - first)), len(places))
        box.append(slice(int(first), last))
        centers.append(float(places[first] + places[last - 1]) / 2)
    shape = (box[0].stop - box[0].start, box[1].stop - box[1].start)
    small = ImageGrid(shape=shape, spacing_mm=grid.spacing_mm, center_mm=(centers[0], centers[1]))
    return (box[0], box[1]), small


def _powers(y: Floats, x: Floats) -> Floats:
    """All terms up to the eighth order, one a row."""
    ys, xs = [np.ones_like(y)], [np.ones_like(x)]
    for _ in range(_ORDER):
        ys.append(ys[-1] * y)
        xs.append(xs[-1] * x)
    terms = [(i, j) for i in range(_ORDER + 1) for j in range(_ORDER + 1 - i)]
    rows = np.empty((len(terms), y.size))
    for row, (i, j) in zip(rows, terms, strict=True):
        np.multiply(ys[i], xs[j], out=row.reshape(y.shape))
    return rows


def _background(pixels: Floats, inside: Bools, y: Floats, x: Floats) -> Floats:
    reach = float(np.hypot(y, x)[inside].max())
    powers = _powers(y / reach, x / reach)
    known = powers[:, inside.ravel()]
    fit = np.linalg.solve(known @ known.T, known @ pixels[inside])
    return np.asarray((fit @ powers).reshape(pixels.shape))


@lru_cache(maxsize=64)
def _kernel(diameter: float, spacing: tuple[float, ...]) -> Floats:
    half = [math.ceil(diameter / 2 / d) + 2 for d in spacing]
    grid = ImageGrid(shape=(2 * half[0] + 1, 2 * half[1] + 1), spacing_mm=(spacing[0], spacing[1]))
    return _disk(grid, (0.0, 0.0), diameter)


@lru_cache(maxsize=64)
def _kernel_spectrum(diameter: float, spacing: tuple[float, ...], room: tuple[int, ...]) -> Complexes:
    return np.asarray(fft.rfft2(_kernel(diameter, spacing), room))


def _room(pixels: Floats, grid: ImageGrid) -> tuple[int, ...]:
    """Shape in which pixels and the largest kernel do not wrap around."""
    largest = _kernel(max(SPOKE_DIAMETERS_MM), grid.spacing_mm).shape
    return tuple(fft.next_fast_len(n + m, real=True) for n, m in zip(pixels.shape, largest, strict=True))


def _filtered(
    spectra: list[Complexes], shape: tuple[int, ...], diameter: float, grid: ImageGrid, room: tuple[int, ...]
) -> list[Floats]:
    """Pixels of which the spectra are known, convolved with the kernel of a disk."""
    turned = _kernel_spectrum(diameter, grid.spacing_mm, room)
    first = [(m - 1) // 2 for m in _kernel(diameter, grid.spacing_mm).shape]
    same = tuple(slice(f, f + n) for f, n in zip(first, shape, strict=True))
    return [fft.irfft2(a * turned, room)[same] for a in spectra]


def _disk(grid: ImageGrid, center: npt.ArrayLike, diameter: float) -> Floats:
    """A disk of height 1 as a scanner shows it that samples k-space up to the edge of the raster."""
    return np.asarray(fft.irfft2(_disks_spectrum(grid, np.reshape(center, (1, 2)), diameter), grid.shape))


def _disks_spectrum(grid: ImageGrid, centers: Floats, diameter: float) -> Complexes:
    """Sum of the transforms of disks at ``(y, x)``, real in the image: half of the frequencies along x."""
    waves = []
    for axis, (n, d, places) in enumerate(zip(grid.shape, grid.spacing_mm, grid.coordinates_mm, strict=True)):
        k = np.fft.fftfreq(n, d)
        waves.append(np.exp(-2j * np.pi * np.outer(centers[:, axis] - places[0], k)))
    (ny, nx), half = grid.shape, grid.shape[1] // 2
    rows, columns = waves[0], waves[1][:, : half + 1]
    corner = float((rows[:, ny // 2] * columns[:, half]).real.sum())
    if ny % 2 == 0:
        rows[:, ny // 2] = rows[:, ny // 2].real
    spectrum = _disk_spectrum(grid.shape, grid.spacing_mm, diameter)
    product = spectrum * (rows.T @ columns)
    if ny % 2 == 0 and nx % 2 == 0:
        product[ny // 2, half] = spectrum[ny // 2, half] * corner
    return np.asarray(product / (grid.spacing_mm[0] * grid.spacing_mm[1]))


@lru_cache(maxsize=64)
def _disk_spectrum(shape: tuple[int, ...], spacing: tuple[float, ...], diameter: float) -> Floats:
    ky, kx = np.fft.fftfreq(shape[0], spacing[0]), np.fft.rfftfreq(shape[1], spacing[1])
    a = np.maximum(math.pi * diameter * np.hypot(ky[:, None], kx), 1e-9)
    return np.asarray(math.pi * diameter**2 / 4 * 2 * special.j1(a) / a)


def _discoveries(chances: Floats) -> Bools:
    """Which chances of every draw ``(draw, spoke, disk)`` are discoveries (Benjamini, Hochberg 1995)."""
    flat = np.sort(chances.reshape(len(chances), -1), axis=1)
    n = flat.shape[1]
    allowed = flat <= ALPHA * np.arange(1, n + 1) / n
    last = n - 1 - np.argmax(allowed[:, ::-1], axis=1)
    cut = np.where(allowed.any(axis=1), flat[np.arange(len(flat)), last], -1.0)
    return np.asarray(chances <= cut[:, None, None])


def _complete(seen: Bools) -> npt.NDArray[np.int64]:
    """Spokes before the first that is not complete, of every ``(draw, spoke, disk)``."""
    return np.asarray(np.cumprod(seen.all(axis=2), axis=1).sum(axis=1))
