"""From counts to line integrals on the right rays: the steps of ``imgtech recon ct`` before the image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from imgtech._core.validate import FloatArray
from imgtech.geometry import ConeBeam, FanBeam, ImageGrid, ParallelBeam
from imgtech.io.raw import CtScan
from imgtech.recon.ct.corrections import (
    fill_defective_channels,
    find_axis,
    find_bad_pixels,
    fit_uniform_object,
    flat_field,
    linearize,
    remove_stripes_smoothing,
    remove_stripes_sorting,
    remove_stripes_wavelet,
    subtract_uniform_scatter,
    to_line_integrals,
)

Beam = ParallelBeam | FanBeam | ConeBeam
Say = Callable[[str], None]
_STRIPES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "channels": fill_defective_channels,
    "smoothing": remove_stripes_smoothing,
    "sorting": remove_stripes_sorting,
    "wavelet": remove_stripes_wavelet,
}
_AXIS: dict[str, Literal["opposite", "fourier", "image"]] = {
    "find": "opposite",
    "opposite": "opposite",
    "fourier": "fourier",
    "image": "image",
}
_LEAST_TRANSMISSION = 1e-6


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The corrections that were asked for."""

    axis: str | None = None
    stripes: str | None = None
    hardening: str | None = None
    scatter: float = 0.0
    count_floor: float = 0.5

    def __post_init__(self) -> None:
        wrong = [name for name in self.stripe_names if name not in _STRIPES]
        if wrong:
            raise ValueError(f"--stripes must be some of {', '.join(_STRIPES)}, got {wrong[0]!r}")
        if self.axis is not None and self.axis not in _AXIS:
            _number("--axis must be a channel, or one of " + ", ".join(_AXIS), self.axis)
        if self.hardening not in (None, "uniform"):
            self.coefficients()

    @property
    def stripe_names(self) -> list[str]:
        """The stripe removals, in the order in which they are taken."""
        return [name for name in (self.stripes or "").split(",") if name]

    def coefficients(self) -> list[float]:
        """The polynomial that ``--hardening`` writes out."""
        rule = "--hardening must be uniform or the coefficients c1,c2,..."
        return [_number(rule, part) for part in str(self.hardening).split(",")]


def line_integrals(scan: CtScan, steps: Steps, say: Say) -> tuple[FloatArray, Beam]:
    """Line integrals in the axes of the scan, and the beam with its axis where it was found."""
    is_cone = isinstance(scan.beam, ConeBeam)
    stack = scan.sinogram.swapaxes(0, 1) if is_cone else scan.sinogram  # slice or row, view, channel
    if scan.quantity == "counts":
        stack = _from_counts(stack, scan, steps, say)
    elif steps.scatter:
        raise ValueError("--scatter must go with counts; this file holds line integrals")
    for name in steps.stripe_names:
        stack = _STRIPES[name](stack)
        say(f"stripes: {name}")
    beam = _with_axis(stack, scan.beam, steps.axis, say)
    stack = _hardened(stack, beam, steps, say)
    return (np.ascontiguousarray(stack.swapaxes(0, 1)) if is_cone else stack), beam


def _from_counts(counts: FloatArray, scan: CtScan, steps: Steps, say: Say) -> FloatArray:
    if scan.flats is None:
        raise ValueError("counts need a white field: --flats FILE, or --flats NUMBER of the open beam")
    bad = find_bad_pixels(scan.flats, scan.darks)
    transmission = flat_field(counts, scan.flats, scan.darks, bad=bad, count_floor=steps.count_floor)
    dark = "no dark field" if scan.darks is None else f"{len(scan.darks)} dark field(s)"
    say(
        f"flat field: {len(scan.flats)} white, {dark}; {int(bad.sum())} bad pixel(s) filled "
        f"from their neighbours; {_floored(counts, scan, steps):.3g} % of the counts at the floor"
    )
    if steps.scatter:
        transmission = subtract_uniform_scatter(
            transmission, fraction=steps.scatter, floor=_LEAST_TRANSMISSION
        )
        say(f"scatter: {steps.scatter:g} of the least signal of every view")
    return to_line_integrals(transmission)


def _floored(counts: FloatArray, scan: CtScan, steps: Steps) -> float:
    dark: Any = 0.0 if scan.darks is None else scan.darks.mean(axis=0)[:, None, :]
    return 100 * float(np.mean(counts - dark <= steps.count_floor))


def _with_axis(stack: FloatArray, beam: Beam, axis: str | None, say: Say) -> Beam:
    """The beam with the rotation axis at a given channel, or where a method finds it."""
    if axis is None:
        return beam
    if axis not in _AXIS:
        channel = float(axis)
    else:
        method = _AXIS[axis] if isinstance(beam, ParallelBeam) or axis != "find" else "image"
        if isinstance(beam, ConeBeam):
            middle = int(np.argmin(np.abs(beam.rows_mm)))
            channel = find_axis(stack[middle], _middle_fan(beam), method=method)
        else:
            channel = find_axis(stack, beam, method=method)
        say(f"axis: channel {channel:.2f} by the method {method}")
    offset_mm = ((beam.n_channels - 1) / 2 - channel) * beam.channel_spacing_mm
    return replace(beam, detector_offset_mm=offset_mm)


def _middle_fan(beam: ConeBeam) -> FanBeam:
    """The fan of the row that is nearest to the plane of the source."""
    if np.ptp(np.asarray(beam.source_z_mm)) > 0:
        raise ValueError("--axis must be a channel for a helix, which has no plane to find it in")
    return FanBeam(
        source_axis_mm=beam.source_axis_mm,
        source_detector_mm=beam.source_detector_mm,
        angles_rad=beam.angles_rad,
        n_channels=beam.n_channels,
        channel_spacing_mm=beam.channel_spacing_mm,
        detector=beam.detector,
    )


def _hardened(stack: FloatArray, beam: Beam, steps: Steps, say: Say) -> FloatArray:
    if steps.hardening is None:
        return stack
    if steps.hardening != "uniform":
        return linearize(stack, steps.coefficients())
    if isinstance(beam, ConeBeam):
        raise ValueError("--hardening uniform is for parallel and fan beams; give a cone its coefficients")
    spacing_mm = beam.axis_spacing_mm if isinstance(beam, FanBeam) else beam.channel_spacing_mm
    grid = ImageGrid.square(beam.n_channels, fov_mm=beam.n_channels * spacing_mm)
    fit = fit_uniform_object(stack[len(stack) // 2], beam, grid)
    numbers = ",".join(f"{c:.6g}" for c in fit.coefficients)
    say(f"hardening: coefficients {numbers} for an object of one material at {fit.attenuation_per_mm:.5g}/mm")
    return linearize(stack, fit.coefficients)


def _number(rule: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"{rule}, got {text!r}") from error
