"""A digital twin of an MR phantom: its k-space in closed form, and the images a scanner would make of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Complex
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import finite, floats, not_negative, positive
from imgtech.geometry import ImageGrid
from imgtech.phantoms.coils import CoilSensitivities
from imgtech.phantoms.phantom import Phantom
from imgtech.phantoms.placed import Shape2D
from imgtech.phantoms.twins.mr_solids import MrSolid
from imgtech.phantoms.twins.placement import Placement

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]


@dataclass(frozen=True, kw_only=True)
class MrTwin:
    """An MR phantom of which everything is known.

    A slice has a box-shaped profile. k-space is the closed-form Fourier transform of its shapes, sampled as
    a scanner does, so images show the truncation (ringing) that real ones show.

    Parameters
    ----------
    name : str
        Which phantom.
    solids : mapping of str to MrSolid
        By name; around them is nothing.
    facts : mapping of str to float, optional
        True values by name.

    Raises
    ------
    ValueError
        If there is no solid.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms.twins import Cylinder, MrTwin
    >>> bottle = MrTwin(name="bottle", solids={
    ...     "water": Cylinder(signal=1000.0, semi_axes_mm=(60.0, 60.0), z_mm=(-50.0, 50.0)),
    ... })
    >>> grid = ImageGrid.square(64, fov_mm=200.0)
    >>> image = bottle.images(grid, [0.0], thickness_mm=5.0)[0]
    >>> abs(round(float(image[25:40, 25:40].mean())) - 1000) < 5
    True
    """

    name: str
    solids: Mapping[str, MrSolid]
    facts: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.solids:
            raise ValueError("solids must hold at least one solid, got none")
        if not isinstance(self.solids, Mapping) or not all(
            isinstance(s, MrSolid) for s in self.solids.values()
        ):
            raise ValueError(f"solids must map names to MrSolid, got {self.solids!r}")
        object.__setattr__(self, "solids", MappingProxyType(dict(self.solids)))
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))

    def section(
        self, position_mm: float, *, thickness_mm: float, placement: Placement | None = None
    ) -> Phantom:
        """One slice as a flat object, for any trajectory and any coils.

        Raises
        ------
        ValueError
            If nothing lies in the slice.
        """
        place = (placement or Placement()).at(position_mm, thickness_mm=thickness_mm)
        shapes: list[Shape2D] = [s for solid in self.solids.values() for s in solid.section(place)]
        if not shapes:
            raise ValueError(f"position_mm must be a slice that cuts the phantom, got {position_mm}")
        return Phantom(shapes=tuple(shapes))

    def kspace(
        self,
        grid: ImageGrid,
        position_mm: float,
        *,
        thickness_mm: float,
        placement: Placement | None = None,
        coils: CoilSensitivities | None = None,
    ) -> Complexes:
        r"""Signal of one slice on the Cartesian raster of a grid.

        Equal to :meth:`Phantom.kspace` of :meth:`section` on ``Trajectory.of_grid(grid)``, and quicker for
        many equal shapes.

        Parameters
        ----------
        grid : ImageGrid
            Pixels of the image that the raster belongs to.
        position_mm, thickness_mm : float
            The slice.
        placement : Placement, optional
            Where the phantom lies.
        coils : CoilSensitivities, optional
            Receive coils.

        Returns
        -------
        numpy.ndarray
            ``(ky, kx)``, with coils ``(coil, ky, kx)``, complex128, in signal times mm2; the centre of
            k-space is sample ``n // 2``.
        """
        shapes = self.section(position_mm, thickness_mm=thickness_mm, placement=placement).shapes
        return spectrum_of([s for s in shapes if isinstance(s, Shape2D)], grid, coils)

    def images(
        self,
        grid: ImageGrid,
        positions_mm: npt.ArrayLike,
        *,
        thickness_mm: float,
        placement: Placement | None = None,
        sensitivity: CoilSensitivities | None = None,
        ghost: complex = 0.0,
        sigma: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> npt.NDArray[np.float32]:
        """Magnitude images.

        Parameters
        ----------
        grid : ImageGrid
            Pixels of a slice, wherever it is centred.
        positions_mm : array_like
            Positions of the middles of the slices.
        thickness_mm : float
            Thickness of a slice.
        placement : Placement, optional
            Where the phantom lies; straight and in the middle by default.
        sensitivity : CoilSensitivities, optional
            One coil, to shade the image.
        ghost : complex, optional
            Every other line along y is multiplied by ``1 + ghost``, the rest by ``1 - ghost``: a copy of that
            height appears half a field of view away along y.
        sigma : float, optional
            Standard deviation of the noise in each of the real and the imaginary part of a pixel.
        rng : numpy.random.Generator, optional
            Source of the noise; needed where ``sigma`` is not 0.

        Returns
        -------
        numpy.ndarray
            ``(slice, y, x)``, float32.

        Raises
        ------
        ValueError
            If the thickness is not positive, the noise negative or without its source, or there are several
            coils (combine those by a reconstruction).
        """
        if sensitivity is not None and sensitivity.n_coils != 1:
            raise ValueError(f"sensitivity must be of one coil, got {sensitivity.n_coils}")
        positions = floats("positions_mm", np.atleast_1d(positions_mm))
        out = np.empty((len(positions), *grid.shape), dtype=np.float32)
        for plane, position in zip(out, positions, strict=True):
            signal = self.kspace(
                grid, float(position), thickness_mm=thickness_mm, placement=placement, coils=sensitivity
            )
            plane[:] = magnitude_image(signal, grid, ghost=ghost, sigma=sigma, rng=rng)
        return out


def spectrum_of(shapes: list[Shape2D], grid: ImageGrid, coils: CoilSensitivities | None) -> Complexes:
    """Signal of flat shapes on the Cartesian raster of a grid, ``(ky, kx)`` or ``(coil, ky, kx)``."""
    ky, kx = ((np.arange(n) - n // 2) / (n * d) for n, d in zip(grid.shape, grid.spacing_mm, strict=True))
    if coils is None:
        return _spectrum(shapes, ky, kx)
    signal = np.zeros((coils.n_coils, *grid.shape), dtype=np.complex128)
    for weights, shift in zip(coils.coefficients.T, coils.frequencies_per_mm, strict=True):
        signal += np.multiply.outer(weights, _spectrum(shapes, ky - shift[0], kx - shift[1]))
    return signal


def magnitude_image(
    signal: Complexes,
    grid: ImageGrid,
    *,
    ghost: complex,
    sigma: float,
    rng: np.random.Generator | None,
) -> npt.NDArray[np.float32]:
    """Magnitude image of the raster of one coil, with a ghost half a field of view away and noise."""
    spread = not_negative("sigma", sigma)
    if not isinstance(ghost, Complex) or not np.isfinite(ghost):
        raise ValueError(f"ghost must be a finite number, got {ghost!r}")
    if spread > 0 and rng is None:
        raise ValueError("rng must be given for noise, got None")
    odd = np.where((np.arange(grid.shape[0]) - grid.shape[0] // 2) % 2, -1.0, 1.0)[:, None]
    image = image_of(signal.reshape(grid.shape) * (1 + ghost * odd), grid)
    if rng is not None and spread > 0:
        noise = spread * rng.standard_normal((2, *grid.shape))
        image = image + noise[0] + 1j * noise[1]
    return np.abs(image).astype(np.float32)


def image_of(kspace: npt.ArrayLike, grid: ImageGrid) -> Complexes:
    """Image at the pixels of a grid, wherever it is centred, of the full Cartesian raster ``(ky, kx)``."""
    signal = np.asarray(kspace, dtype=np.complex128)
    for axis, (n, d, places) in enumerate(zip(grid.shape, grid.spacing_mm, grid.coordinates_mm, strict=True)):
        k = (np.arange(n) - n // 2) / (n * d)
        wave = np.exp(2j * np.pi * k * places[0])
        signal = signal * (wave[:, None] if axis == 0 else wave[None, :])
    image = np.fft.ifft2(np.fft.ifftshift(signal))
    return np.asarray(image / (grid.spacing_mm[0] * grid.spacing_mm[1]))


def cosine_shading(*, depth: float, period_mm: float, angle_rad: float = 0.0) -> CoilSensitivities:
    r"""One coil whose sensitivity is :math:`1 + d \sin(2 \pi s / L)` along a direction.

    Parameters
    ----------
    depth : float
        d, between 0 and 1.
    period_mm : float
        L; where it is four times the reach of the object, the shading rises all the way.
    angle_rad : float, optional
        The direction, from x towards y.

    Returns
    -------
    CoilSensitivities
        For :meth:`MrTwin.images`; real and positive.

    Raises
    ------
    ValueError
        If the depth is negative or not below 1, or the period not positive.

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms.twins import cosine_shading
    >>> shade = cosine_shading(depth=0.1, period_mm=400.0).maps(ImageGrid.square(3, fov_mm=300.0))
    >>> [round(float(s), 3) for s in shade[0, 1].real]
    [0.9, 1.0, 1.1]
    """
    d = not_negative("depth", depth)
    if d >= 1:
        raise ValueError(f"depth must be below 1, got {depth}")
    k = 1 / positive("period_mm", period_mm)
    turn = finite("angle_rad", angle_rad)
    wave = (k * math.sin(turn), k * math.cos(turn))
    return CoilSensitivities(
        coefficients=np.array([[1.0, -0.5j * d, 0.5j * d]]),
        frequencies_per_mm=np.array([(0.0, 0.0), wave, (-wave[0], -wave[1])]),
    )


def _spectrum(shapes: Iterable[Shape2D], ky: Floats, kx: Floats) -> Complexes:
    """Sum of the spectra on a raster; equal shapes at many places share one transform."""
    groups: dict[Shape2D, list[Shape2D]] = {}
    for shape in shapes:
        key = dataclasses.replace(shape, center_mm=(0.0, 0.0), value=1.0)
        groups.setdefault(key, []).append(shape)
    total = np.zeros((len(ky), len(kx)), dtype=np.complex128)
    for key, members in groups.items():
        places = np.array([m.center_mm for m in members])
        values = np.array([m.value for m in members])
        rows = np.exp(-2j * np.pi * np.multiply.outer(ky, places[:, 0])) * values
        columns = np.exp(-2j * np.pi * np.multiply.outer(places[:, 1], kx))
        total += key.spectrum(ky[:, None], kx[None, :]) * (rows @ columns)
    return total
