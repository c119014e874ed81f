"""From the readouts of a scan to images: which steps a scan needs, and what was chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import ComplexArray
from imgtech.geometry import ImageGrid, delayed_positions
from imgtech.io.raw import MriScan
from imgtech.recon.mri import (
    GhostPhase,
    adaptive_combine,
    cartesian,
    correct_ghost,
    ghost_phase,
    grappa,
    gridding,
    image_to_kspace,
    navigator_phase,
    noise_covariance,
    partial_fourier,
    prewhiten,
    radial_density,
    regrid_readout,
    root_sum_of_squares,
    spirit,
    voronoi_density,
)

Ghost = Literal["auto", "navigator", "image", "none"]
Combine = Literal["rss", "adaptive"]
Partial = Literal["pocs", "homodyne", "zero"]
Parallel = Literal["auto", "grappa", "spirit"]
Say = Callable[[str], None]
Flags = npt.NDArray[np.bool_]

_LARGEST_DELAY = 2.0  # dwell times; a larger one is no lag of a gradient


def images_of(
    scan: MriScan,
    *,
    ghost: Ghost,
    partial: Partial,
    parallel: Parallel = "auto",
    window: str,
    zero_fill: int,
    say: Say,
    combine: Combine = "rss",
) -> npt.NDArray[np.floating]:
    """Every image of a scan as magnitude, coils combined, ``(image, y, x)``, without readout oversampling."""
    if scan.trajectory is not None:
        return _gridded(scan, window, zero_fill, say, combine)
    n_even, spacing = _even_raster(scan, say)
    out = []
    for number, image in enumerate(scan.images):
        tell = say if number == 0 else _nothing
        lines, acquired, backwards = scan.lines_of(image)
        if scan.noise is not None and scan.n_coils > 1:
            tell("coils are whitened: the file holds noise without excitation")
            lines = prewhiten(lines, noise_covariance(scan.noise))
        if ghost != "none" and backwards[acquired].any() and not backwards[acquired].all():
            kspace = _without_ghost(scan, lines, acquired, backwards, ghost, n_even, tell)
        else:
            kspace = _even_lines(scan, lines, backwards, n_even)
        kspace = _full_lines(kspace, acquired, partial, parallel, tell, _calibration(scan, image, n_even))
        out.append(
            cartesian(
                kspace,
                spacing_mm=spacing,
                window=window,
                zero_fill=(kspace.shape[1] * zero_fill, n_even * zero_fill),
                crop=(kspace.shape[1] * zero_fill, scan.matrix[1] * zero_fill),
                combine=combine,
            )
        )
    return np.abs(np.stack(out))


def _even_raster(scan: MriScan, say: Say) -> tuple[int, tuple[float, float]]:
    """Samples of an even readout and the pixel spacing, over the field that the readout can tell apart."""
    n_samples, nx, spacing = scan.readouts.shape[2], scan.matrix[1], scan.spacing_mm
    positions = scan.readout_positions_per_mm
    if positions is None:
        say(f"readouts are even: {n_samples} samples for {nx} pixels")
        return n_samples, spacing
    widest_mm = 1 / float(np.diff(np.sort(positions)).max())
    n_even = min(n_samples, int(widest_mm / spacing[1] + 1e-3))
    n_even -= (n_even - nx) % 2
    say(f"readouts are uneven: {n_samples} samples regridded to {n_even} over {n_even * spacing[1]:.4g} mm")
    return n_even, spacing


def _even_lines(
    scan: MriScan, lines: ComplexArray, backwards: Flags, n_even: int, delay_samples: float = 0.0
) -> ComplexArray:
    """Lines ``(coil, line, sample)`` on the even raster, backward ones turned round."""
    positions, dx = scan.readout_positions_per_mm, scan.spacing_mm[1]
    if positions is None:
        turned = lines[..., ::-1]
        if lines.shape[-1] % 2 == 0:  # sample i lies at i - n // 2, and minus that is sample n - i
            turned = np.roll(turned, 1, axis=-1)
        return np.where(backwards[:, None], turned, lines)
    if n_even < scan.matrix[1]:
        raise ValueError(
            f"{scan.source}: the readout must tell apart the field of view of {scan.fov_mm[1]:.4g} mm, got "
            f"samples for {n_even * dx:.4g} mm"
        )
    if delay_samples:
        positions = delayed_positions(positions, delay_samples)
    out = np.empty((*lines.shape[:2], n_even), lines.dtype)
    for direction, chosen in ((1.0, ~backwards), (-1.0, backwards)):
        if chosen.any():
            out[:, chosen] = regrid_readout(
                lines[:, chosen], direction * positions, n_pixels=n_even, spacing_mm=dx
            )
    return out


def _without_ghost(
    scan: MriScan,
    lines: ComplexArray,
    acquired: Flags,
    backwards: Flags,
    ghost: Ghost,
    n_even: int,
    say: Say,
) -> ComplexArray:
    """Even lines of both directions in phase: a common delay first, then each coil on its own."""
    dx, start = scan.spacing_mm[1], None
    kspace = _even_lines(scan, lines, backwards, n_even)
    if scan.navigators is not None and ghost != "image":
        assert scan.reversed_navigators is not None
        even = _even_lines(scan, np.moveaxis(scan.navigators, 0, 1), scan.reversed_navigators, n_even)
        start = navigator_phase(np.moveaxis(even, 1, 0), scan.reversed_navigators, spacing_mm=dx)
        say(f"lines run in both directions; {len(scan.navigators)} navigators: {_text(start)}")
    elif ghost == "navigator":
        raise ValueError(f"{scan.source}: --ghost navigator needs navigators, and the scan has none")
    if ghost == "navigator" or not acquired.all():
        if start is None:
            raise ValueError(
                f"{scan.source}: the ghost of an image with missing lines needs navigators, and the scan has "
                "none; --ghost none leaves it"
            )
        return correct_ghost(kspace, backwards, start, spacing_mm=dx)
    phase = ghost_phase(kspace, backwards, spacing_mm=dx, start=start)
    say(f"ghost phase from the image's entropy: {_text(phase)}")
    positions = scan.readout_positions_per_mm
    if positions is not None:
        delay = -phase.slope_rad_per_mm / (4 * np.pi * float(np.diff(positions).max()))
        if abs(delay) <= _LARGEST_DELAY:
            say(f"readouts are regridded with the samples {delay:+.3f} dwell times later")
            kspace = _even_lines(scan, lines, backwards, n_even, delay)
            phase = GhostPhase(constant_rad=phase.constant_rad, slope_rad_per_mm=0.0)
    out = np.empty_like(kspace)
    for one, target in zip(kspace, out, strict=True):
        own = ghost_phase(one[None], backwards, spacing_mm=dx, start=phase) if one.any() else phase
        target[:] = correct_ghost(one, backwards, own, spacing_mm=dx)
    return out


def _text(phase: GhostPhase) -> str:
    return f"{phase.constant_rad:+.3f} rad {phase.slope_rad_per_mm:+.5f} rad/mm"


def _gridded(
    scan: MriScan, window: str, zero_fill: int, say: Say, combine: Combine
) -> npt.NDArray[np.floating]:
    """Images of a scan with a trajectory, on the raster of the header."""
    if window != "none":
        raise ValueError(f"--window is for Cartesian scans, and {scan.source} has a trajectory")
    ny, nx = (n * zero_fill for n in scan.matrix)
    grid = ImageGrid.fft((ny, nx), spacing_mm=(scan.fov_mm[0] / ny, scan.fov_mm[1] / nx))
    out = []
    for number, image in enumerate(scan.images):
        kspace, trajectory = scan.samples_of(image)
        try:
            density, how = radial_density(trajectory), "spokes"
        except ValueError:
            density, how = voronoi_density(trajectory, scan.fov_mm), "Voronoi cells"
        if number == 0:
            say(f"{scan.readouts.shape[0]} readouts with a trajectory: gridding, weighted as {how}")
        if scan.noise is not None and scan.n_coils > 1:
            kspace = prewhiten(kspace, noise_covariance(scan.noise))
        images = gridding(kspace, trajectory, grid, density=density)
        out.append(adaptive_combine(images) if combine == "adaptive" else root_sum_of_squares(images))
    return np.abs(np.stack(out))


def _calibration(scan: MriScan, image: Mapping[str, int], n_even: int) -> ComplexArray | None:
    """Separate calibration lines of the slice of an image, whitened like it."""
    if scan.calibration is None:
        return None
    lines, acquired, backwards = scan.calibration.lines_of({"slice": image["slice"]})
    if backwards[acquired].any() and not backwards[acquired].all():
        raise ValueError(f"{scan.source}: calibration lines must have one direction, got both")
    if scan.noise is not None and scan.n_coils > 1:
        lines = prewhiten(lines, noise_covariance(scan.noise))
    return _even_lines(scan, lines, backwards, n_even)[:, acquired]


def _full_lines(
    kspace: ComplexArray,
    acquired: Flags,
    partial: Partial,
    parallel: Parallel,
    say: Say,
    calibration: ComplexArray | None = None,
) -> ComplexArray:
    if acquired.all():
        return kspace
    n, lines = len(acquired), np.flatnonzero(acquired)
    if np.diff(lines).max(initial=1) > 1:
        source = "the longest run of acquired lines"
        if calibration is not None:
            source = f"{calibration.shape[1]} separate calibration lines"
        kspace, method = _filled(kspace, acquired, parallel, calibration)
        say(f"{len(lines)} of {n} lines with gaps: {method} from {source}")
        if method != "GRAPPA":  # lines beyond the outermost are filled as well
            return kspace
        acquired = np.zeros(n, bool)
        acquired[lines[0] : lines[-1] + 1] = True
        if acquired.all():
            return kspace
    if partial == "zero":
        say(f"{np.count_nonzero(acquired)} of {n} lines: the others are filled with zeros")
        return kspace
    say(f"{np.count_nonzero(acquired)} of {n} lines: partial Fourier by {partial}")
    return image_to_kspace(partial_fourier(kspace, acquired, method=partial))


def _filled(
    kspace: ComplexArray, acquired: Flags, parallel: Parallel, calibration: ComplexArray | None
) -> tuple[ComplexArray, str]:
    """Gaps filled by GRAPPA, or by SPIRiT where lines are missing irregularly."""
    if parallel != "spirit":
        try:
            return grappa(kspace, acquired, calibration), "GRAPPA"
        except ValueError:
            gaps = np.diff(np.flatnonzero(acquired))
            if parallel == "grappa" or len(np.unique(gaps)) <= 2:
                raise
    found = spirit(kspace, acquired, calibration)
    return found.kspace, f"SPIRiT ({found.n_iter} iterations)"


def _nothing(text: str) -> None:
    """Say nothing: the steps of the other images are those of the first."""
