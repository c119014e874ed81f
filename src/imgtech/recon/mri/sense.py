"""SENSE: unfold regularly undersampled k-space with coil sensitivities, pixel group by pixel group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import Array, ComplexArray, FloatArray, complex_image, count, not_negative
from imgtech.recon.mri.fft import kspace_to_image
from imgtech.recon.mri.noise import whitened
from imgtech.recon.mri.snr import snr_of

LARGEST_G_FACTOR = 1e4
"""Above it the coils cannot tell the folded pixels apart in double precision: an error, no image."""


@dataclass(frozen=True, eq=False)
class SenseResult(ArrayValue):
    """Image and noise amplification of :func:`sense`.

    Parameters
    ----------
    image : numpy.ndarray
        Complex image, shape ``(y, x)``.
    g_factor : numpy.ndarray
        Geometry factor, same shape, real, at least 1; 0 where all maps are zero, where the image
        is zero without noise.
    noise : numpy.ndarray
        Standard deviation of the real part of the noise, same shape, in the units of the image: that of the
        imaginary part and, where the signal is strong, of the magnitude. 0 where all maps are zero.
    """

    image: ComplexArray
    g_factor: FloatArray
    noise: FloatArray

    @property
    def snr(self) -> FloatArray:
        """Signal-to-noise ratio, magnitude over noise, ``(y, x)``; 0 where all maps are zero."""
        return snr_of(self.image, self.noise)


def sense(
    kspace: npt.ArrayLike,
    maps: npt.ArrayLike,
    acceleration: int | Sequence[int],
    *,
    first: int | Sequence[int] = 0,
    noise_covariance: npt.ArrayLike | None = None,
    regularization: float = 0.0,
) -> SenseResult:
    r"""Unfold regularly undersampled k-space in closed form, with the exact g-factor.

    With every R-th line acquired, R pixels a distance N / R apart fold onto one. Their values
    :math:`\rho` and those of the coils' folded images :math:`d` obey :math:`d = S \rho`, so

    .. math:: \rho = (S^H \Psi^{-1} S)^{-1} S^H \Psi^{-1} d, \qquad
              g_j = \sqrt{[(S^H \Psi^{-1} S)^{-1}]_{jj}\, [S^H \Psi^{-1} S]_{jj}}.

    The noise of pixel j is :math:`g_j \sqrt{R}` times that of :func:`roemer_combine` from all lines.
    Without undersampling the result is the same as that of :func:`roemer_combine`, and g is 1.

    Parameters
    ----------
    kspace : array_like
        Full raster ``(coil, y, x)``. Only the lines of the regular pattern are used; the others may
        hold zeros or calibration lines.
    maps : array_like
        Sensitivities, same shape. A pixel where all are zero is taken to be empty.
    acceleration : int or sequence of int
        R along y, or ``(R_y, R_x)``; the raster must be a multiple of it.
    first : int or sequence of int, optional
        First acquired line along y, or ``(first_y, first_x)``, each below its R.
    noise_covariance : array_like, optional
        Shape ``(coil, coil)``; without it the coils' noise is independent and equal.
    regularization : float, optional
        Tikhonov weight relative to :math:`[S^H \Psi^{-1} S]_{jj}` of each pixel, so it depends neither
        on the scale of the data nor on that of the maps. Values shrink; g is then the noise of
        the shrunk image, and may be below 1.

    Returns
    -------
    SenseResult
        ``.image`` in the units of :func:`kspace_to_image` over those of ``maps``, ``.g_factor``, and the
        ``.noise`` and ``.snr`` that follow from ``noise_covariance``; without it they are those of coils
        with the covariance one, as after :func:`prewhiten`.

    Raises
    ------
    ValueError
        If a value is not finite, the shapes differ, the acquired lines are all zero, the raster is no
        multiple of the acceleration, there are fewer coils than folded pixels, or the maps cannot
        tell the folded pixels apart.

    References
    ----------
    K. P. Pruessmann et al., SENSE: sensitivity encoding for fast MRI, Magnetic Resonance in Medicine
    42 (1999) 952-962, doi:10.1002/(SICI)1522-2594(199911)42:5<952::AID-MRM16>3.0.CO;2-S.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.recon.mri import image_to_kspace, sense
    >>> maps = np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])[:, :, None] * np.ones(3)
    >>> kspace = image_to_kspace(maps * 5.0)
    >>> result = sense(kspace, maps, 2)
    >>> result.image.real.round(9)[:, 0], float(result.g_factor.max().round(9))
    (array([5., 5., 5., 5.]), 1.0)
    """
    array = complex_image("kspace", kspace, 3)
    weights = complex_image("maps", maps, 3)
    if weights.shape != array.shape:
        raise ValueError(f"maps must have shape {array.shape} like kspace, got {weights.shape}")
    steps = _pair("acceleration", acceleration, 1, 1)
    starts = _pair("first", first, 0, 0)
    weight = not_negative("regularization", regularization)
    n_coils, *shape = array.shape
    for n, step, start in zip(shape, steps, starts, strict=True):
        if n % step:
            raise ValueError(f"acceleration must divide the raster {tuple(shape)}, got {steps}")
        if start >= step:
            raise ValueError(f"first must be below the acceleration {steps}, got {starts}")
    n_folded = steps[0] * steps[1]
    if n_coils < n_folded:
        raise ValueError(f"acceleration must not be larger than the {n_coils} coils, got {n_folded}")
    lines = (slice(None), slice(starts[0], None, steps[0]), slice(starts[1], None, steps[1]))
    sampled = np.zeros_like(array)
    sampled[lines] = array[lines]
    if not sampled.any():
        raise ValueError(f"kspace must not be all zero on the acquired lines from {starts} in steps {steps}")
    folded = kspace_to_image(sampled) * array.real.dtype.type(n_folded)
    if noise_covariance is not None:
        folded, weights = (
            whitened(folded, "noise_covariance", noise_covariance),
            whitened(weights, "noise_covariance", noise_covariance),
        )
    values, g, noise = _unfold(
        _groups(folded, steps)[..., :1].astype(np.complex128),
        _groups(weights, steps).astype(np.complex128),
        weight,
    )
    phases = [
        np.exp(-2j * np.pi * np.arange(step) * (n // 2 - start) / step)
        for n, step, start in zip(shape, steps, starts, strict=True)
    ]
    values = values * np.multiply.outer(phases[0], phases[1]).ravel()
    return SenseResult(
        image=_ungrouped(values, shape, steps).astype(array.dtype),
        g_factor=_ungrouped(g, shape, steps).astype(array.real.dtype),
        noise=_ungrouped(noise * np.sqrt(n_folded / 2), shape, steps).astype(array.real.dtype),
    )


def _pair(name: str, value: int | Sequence[int], default: int, minimum: int) -> tuple[int, int]:
    """Return ``(y, x)``; a single number is meant along y."""
    if isinstance(value, int | np.integer):
        return count(name, int(value), minimum), default
    pair = tuple(count(name, v, minimum) for v in value)
    if len(pair) != 2:
        raise ValueError(f"{name} must be one number or two, got {value!r}")
    return pair[0], pair[1]


def _groups(images: ComplexArray, steps: tuple[int, int]) -> ComplexArray:
    """Sort ``(coil, y, x)`` to ``(group, coil, folded pixel)``."""
    n_coils, ny, nx = images.shape
    blocks = images.reshape(n_coils, steps[0], ny // steps[0], steps[1], nx // steps[1])
    return np.asarray(blocks.transpose(2, 4, 0, 1, 3).reshape(-1, n_coils, steps[0] * steps[1]))


def _ungrouped(values: Array, shape: Sequence[int], steps: tuple[int, int]) -> Array:
    """Sort ``(group, folded pixel)`` back to ``(y, x)``."""
    blocks = values.reshape(shape[0] // steps[0], shape[1] // steps[1], *steps)
    return np.asarray(blocks.transpose(2, 0, 3, 1).reshape(*shape))


def _unfold(
    folded: ComplexArray, maps: ComplexArray, weight: float
) -> tuple[ComplexArray, FloatArray, FloatArray]:
    """Solve every group for its pixels; maps of unit length make the diagonal of the system one.

    The values, their g-factors, and their noise for folded coil images with the covariance one.
    """
    length = np.sqrt(np.sum(maps.real**2 + maps.imag**2, axis=1))
    seen = length > 0
    scale = np.where(seen, 1 / np.where(seen, length, 1), 0)
    unit = maps * scale[:, None, :]
    adjoint = unit.conj().transpose(0, 2, 1)
    system = adjoint @ unit
    diagonal = np.arange(system.shape[-1])
    system[:, diagonal, diagonal] = 1.0
    regular = system + weight * np.eye(system.shape[-1])
    try:
        inverse = np.linalg.inv(regular)
    except np.linalg.LinAlgError as error:
        raise ValueError("maps cannot tell the folded pixels apart; lower the acceleration") from error
    noise = inverse if weight == 0 else inverse @ system @ inverse
    g = np.where(seen, np.sqrt(np.abs(noise[:, diagonal, diagonal].real)), 0.0)
    if not g.max() < LARGEST_G_FACTOR:
        raise ValueError(
            f"maps cannot tell the folded pixels apart: g-factor {g.max():.3g}; lower the acceleration "
            "or set regularization"
        )
    values = (inverse @ (adjoint @ folded))[..., 0] * scale
    return values, g, g * scale
