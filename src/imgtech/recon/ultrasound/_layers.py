"""Times of flight of transmits, straight or through layers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imgtech.geometry import LayeredMedium, Photoacoustic, PlaneWaves, PointSources
from imgtech.geometry.probes import Probe
from imgtech.geometry.transmits import Transmits
from imgtech.recon.ultrasound import _kernels_lines


def check_medium(medium: LayeredMedium | None, probe: Probe | None, waves: Transmits | None) -> None:
    """Say so if a layered medium does not go with the probe or the transmits."""
    if medium is None:
        return
    if not isinstance(medium, LayeredMedium):
        raise ValueError(f"medium must be a LayeredMedium, got {medium!r}")
    if probe is not None and np.any(probe.positions_mm[:, 0] != 0):
        raise ValueError("medium must be absent for a probe that does not lie flat at depth 0")
    if waves is not None and not isinstance(waves, PlaneWaves | PointSources | Photoacoustic):
        raise ValueError("medium must be absent for SphericalWaves: their virtual sources are not in it")
    if isinstance(waves, PointSources) and np.any(waves.sources_mm[:, 0] != 0):
        raise ValueError("medium must be absent for sources that do not lie at depth 0")


def transmit_times(
    waves: Transmits, points_mm: npt.NDArray[np.float64], speed_mm_s: float, medium: LayeredMedium | None
) -> npt.NDArray[np.float64]:
    """When each transmit reaches points ``(..., 3)``, in seconds ``(transmit, ...)``.

    A plane wave keeps its slowness along the layers, ``sin(angle)`` over the speed it was steered with,
    and passes x = 0 at the elements at time zero.
    """
    if medium is None:
        return np.asarray(waves.paths_mm(points_mm) / speed_mm_s)
    if isinstance(waves, Photoacoustic):
        return waves.paths_mm(points_mm)
    if isinstance(waves, PointSources):
        points = np.array(points_mm.reshape(-1, 3))
        out = np.empty((waves.n_transmits, len(points)))
        _kernels_lines.ray_times.sized(50 * out.size)(np.array(waves.sources_mm), points, medium.legs, out)
        return out.reshape(waves.n_transmits, *points_mm.shape[:-1])
    assert isinstance(waves, PlaneWaves)
    along = waves.directions[:, 1:] / speed_mm_s
    flat = np.sum(along**2, axis=1)
    first, slowness = medium.legs[:, 0], medium.legs[:, 1]
    crossed = slowness if first[0] > 0 else slowness[1:]
    if flat.max() >= crossed.min() ** 2:
        worst = float(np.rad2deg(np.arcsin(np.sqrt(flat.max()) * speed_mm_s)))
        raise ValueError(f"waves must enter every layer, one at {worst:.4g} degrees is reflected completely")
    down = np.sqrt(slowness**2 - flat[:, None])  # (transmit, leg)
    z = points_mm[..., 0]
    thick = [np.full(z.shape, first[0])]
    for k, end in enumerate(np.append(first[2:], np.inf)):
        top = first[k + 1] if k else -np.inf
        thick.append(np.clip(z, top, end) - (top if k else 0.0))
    times = np.tensordot(down, np.stack(thick), axes=1)
    return np.asarray(times + np.moveaxis(points_mm[..., 1:] @ along.T, -1, 0))
