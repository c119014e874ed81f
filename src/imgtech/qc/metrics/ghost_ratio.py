"""Ghosts in regions of your own, and the half-field ghost of echo-planar images."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import one_of, real_image
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._bare import root
from imgtech.qc.metrics._noise import mean_uncertainty, noise_size
from imgtech.qc.roi import checked_region

Floats = npt.NDArray[np.float64]

_IPEM = Source(document="IPEM Report 112", edition="2017", clause="ghosting", verified=False)


def ghost_ratio(
    image: npt.ArrayLike,
    signal_region: npt.ArrayLike,
    ghost_region: npt.ArrayLike,
    noise_region: npt.ArrayLike,
) -> Measurement:
    r"""Ghost over signal in a magnitude image, freed of the noise floor.

    .. math:: g = 100 \sqrt{\frac{\overline{M_g^2} - \overline{M_n^2}}{\overline{M_s^2} - \overline{M_n^2}}}

    with the mean squares in the ghost, the noise and the signal region. Report 112 of IPEM (MagNET) takes the
    difference of means, which is too low for ghosts near the noise: in a magnitude image the power of ghost
    and noise adds up, not their means. For strong ghosts both agree. The ghost is the root mean square
    over its region.

    Parameters
    ----------
    image : array_like
        Magnitude image, shape ``(ny, nx)``.
    signal_region, ghost_region, noise_region : array_like
        Weights between 0 and 1: inside the object, where the ghost lies, and in air free of ghosts (along the
        frequency-encoding direction).

    Returns
    -------
    Measurement
        ``"ghost ratio"`` in ``"%"``; 0 where noise explains what is seen. ``details`` hold the ratio of the
        means of the report.

    Raises
    ------
    ValueError
        If shapes differ, a region is empty, a value is negative or not finite, or the signal does not exceed
        the noise.

    References
    ----------
    IPEM Report 112, Quality Control and Artefacts in Magnetic Resonance Imaging (2017).

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import ghost_ratio
    >>> rng = np.random.default_rng(1)
    >>> noise = rng.standard_normal((90, 80)) + 1j * rng.standard_normal((90, 80))
    >>> clean, part = np.zeros((90, 80)), np.zeros((3, 90, 80))
    >>> clean[30:60, 20:60], clean[:20, 20:60] = 100.0, 2.0
    >>> part[0, 35:55, 25:55] = part[1, 2:18, 22:58] = part[2, :, :16] = 1
    >>> m = ghost_ratio(abs(clean + noise), *part)
    >>> abs(m.value - 2.0) < 2 * m.uncertainty
    True
    """
    pixels = real_image("image", image, 2).astype(np.float64)
    if pixels.min() < 0:
        raise ValueError(f"image must be a magnitude and not negative, got {pixels.min():g}")
    regions = [
        checked_region(name, region, pixels.shape)
        for name, region in (
            ("signal_region", signal_region), ("ghost_region", ghost_region), ("noise_region", noise_region),
        )
    ]  # fmt: skip
    (signal, u_signal), (ghost, u_ghost), (noise, u_noise) = (_power(pixels, r) for r in regions)
    below = signal - noise
    if below <= 2 * math.hypot(u_signal, u_noise):
        raise ValueError(f"signal_region must stand above the noise, got mean squares {signal:g}, {noise:g}")
    ratio = (ghost - noise) / below
    # the noise region is in both; that of the signal hardly counts
    spread = math.sqrt(
        (u_ghost / below) ** 2 + (u_noise * (1 - ratio) / below) ** 2 + (ratio * u_signal / below) ** 2
    )
    value, uncertainty = root(ratio, spread)
    means = [float(np.vdot(r, pixels) / r.sum()) for r in regions]
    return Measurement(
        name="ghost ratio",
        value=100 * value,
        unit="%",
        uncertainty=100 * uncertainty,
        definition=_IPEM,
        algorithm="ghost-power-1",
        details={
            "ratio of means (%)": 100 * (means[1] - means[2]) / means[0],
            "signal": math.sqrt(below),
            "ghost power over noise power": ghost / noise if noise > 0 else math.inf,
        },
    )


def nyquist_ghost(
    image: npt.ArrayLike, signal_region: npt.ArrayLike, noise_region: npt.ArrayLike, *, phase_axis: str = "y"
) -> Measurement:
    r"""Ghost of an echo-planar image half a field of view away from the object.

    :func:`ghost_ratio` with the signal region moved by half of the image along the phase-encoding direction
    for the ghost region. Where the object is higher than half of the field of view, the part of the moved
    region that overlaps the object is left out; so the region has to hold the whole object.

    Parameters
    ----------
    image : array_like
        Magnitude image, shape ``(ny, nx)``, an even number of samples along the phase-encoding direction.
    signal_region : array_like
        Weights between 0 and 1 of the object.
    noise_region : array_like
        Weights of air beside object and ghost.
    phase_axis : {"y", "x"}, optional
        Phase-encoding direction.

    Returns
    -------
    Measurement
        ``"Nyquist ghost"`` in ``"%"``; ``details`` as in :func:`ghost_ratio`.

    Raises
    ------
    ValueError
        If the number of samples is odd, less than a tenth of the moved region is free of the object, or as in
        :func:`ghost_ratio`.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.qc.metrics import nyquist_ghost
    >>> rng = np.random.default_rng(1)
    >>> noise = rng.standard_normal((96, 80)) + 1j * rng.standard_normal((96, 80))
    >>> object_, air = np.zeros((96, 80)), np.zeros((96, 80))
    >>> object_[30:60, 20:60] = air[:, :14] = 1
    >>> image = abs(100 * object_ + 3 * np.roll(object_, 48, axis=0) + noise)
    >>> m = nyquist_ghost(image, object_, air)
    >>> abs(m.value - 3.0) < 2 * m.uncertainty
    True
    """
    pixels = real_image("image", image, 2).astype(np.float64)
    axis = 0 if one_of("phase_axis", phase_axis, ("y", "x")) == "y" else 1
    n = pixels.shape[axis]
    if n % 2:
        raise ValueError(f"image must have an even number of samples along {phase_axis}, got {n}")
    inside = checked_region("signal_region", signal_region, pixels.shape)
    moved = np.where(inside > 0, 0.0, np.roll(inside, n // 2, axis=axis))
    if moved.sum() < 0.1 * inside.sum():
        raise ValueError("signal_region must leave a tenth of its ghost free of the object")
    found = ghost_ratio(pixels, inside, moved, noise_region)
    return replace(found, name="Nyquist ghost", algorithm="nyquist-ghost-power-1")


def _power(pixels: Floats, region: Floats) -> tuple[float, float]:
    """Mean square in a region and its standard uncertainty."""
    square = pixels**2
    size = noise_size([square], [region])
    return float(np.vdot(region, square) / region.sum()), mean_uncertainty(square, region, size)
