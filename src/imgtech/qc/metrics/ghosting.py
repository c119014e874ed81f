"""Percent signal ghosting by four ellipses in the air around the phantom."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import each, not_negative, positive, real_image
from imgtech.geometry import ImageGrid
from imgtech.qc.measurement import Measurement, Source
from imgtech.qc.metrics._noise import mean_uncertainty, noise_size
from imgtech.qc.roi import disk_region, ellipse_region, region_mean

_ACR = Source(
    document="ACR Large and Medium Phantom Test Guidance", edition="2018", clause="6", verified=False
)
_SIDES = {"top": (0, -1), "bottom": (0, 1), "left": (1, -1), "right": (1, 1)}  # axis, direction
_BRIGHT, _BRIGHT_SHARE = 0.5, 0.02


def percent_signal_ghosting(
    image: npt.ArrayLike,
    grid: ImageGrid,
    *,
    center_mm: tuple[float, float],
    radius_mm: float,
    large_area_mm2: float = 20_000.0,
    ghost_area_mm2: float = 1_000.0,
    smallest_area_mm2: float = 500.0,
    clearance_mm: float = 2.0,
    noise_corrected: bool = False,
) -> Measurement:
    r"""Percent signal ghosting (PSG) of the ACR text.

    .. math:: \mathrm{PSG} = 100 \left| \frac{(T + B) - (L + R)}{2\, S} \right|

    with the means of four ellipses in the air at the top, bottom, left and right of the phantom, and S
    the mean of a large disk in its middle. Each ellipse is four times as long as wide, has its long
    axis along the side of the phantom and lies in the middle of the air between phantom and image edge.
    Where the air is too narrow, that ellipse becomes narrower, then shorter, down to
    ``smallest_area_mm2``.

    Parameters
    ----------
    image : array_like
        Magnitude image, shape ``(ny, nx)``.
    grid : ImageGrid
        Where the pixels are; rows grow from top to bottom.
    center_mm : (float, float)
        Centre ``(y, x)`` of the phantom.
    radius_mm : float
        Outer radius of the phantom.
    large_area_mm2 : float, optional
        Area of the disk inside (ACR: 195 to 205 cm2 in the large phantom).
    ghost_area_mm2 : float, optional
        Area of an ellipse (ACR: about 10 cm2).
    smallest_area_mm2 : float, optional
        Area below which the measurement is refused; a choice of this function, not of the ACR text.
    clearance_mm : float, optional
        Least distance of an ellipse from the phantom and from the image edge.

    noise_corrected : bool, optional
        True: without the floor that noise leaves in a magnitude image, in which a ghost of the height of the
        noise all but drowns. Powers add where magnitudes do not, so

        .. math:: 100 \sqrt{|P_T + P_B - P_L - P_R| / 2}\, / S

        with the mean squares P of the ellipses; the noise, equal in all, cancels. False: the number of the
        ACR text. ``details`` holds both.

    Returns
    -------
    Measurement
        ``"percent signal ghosting"`` in ``"%"``. ``details`` holds the signed ratio, the five means and,
        for every ellipse, centre and semi-axes. The uncertainty is that of the noise in the five means;
        near zero the absolute value folds the interval, and its lower end may lie below zero.

    Raises
    ------
    ValueError
        If the air on a side is too narrow or holds something else (2 % of it brighter than half of the
        phantom), the large disk does not fit into the phantom, the signal is not positive, or a value is
        not finite.

    References
    ----------
    American College of Radiology, Large and Medium Phantom Test Guidance for the ACR MRI Accreditation
    Program: percent-signal ghosting.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.qc.metrics import percent_signal_ghosting
    >>> from imgtech.qc.roi import disk_region
    >>> grid = ImageGrid(shape=(130, 125), spacing_mm=(2.0, 2.0))
    >>> image = 100 * disk_region(grid, center_mm=(0.0, 0.0), radius_mm=95.0)
    >>> image[:10] = image[-10:] = 2.0
    >>> m = percent_signal_ghosting(image, grid, center_mm=(0.0, 0.0), radius_mm=95.0)
    >>> 0 < m.value <= 2.0
    True
    """
    pixels = real_image("image", image, 2, grid.shape).astype(np.float64)
    cy, cx = each("center_mm", center_mm, 2)
    center = (cy, cx)
    radius = positive("radius_mm", radius_mm)
    inner = math.sqrt(positive("large_area_mm2", large_area_mm2) / math.pi)
    wanted = positive("ghost_area_mm2", ghost_area_mm2)
    least = positive("smallest_area_mm2", smallest_area_mm2)
    clearance = not_negative("clearance_mm", clearance_mm)
    if inner > radius:
        raise ValueError(
            f"large_area_mm2 must fit into the phantom of radius {radius:g} mm, got {large_area_mm2:g}"
        )
    large = disk_region(grid, center_mm=center, radius_mm=inner)
    level = region_mean(pixels, large)
    if level <= 0:
        raise ValueError(f"image must be positive in the phantom, got a mean of {level:g}")
    means, details = {}, {"phantom mean": level}
    regions = []
    for side in _SIDES:
        middle, semi_axes = _ellipse(grid, side, center, radius, (wanted, least), clearance)
        region = ellipse_region(grid, center_mm=middle, semi_axes_mm=semi_axes)
        means[side] = region_mean(pixels, region)
        regions.append(region)
        details[f"{side} mean"] = means[side]
        details[f"{side} y (mm)"], details[f"{side} x (mm)"] = middle
        details[f"{side} semi-axis y (mm)"], details[f"{side} semi-axis x (mm)"] = semi_axes
    for side, region in zip(_SIDES, regions, strict=True):
        bright = float(region_mean(pixels > _BRIGHT * level, region))
        if bright > _BRIGHT_SHARE:
            raise ValueError(
                f"the air at the {side} must hold no other object, but {100 * bright:.0f} % of it are "
                "brighter than half of the phantom"
            )
    difference = means["top"] + means["bottom"] - means["left"] - means["right"]
    signed = 100 * difference / (2 * level)
    details["signed (%)"] = signed
    size = noise_size([pixels] * len(regions), regions, window=3)
    squares = sum(mean_uncertainty(pixels, region, size) ** 2 for region in regions)
    inside = mean_uncertainty(pixels, large, noise_size([pixels], [large])) / level
    spread = math.hypot(50 * math.sqrt(squares) / level, signed * inside)
    details["acr value"] = abs(signed)
    power = pixels**2
    powers = [region_mean(power, region) for region in regions]
    apart = abs(powers[0] + powers[1] - powers[2] - powers[3]) / 2
    doubt = math.sqrt(sum(mean_uncertainty(power, region, size) ** 2 for region in regions)) / 2
    corrected = 100 * math.sqrt(apart) / level
    details["without the noise floor"] = corrected
    if noise_corrected:
        ends = math.sqrt(apart + doubt), math.sqrt(max(apart - doubt, 0.0))
        spread = math.hypot(50 * (ends[0] - ends[1]) / level, corrected * inside)
    return Measurement(
        name="percent signal ghosting",
        value=corrected if noise_corrected else abs(signed),
        unit="%",
        uncertainty=spread,
        definition=_ACR,
        algorithm="psg-ellipses-noise-corrected-1" if noise_corrected else "psg-ellipses-2",
        details=details,
    )


def _ellipse(
    grid: ImageGrid,
    side: str,
    center: tuple[float, float],
    radius: float,
    areas: tuple[float, float],
    clearance: float,
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Centre and semi-axes ``(y, x)`` of the ellipse of one side, in the middle of the air."""
    wanted, least = areas
    axis, sign = _SIDES[side]
    assert grid.center_mm is not None
    edge = grid.center_mm[axis] + sign * grid.fov_mm[axis] / 2
    air = sign * (edge - center[axis]) - radius
    across = min(math.sqrt(wanted / math.pi) / 2, (air - 2 * clearance) / 2)
    other = 1 - axis
    room = grid.fov_mm[other] / 2 - abs(center[other] - grid.center_mm[other]) - clearance
    along = min(2 * math.sqrt(wanted / math.pi), room)
    if across <= 0 or along <= 0 or math.pi * across * along < least:
        raise ValueError(
            f"the air at the {side} must hold an ellipse of {least:g} mm2, got {max(air, 0):.1f} mm between "
            "phantom and image edge"
        )
    place = list(center)
    place[axis] = center[axis] + sign * (radius + air / 2)
    semi_axes = (across, along) if axis == 0 else (along, across)
    return (place[0], place[1]), semi_axes
