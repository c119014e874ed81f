"""Digital twin of an ultrasound phantom: images with closed-form statistics, and scatterers for echoes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from imgtech._core.validate import count, finite, positive, two
from imgtech.geometry import ImageGrid
from imgtech.phantoms.echoes import Scatterers
from imgtech.phantoms.placed import pair, positive_pair
from imgtech.phantoms.twins.placement import Placement, SlicePlace
from imgtech.phantoms.twins.us_drawing import UsDrawing, us_drawing

Floats = npt.NDArray[np.float64]

_FWHM = math.sqrt(8 * math.log(2))
_REACH = 4.0


@dataclass(frozen=True, kw_only=True)
class UsTwin:
    r"""An ultrasound phantom in front of a scanner of which everything is known.

    The image is the envelope of

    .. math:: b = h * (a\,w) + \sum_j A\, h_j\, e^{i\varphi_j} + n

    with complex normal scatterers w of amplitude a (1 in the tissue), a Gaussian point response h whose
    envelope is ``axial_fwhm_mm`` and :math:`\ell(z) = \ell_0 \sqrt{1 + ((z - z_0)/z_r)^2}` wide, wires of
    random phase, and complex normal noise whose power equals that of the tissue at ``noise_depth_mm`` and
    rises by ``noise_slope_db_per_mm``. Without wires every pixel is Rayleigh distributed with the power of
    :meth:`power`.

    Parameters
    ----------
    drawing : UsDrawing, optional
        The phantom.
    axial_fwhm_mm, lateral_fwhm_mm : float, optional
        Full widths at half maximum of a point at the focus.
    focus_mm, focal_zone_mm : float, optional
        Depth of the focus, and how far from it the lateral width has grown by the root of 2.
    wire_db : float, optional
        Peak of a wire over the root mean square of the tissue.
    noise_depth_mm, noise_slope_db_per_mm : float, optional
        Depth of penetration (equal powers), and how fast noise rises against the tissue.
    scale : (float, float), optional
        Depths and lateral places are shown multiplied by this.
    shadows : mapping of float to float, optional
        Gains in dB of 1.5 mm wide strips of the image by their lateral place in mm: dead or weak elements.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.phantoms.twins import Placement, UsTwin
    >>> grid = ImageGrid(shape=(700, 220), spacing_mm=(0.1, 0.25), center_mm=(36.0, 0.0))
    >>> twin, place = UsTwin(), Placement(center_mm=(1.0, -5.0), roll_rad=0.03)
    >>> image = twin.images(grid, placement=place, rng=np.random.default_rng(1))[0]
    >>> image.shape, round(float((image**2).mean()), 1) > 1
    ((700, 220), True)
    """

    drawing: UsDrawing = field(default_factory=us_drawing)
    axial_fwhm_mm: float = 0.5
    lateral_fwhm_mm: float = 0.9
    focus_mm: float = 35.0
    focal_zone_mm: float = 35.0
    wire_db: float = 26.0
    noise_depth_mm: float = 66.0
    noise_slope_db_per_mm: float = 0.5
    scale: tuple[float, float] = (1.0, 1.0)
    shadows: Mapping[float, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (
            "axial_fwhm_mm", "lateral_fwhm_mm", "focus_mm", "focal_zone_mm", "noise_depth_mm",
            "noise_slope_db_per_mm",
        ):  # fmt: skip
            positive(name, getattr(self, name))
        finite("wire_db", self.wire_db)
        positive_pair("scale", self.scale)
        for place, gain in self.shadows.items():
            finite("shadows", place)
            finite("shadows", gain)

    def lateral_width_mm(self, depth_mm: npt.ArrayLike) -> Floats:
        """Full lateral width at half maximum of a point at a depth."""
        away = (np.asarray(depth_mm, dtype=np.float64) - self.focus_mm) / self.focal_zone_mm
        return np.asarray(self.lateral_fwhm_mm * np.sqrt(1 + away**2))

    def places_mm(self, points_mm: npt.ArrayLike, placement: Placement) -> Floats:
        """Image places ``(y, x)`` of points ``(v, u)`` of the drawing, shape ``(n, 2)``."""
        place = _slice(placement)
        found = [place.to_image(float(v), float(u)) for v, u in np.asarray(points_mm, dtype=np.float64)]
        return np.reshape(found, (-1, 2)) * np.asarray(self.scale)

    def images(
        self, grid: ImageGrid, *, placement: Placement, rng: np.random.Generator, n_images: int = 1
    ) -> Floats:
        """Envelopes of the same phantom at rest, each with noise of its own.

        Parameters
        ----------
        grid : ImageGrid
            Pixels ``(y, x)``: depth from the probe, and across.
        placement : Placement
            Where v = u = 0 lies, roll and mirror image; the rest of it is not used.
        rng : numpy.random.Generator
            Source of the random numbers.
        n_images : int, optional
            How many.

        Returns
        -------
        numpy.ndarray
            Envelopes ``(n_images, ny, nx)``; the tissue has the mean square 1.
        """
        n = count("n_images", n_images)
        wide, inner = self._padded(grid)
        white = _complex(rng, wide.shape) * self._amplitude(wide, placement)
        tissue = self._blurred(white, wide, power=False)[inner]
        tissue += self._wires(grid, placement, rng)
        tissue *= self._gains(grid)
        noise = self._noise_power(grid)[:, None] ** 0.5
        out = np.empty((n, *grid.shape))
        for image in out:
            shades = self._blurred(_complex(rng, wide.shape), wide, power=False)[inner]
            image[:] = np.abs(tissue + noise * shades)
        return out

    def noise_image(self, grid: ImageGrid, *, rng: np.random.Generator) -> Floats:
        """Envelope of the noise alone, as with the transmission turned off."""
        wide, inner = self._padded(grid)
        shades = self._blurred(_complex(rng, wide.shape), wide, power=False)[inner]
        return np.asarray(np.abs(shades) * self._noise_power(grid)[:, None] ** 0.5)

    def power(self, grid: ImageGrid, *, placement: Placement) -> Floats:
        """Expected square of the envelope of tissue, targets and noise, without the wires."""
        wide, inner = self._padded(grid)
        tissue = self._blurred(self._amplitude(wide, placement) ** 2, wide, power=True)[inner]
        return np.asarray(tissue.real * self._gains(grid) ** 2 + self._noise_power(grid)[:, None])

    def scatterers(
        self,
        region_mm: tuple[tuple[float, float], tuple[float, float]],
        *,
        placement: Placement,
        density_per_mm2: float,
        rng: np.random.Generator,
    ) -> Scatterers:
        """The phantom as points whose echoes a probe records.

        Parameters
        ----------
        region_mm : ((float, float), (float, float))
            Depths and lateral places that hold scatterers.
        placement : Placement
            Where the phantom lies.
        density_per_mm2 : float
            Points per square millimetre; ten or more in a resolution cell for developed speckle.
        rng : numpy.random.Generator
            Source of the random numbers.

        Returns
        -------
        Scatterers
            Points of the tissue, of one strength and random sign, and the wires: ``wire_db`` over the root
            mean square of speckle for a point response of the widths at the focus.

        Raises
        ------
        ValueError
            If the density is not positive or the ends of the region do not ascend.
        """
        depths, across = two("region_mm", region_mm, "(depths, lateral places)")
        top, bottom = _ascending("region_mm", depths)
        left, right = _ascending("region_mm", across)
        density = positive("density_per_mm2", density_per_mm2)
        n = int(rng.poisson(density * (bottom - top) * (right - left)))
        y, x = rng.uniform(top, bottom, n), rng.uniform(left, right, n)
        strength = rng.choice([-1.0, 1.0], n) * self._strength(y, x, placement)
        kept = strength != 0
        tissue = Scatterers(np.stack([y, x], axis=1)[kept], strength[kept])
        cell = math.pi * self.axial_fwhm_mm * self.lateral_fwhm_mm / _FWHM**2
        bright = 10 ** (self.wire_db / 20) * math.sqrt(density * cell)
        wires = self.places_mm(self.drawing.wires_mm, placement)
        seen = ((wires >= [top, left]) & (wires <= [bottom, right])).all(axis=1)
        if not seen.any():
            return tissue
        return tissue + Scatterers(wires[seen], np.full(int(seen.sum()), bright))

    def _strength(self, y: Floats, x: Floats, placement: Placement) -> Floats:
        """Amplitude of scatterers at true places of the image."""
        amplitude = np.ones(np.broadcast_shapes(y.shape, x.shape))
        place = _slice(placement)
        for target in self.drawing.targets:
            cy, cx = place.to_image(*target.center_mm)
            amplitude[np.hypot(y - cy, x - cx) <= target.radius_mm] = target.amplitude
        return amplitude

    def _amplitude(self, grid: ImageGrid, placement: Placement) -> Floats:
        y, x = (c / s for c, s in zip(grid.coordinates_mm, self.scale, strict=True))
        return self._strength(y[:, None], x[None, :], placement)

    def _padded(self, grid: ImageGrid) -> tuple[ImageGrid, tuple[slice, slice]]:
        depths = grid.coordinates_mm[0]
        widest = float(self.lateral_width_mm(depths[[0, -1]]).max())
        margins = [
            math.ceil(_REACH * width / _FWHM / spacing) + 1
            for width, spacing in zip((self.axial_fwhm_mm, widest), grid.spacing_mm, strict=True)
        ]
        shape = tuple(n + 2 * m for n, m in zip(grid.shape, margins, strict=True))
        wide = ImageGrid(shape=shape, spacing_mm=grid.spacing_mm, center_mm=grid.center_mm)
        my, mx = margins
        return wide, (slice(my, my + grid.shape[0]), slice(mx, mx + grid.shape[1]))

    def _blurred(
        self, values: npt.NDArray[np.number], grid: ImageGrid, *, power: bool
    ) -> npt.NDArray[np.complex128]:
        """Filter by the point response, of unit energy, or its square, of unit sum."""
        narrow = math.sqrt(2) if power else 1.0
        sigma = self.axial_fwhm_mm / _FWHM / grid.spacing_mm[0] / narrow
        lags = np.arange(-math.ceil(_REACH * sigma), math.ceil(_REACH * sigma) + 1)
        kernel = np.exp(-(lags**2) / (2 * sigma**2))
        kernel /= kernel.sum() if power else math.sqrt(float(kernel @ kernel))
        blurred = ndimage.convolve1d(values, kernel, axis=0, mode="constant")
        widths = self.lateral_width_mm(np.maximum(grid.coordinates_mm[0], 0.0)) / _FWHM / narrow
        f = fft.fftfreq(grid.shape[1], grid.spacing_mm[1])
        gain = np.exp(-2 * (math.pi * widths[:, None] * f) ** 2)
        if not power:
            gain /= np.sqrt((gain**2).mean(axis=1, keepdims=True))
        return np.asarray(fft.ifft(fft.fft(blurred, axis=1) * gain, axis=1))

    def _wires(
        self, grid: ImageGrid, placement: Placement, rng: np.random.Generator
    ) -> npt.NDArray[np.complex128]:
        out = np.zeros(grid.shape, dtype=np.complex128)
        y, x = grid.coordinates_mm
        for cy, cx in self.places_mm(self.drawing.wires_mm, placement):
            sy, sx = self.axial_fwhm_mm / _FWHM, float(self.lateral_width_mm(cy)) / _FWHM
            wave = 10 ** (self.wire_db / 20) * np.exp(2j * math.pi * rng.uniform())
            out += (
                wave
                * np.exp(-((y - cy) ** 2) / (2 * sy**2))[:, None]
                * np.exp(-((x - cx) ** 2) / (2 * sx**2))
            )
        return out

    def _gains(self, grid: ImageGrid) -> Floats:
        gains = np.ones(grid.shape[1])
        for place, gain in self.shadows.items():
            gains[np.abs(grid.coordinates_mm[1] - place) <= 0.75] *= 10 ** (gain / 20)
        return gains

    def _noise_power(self, grid: ImageGrid) -> Floats:
        rise = self.noise_slope_db_per_mm * (grid.coordinates_mm[0] - self.noise_depth_mm)
        return np.asarray(10 ** (rise / 10))


def _slice(placement: Placement) -> SlicePlace:
    return placement.at(placement.z_mm, thickness_mm=1.0)


def _complex(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.complex128]:
    return np.asarray((rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / math.sqrt(2))


def _ascending(name: str, ends: tuple[float, float]) -> tuple[float, float]:
    low, high = pair(name, ends)
    if low >= high:
        raise ValueError(f"{name} must ascend, got {ends}")
    return low, high
