"""Bias and sharpness of every CT geometry, beside six other programs: python benchmarks/ct/bias.py

Bias: a uniform disk or ball off the axis (0.02/mm, about water at 70 keV, so that 0.05 % is 0.5 HU), in
closed form averaged over channels of finite width, spacing 0.7 mm at the axis; ramp without a window. The
mean within 0.6 of its radius against the true value, and the standard deviation there. The ball of cone and
helix is cut in its middle plane.

Sharpness: a thin wire along the axis of rotation at 6 places, Hann window. Its transform over that of the
wire, mean over 24 directions, at the frequency at which channel width times window is 50 %: how much is lost
there. A program without windows is measured with its ramp, against the channel width alone, at the same
frequency.

Every program gets the same projections and the same pixels. What a program does not offer is left out; what
it refuses is written down. Peers that are not installed are left out. Writes
benchmarks/results/ct_bias.json. With names of geometries or their beginnings, ``bias.py helix "fan, flat"``,
only those are measured again; the other rows stay, if machine and versions are the same.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from bias_peers import PEERS, Refused
from scipy.special import j1

from imgtech.bench import harness
from imgtech.geometry import ConeBeam, FanBeam, ImageGrid, ParallelBeam
from imgtech.phantoms import Ellipsoid, Phantom, uniform_disk, wire
from imgtech.recon.ct import fbp, fdk, wfbp, window_response

VALUE, RADIUS_MM, CENTER_MM = 0.02, 45.0, (18.0, -25.0)  # y, x
SPACING_MM, N = 0.7, 257  # odd: the axis on a pixel and a channel, as scikit-image has it
GRID = ImageGrid.square(N, fov_mm=N * SPACING_MM)
SLAB = ImageGrid(shape=(1, N, N), spacing_mm=(SPACING_MM,) * 3)
NEAR_MM, FAR_MM = 400.0, 600.0
FAN = {"source_axis_mm": NEAR_MM, "source_detector_mm": FAR_MM, "channel_spacing_mm": 1.05}
WIRE_MM = 0.3
WIRES_MM = [
    (18.1, -25.3), (18.37, -24.87), (-31.2, 20.45), (-30.83, 20.11), (6.61, 41.7), (7.02, 41.93),
]  # fmt: skip
RESULTS = Path(__file__).resolve().parents[1] / "results" / "ct_bias.json"
DISK = uniform_disk(radius_mm=RADIUS_MM, value=VALUE, center_mm=CENTER_MM)
BALL = Phantom(shapes=(Ellipsoid(value=VALUE, semi_axes_mm=(RADIUS_MM,) * 3, center_mm=(0.0, *CENTER_MM)),))


@dataclass(frozen=True)
class Case:
    """A geometry, how imgtech reconstructs it, and the object of its bias."""

    name: str
    beam: Any
    peers: tuple[str, ...]
    solid: bool = False

    def data(self, phantom: Phantom) -> np.ndarray:
        """Projections of a flat phantom: of a cone, those of it going on along z."""
        if not isinstance(self.beam, ConeBeam):
            return phantom.sinogram(self.beam)
        return along_z(phantom.sinogram(fan_of(self.beam)), self.beam)

    def image(self, data: np.ndarray, window: str) -> np.ndarray:
        """The middle slice by imgtech."""
        if not isinstance(self.beam, ConeBeam):
            return fbp(data, self.beam, GRID, window=window)
        method = fdk if np.ptp(np.asarray(self.beam.source_z_mm)) == 0 else wfbp
        return method(data, self.beam, SLAB, window=window)[0]


def fan_of(beam: ConeBeam) -> FanBeam:
    """The rays of a cone seen along z."""
    return FanBeam(
        source_axis_mm=beam.source_axis_mm,
        source_detector_mm=beam.source_detector_mm,
        angles_rad=beam.angles_rad,
        n_channels=beam.n_channels,
        channel_spacing_mm=beam.channel_spacing_mm,
        detector=beam.detector,
        detector_offset_mm=beam.detector_offset_mm,
    )


def along_z(sinogram: np.ndarray, beam: ConeBeam) -> np.ndarray:
    """An object that does not change along z: the path grows with the angle between ray and plane."""
    u, v = beam.channels_mm, beam.rows_mm[:, None]
    plane = np.hypot(beam.source_detector_mm, u) if beam.detector == "flat" else beam.source_detector_mm
    return (sinogram[:, None, :] * np.hypot(plane, v) / plane).astype(np.float32)


def cases() -> list[Case]:
    """Every geometry; the spacing is 0.7 mm at the axis in all of them."""
    rows = {"n_rows": 66, "row_spacing_mm": 2.1}
    helix = {"n_rows": 32, "row_spacing_mm": 1.05}
    collimation_mm = 32 * 1.05 * NEAR_MM / FAR_MM
    flat, curved = {**FAN, "n_channels": 300}, {**FAN, "n_channels": 300, "detector": "curved"}
    parallel = ("astra", "scikit-image", "odl", "algotom", "mbirjax")
    return [
        Case(
            "parallel",
            ParallelBeam.half_turn(n_views=720, n_channels=N, channel_spacing_mm=SPACING_MM),
            parallel,
        ),
        Case("fan, flat", FanBeam.full_turn(n_views=720, **flat), ("astra", "odl", "itk-rtk", "mbirjax")),
        Case("fan, curved", FanBeam.full_turn(n_views=720, **curved), ("odl", "itk-rtk", "mbirjax")),
        Case("short scan", FanBeam.short_scan(n_views=440, **flat), ("itk-rtk",)),
        Case(
            "offset detector",
            FanBeam.full_turn(n_views=720, detector_offset_mm=63.0, **{**FAN, "n_channels": 200}),
            ("itk-rtk",),
        ),
        Case(
            "cone, middle plane",
            ConeBeam.full_turn(n_views=480, **flat, **rows),
            ("itk-rtk", "mbirjax"),
            True,
        ),
        Case(
            "cone, curved",
            ConeBeam.full_turn(n_views=480, **curved, **rows),
            ("itk-rtk", "mbirjax"),
            True,
        ),
        Case(
            "helix, pitch 1, 32 rows",
            ConeBeam.helical(pitch_mm=collimation_mm, n_turns=2.0, n_views_per_turn=720, **curved, **helix),
            ("mbirjax",),
            True,
        ),
    ]


def bias_of(image: np.ndarray) -> dict[str, float]:
    """Mean and standard deviation within 0.6 of the radius, in per cent of the value."""
    y, x = np.meshgrid(*GRID.coordinates_mm, indexing="ij")
    inside = image[np.hypot(y - CENTER_MM[0], x - CENTER_MM[1]) < 0.6 * RADIUS_MM].astype(np.float64)
    return {
        "bias_percent": float(100 * (inside.mean() / VALUE - 1)),
        "sd_percent": float(100 * inside.std() / VALUE),
    }


def theory(frequency: np.ndarray, window: str) -> np.ndarray:
    """Channel width times window."""
    return np.sinc(SPACING_MM * frequency) * window_response(window, 2 * SPACING_MM * frequency)


def half_frequency() -> float:
    """Where channel width times Hann window is 50 %, cycles a millimetre."""
    f = np.linspace(0.1, 0.6, 50001)
    return float(f[np.argmin(np.abs(theory(f, "hann") - 0.5))])


def mtf_at(frequency: float, images: list[np.ndarray]) -> float:
    """Transform of the images of wires over that of a wire, mean over places and directions."""
    argument = np.pi * WIRE_MM * frequency
    own = np.pi / 4 * WIRE_MM**2 * 2 * j1(argument) / argument
    found = []
    for (cy, cx), image in zip(WIRES_MM, images, strict=True):
        y, x = (axis - c for axis, c in zip(GRID.coordinates_mm, (cy, cx), strict=True))
        fade = np.cos(np.pi / 2 * np.clip((np.hypot(y[:, None], x) - 10.0) / 9.0, 0.0, 1.0)) ** 2
        for way in np.arange(24) * np.pi / 24:
            waves_y = np.exp(-2j * np.pi * frequency * np.sin(way) * y)
            waves_x = np.exp(-2j * np.pi * frequency * np.cos(way) * x)
            found.append((waves_y @ (image * fade) @ waves_x).real * SPACING_MM**2 / own)
    return float(np.mean(found))


def measure(
    reconstruct: Callable[[np.ndarray, str], np.ndarray], case: Case, disk: np.ndarray, windows: bool
) -> dict[str, Any]:
    """Bias and loss of sharpness of one program in one geometry."""
    row: dict[str, Any] = bias_of(reconstruct(disk, "ram-lak"))
    window = "hann" if windows else "ram-lak"
    images = [
        reconstruct(case.data(wire(diameter_mm=WIRE_MM, center_mm=place)), window) for place in WIRES_MM
    ]
    at = half_frequency()
    row |= {"loss_percent": 100 * (1 - mtf_at(at, images) / float(theory(np.array([at]), window)[0]))}
    return row | {"window": window}


def main() -> None:
    """Measure, print, save."""
    chosen = [case for case in cases() if not sys.argv[1:] or case.name.startswith(tuple(sys.argv[1:]))]
    if not chosen:
        raise SystemExit(f"no geometry begins with {sys.argv[1:]}: {[case.name for case in cases()]}")
    names = [case.name for case in chosen]
    kept = _others(names) if len(chosen) < len(cases()) else []
    rows: list[dict[str, Any]] = []
    for case in chosen:
        disk = BALL.projections(case.beam) if case.solid else case.data(DISK)
        rows.append({"geometry": case.name, "program": "imgtech", **measure(case.image, case, disk, True)})
        print(rows[-1], flush=True)
        _save(kept + rows)
        for name in case.peers:
            peer = PEERS[name]
            if not peer.installed:
                continue
            call = peer.maker(case.beam, GRID)
            try:
                row = measure(call, case, disk, peer.windows)
            except Refused as error:
                row = {"refused": str(error)}
            rows.append({"geometry": case.name, "program": f"{name} {peer.version}", **row})
            print(rows[-1], flush=True)
            _save(kept + rows)


def _source() -> dict[str, dict[str, str]]:
    """Machine and versions of this run."""
    return {
        "machine": {"processor": harness._processor(), "python": platform.python_version()},
        "versions": {name: version(name) for name in ("imgtech", "numpy", "numba")},
    }


def _others(names: list[str]) -> list[dict[str, Any]]:
    """Rows of the other geometries from the last run."""
    record = json.loads(RESULTS.read_text())
    if any(record[key] != value for key, value in _source().items()):
        raise SystemExit(f"{RESULTS.name} comes from another machine or other versions: measure everything")
    return [row for row in record["bias"] if row["geometry"] not in names]


def _save(rows: list[dict[str, Any]]) -> None:
    """Write what has been measured so far, in the order of the geometries."""
    order = [case.name for case in cases()]
    rows = sorted(rows, key=lambda row: order.index(row["geometry"]))
    record = {
        **_source(),
        "object": {
            "value_per_mm": VALUE, "radius_mm": RADIUS_MM, "center_mm": CENTER_MM, "spacing_mm": SPACING_MM,
            "pixels": N, "loss_at_per_mm": half_frequency(),
        },
        "bias": rows,
    }  # fmt: skip
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
