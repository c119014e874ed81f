"""Beam hardening of water and bone together, with a known spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import FloatArray, count, floats, not_negative, positive, real_image
from imgtech.geometry import FanBeam, ImageGrid, ParallelBeam
from imgtech.recon.ct.corrections._project import project
from imgtech.recon.ct.fbp import fbp

Floats = npt.NDArray[np.float64]
_TABLE = 4096
_NEWTON_STEPS = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class Spectrum(ArrayValue):
    r"""What a detector sees of a polychromatic beam behind water and bone.

    .. math:: p(L_w, L_b) = -\ln \sum_i w_i \exp(-\mu_{w,i} L_w - \mu_{b,i} L_b)

    Parameters
    ----------
    weights : array_like of float
        Share :math:`w_i` of each energy in the signal without an object; brought to the sum 1.
    water_per_mm, bone_per_mm : array_like of float
        Attenuation of water and of bone at each energy, for instance from
        https://dx.doi.org/10.18434/T4D01F (NIST SRD 126).
    reference_water_per_mm, reference_bone_per_mm : float
        Attenuation that both shall have in the corrected image: those of one energy.

    Raises
    ------
    ValueError
        If the lists differ in length, or an attenuation or the sum of the weights is not positive.

    Examples
    --------
    >>> from imgtech.recon.ct.corrections import Spectrum
    >>> tube = Spectrum(weights=[1, 2, 1], water_per_mm=[0.027, 0.021, 0.018], bone_per_mm=[0.13, 0.06, 0.04],
    ...                 reference_water_per_mm=0.02, reference_bone_per_mm=0.055)
    >>> tube.line_integrals([[50.0, 100.0]], [[0.0, 10.0]]).round(3)
    array([[1.075, 2.72 ]])
    """

    weights: Floats
    water_per_mm: Floats
    bone_per_mm: Floats
    reference_water_per_mm: float
    reference_bone_per_mm: float

    def __post_init__(self) -> None:
        weights = floats("weights", self.weights)
        if weights.min() < 0 or weights.sum() <= 0:
            raise ValueError(f"weights must not be negative and not all zero, got {weights.tolist()}")
        share = weights / weights.sum()
        share.setflags(write=False)
        object.__setattr__(self, "weights", share)
        for name in ("water_per_mm", "bone_per_mm"):
            values = floats(name, getattr(self, name))
            if values.shape != weights.shape:
                raise ValueError(f"{name} must hold {weights.size} values, got {values.size}")
            positive(name, float(values.min()))
            object.__setattr__(self, name, values)
        for name in ("reference_water_per_mm", "reference_bone_per_mm"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))

    def line_integrals(self, water_mm: npt.ArrayLike, bone_mm: npt.ArrayLike = 0.0) -> Floats:
        """Polychromatic line integrals behind lengths of water and bone, of any shape."""
        return self._with_slope(np.asarray(water_mm, dtype=np.float64), np.asarray(bone_mm, np.float64))[0]

    def _with_slope(self, water_mm: Floats, bone_mm: Floats) -> tuple[Floats, Floats]:
        """The line integral and its derivative by the length of water."""
        total = np.zeros(np.broadcast_shapes(water_mm.shape, bone_mm.shape))
        slope = np.zeros_like(total)
        for share, water, bone in zip(self.weights, self.water_per_mm, self.bone_per_mm, strict=True):
            part = share * np.exp(-water * water_mm - bone * bone_mm)
            total += part
            slope += water * part
        return -np.log(total), slope / total


def correct_water(sinogram: npt.ArrayLike, spectrum: Spectrum) -> FloatArray:
    """Turn polychromatic line integrals into those of water at the reference attenuation.

    The thickness of water that gives each value is looked up in a table of 4096 steps.

    Parameters
    ----------
    sinogram : array_like
        Line integrals, 2 or 3 axes.
    spectrum : Spectrum
        The beam.

    Returns
    -------
    numpy.ndarray
        Corrected line integrals; float64 for float64, float32 otherwise. Negative values (noise in air)
        are scaled by the slope at zero thickness.

    Raises
    ------
    ValueError
        If the sinogram is not finite.

    Examples
    --------
    >>> from imgtech.recon.ct.corrections import Spectrum, correct_water
    >>> tube = Spectrum(weights=[1, 1], water_per_mm=[0.03, 0.018], bone_per_mm=[0.1, 0.05],
    ...                 reference_water_per_mm=0.02, reference_bone_per_mm=0.06)
    >>> correct_water(tube.line_integrals([[25.0, 50.0, 200.0]]), tube).round(4)
    array([[0.5, 1. , 4. ]])
    """
    values = real_image("sinogram", sinogram, (2, 3))
    longest_mm = max(float(values.max()), 1e-3) / float(spectrum.water_per_mm.min()) * 1.01
    lengths = np.linspace(0.0, longest_mm, _TABLE)
    known, slope = spectrum._with_slope(lengths, np.zeros(1))
    found = np.where(values > 0, np.interp(values, known, lengths), values / slope[0])
    return np.asarray(found * spectrum.reference_water_per_mm, dtype=values.dtype)


def correct_bone(
    sinogram: npt.ArrayLike,
    beam: ParallelBeam | FanBeam,
    grid: ImageGrid,
    spectrum: Spectrum,
    *,
    bone_above_per_mm: float,
    n_passes: int = 2,
) -> FloatArray:
    r"""Correct the hardening by water and bone together, after Joseph and Spital 1978.

    The image of the water-corrected scan is cut at ``bone_above_per_mm``; its projection, divided by the
    reference attenuation of bone, is the length of bone :math:`L_b` on every ray. The length of water
    :math:`L_w` then follows from the measured value by Newton's method, and the corrected value is
    :math:`\mu_w L_w + \mu_b L_b`. Every pass cuts the image of the one before.

    Parameters
    ----------
    sinogram : array_like
        Polychromatic line integrals of one slice, ``(view, channel)``.
    beam : ParallelBeam or FanBeam
        The rays.
    grid : ImageGrid
        Pixels that hold all the bone.
    spectrum : Spectrum
        The beam and the two materials.
    bone_above_per_mm : float
        Attenuation from which a pixel of the corrected image is bone.
    n_passes : int, optional
        Number of passes.

    Returns
    -------
    numpy.ndarray
        Corrected line integrals ``(view, channel)``; float64 for float64, float32 otherwise.

    Raises
    ------
    ValueError
        If the sinogram does not have the shape of the beam or is not finite, or the threshold does not lie
        above the reference attenuation of water.

    References
    ----------
    Joseph and Spital 1978, https://doi.org/10.1097/00004728-197801000-00017

    Examples
    --------
    >>> from imgtech.geometry import ImageGrid, ParallelBeam
    >>> from imgtech.phantoms import uniform_disk
    >>> from imgtech.recon.ct import fbp
    >>> from imgtech.recon.ct.corrections import Spectrum, correct_bone
    >>> tube = Spectrum(weights=[1, 1], water_per_mm=[0.03, 0.018], bone_per_mm=[0.12, 0.05],
    ...                 reference_water_per_mm=0.02, reference_bone_per_mm=0.06)
    >>> beam = ParallelBeam.half_turn(n_views=90, n_channels=81, channel_spacing_mm=1.0)
    >>> grid = ImageGrid.square(80, fov_mm=80.0)
    >>> bone = uniform_disk(radius_mm=8.0, value=1.0, center_mm=(0.0, 15.0)).sinogram(beam)
    >>> water = uniform_disk(radius_mm=35.0, value=1.0).sinogram(beam) - bone
    >>> p = tube.line_integrals(water, bone)
    >>> image = fbp(correct_bone(p, beam, grid, tube, bone_above_per_mm=0.035), beam, grid, window="hann")
    >>> round(float(image[40, 55]), 3), round(float(image[40, 25]), 3)
    (0.06, 0.02)
    """
    measured = real_image("sinogram", sinogram, 2, beam.shape)
    limit = positive("bone_above_per_mm", bone_above_per_mm)
    if limit <= spectrum.reference_water_per_mm:
        raise ValueError(
            f"bone_above_per_mm must lie above water at {spectrum.reference_water_per_mm:.4g}, "
            f"got {limit:.4g}"
        )
    corrected = correct_water(measured, spectrum)
    for _ in range(count("n_passes", n_passes)):
        image = fbp(corrected, beam, grid, window="hann")
        bone_mm = project(np.where(image > limit, image, 0.0), beam, grid) / spectrum.reference_bone_per_mm
        bone_mm = np.maximum(bone_mm, 0.0)
        water_mm = _water_behind(measured.astype(np.float64), bone_mm.astype(np.float64), spectrum)
        total = spectrum.reference_water_per_mm * water_mm + spectrum.reference_bone_per_mm * bone_mm
        corrected = total.astype(measured.dtype)
    not_negative("largest corrected line integral", float(corrected.max()))
    return corrected


def _water_behind(measured: Floats, bone_mm: Floats, spectrum: Spectrum) -> Floats:
    """Length of water that gives the measured value behind the bone; Newton on a concave function."""
    water_mm = np.zeros_like(measured)
    for _ in range(_NEWTON_STEPS):
        value, slope = spectrum._with_slope(water_mm, bone_mm)
        water_mm += (measured - value) / slope
    return water_mm
