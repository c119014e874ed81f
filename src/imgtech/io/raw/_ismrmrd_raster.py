"""How the acquisitions of the ISMRM raw data format fit into the raster of their encoding."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import Array, ComplexArray
from imgtech.geometry import Trajectory, trapezoid_positions
from imgtech.io.raw import _ismrmrd_format as form

_EDGE = 0.5 * (1 + 1e-3)  # cycles per pixel that a trajectory may reach


class Raster:
    """Encoded and reconstructed space of one encoding, and how acquisitions fit into it."""

    def __init__(self, name: str, space: Any, acquisitions: Array, notes: list[str]) -> None:
        def size(kind: str, axis: str) -> int:
            return int(form.number_at(name, space, kind, "matrixSize", axis))

        def fov(kind: str, axis: str) -> float:
            return form.number_at(name, space, kind, "fieldOfView_mm", axis)

        self.name, self.notes = name, notes
        self.kind = str(form.at(space, "trajectory") or "cartesian").lower()
        self.encoded = tuple(size("encodedSpace", axis) for axis in "zyx")
        self.encoded_fov = tuple(fov("encodedSpace", axis) for axis in "zyx")
        self.fov_x = fov("reconSpace", "x")
        depth = self.encoded[0]
        self.thickness = fov("reconSpace", "z") if depth == 1 else self.encoded_fov[0] / max(depth, 1)
        if min(self.encoded) < 1 or min(*self.encoded_fov[1:], self.fov_x) <= 0:
            raise ValueError(
                f"{name}: matrix and field of view must be positive, got {self.encoded}, {self.encoded_fov}"
            )
        if self.kind in form.RASTERS:
            self.nx = max(round(self.encoded[2] * self.fov_x / self.encoded_fov[2]), 1)
            self.matrix, self.fov = (self.encoded[1], self.nx), (self.encoded_fov[1], self.fov_x)
        else:
            self.nx = size("reconSpace", "x")
            self.matrix, self.fov = (size("reconSpace", "y"), self.nx), (fov("reconSpace", "y"), self.fov_x)
        self.centers = [
            form.at(space, "encodingLimits", f"kspace_encoding_step_{i}", "center") for i in (1, 2)
        ]
        first = acquisitions["head"][0]
        self.n_samples = int(first["number_of_samples"] - first["discard_pre"] - first["discard_post"])
        self.ramps = self._ramps(space, acquisitions) if self.kind == "epi" else None

    def labels(self, heads: Array, *, by_center: bool) -> dict[str, npt.NDArray[np.int64]]:
        out = {label: heads["idx"][field].astype(np.int64) for label, field in form.COUNTERS.items()}
        if by_center:
            for label, center, n in zip(
                ("line", "partition"), self.centers, self.encoded[1::-1], strict=True
            ):
                if center is not None and n > 1:
                    out[label] += n // 2 - int(center)
        return out

    def samples(self, acquisitions: Array) -> ComplexArray:
        """Samples ``(readout, coil, sample)``, in the middle of the encoded row where they are fewer."""
        pieces = [self._placed(one) for one in acquisitions]
        shapes = {piece.shape for piece in pieces}
        if len(shapes) > 1:
            raise ValueError(
                f"{self.name}: readouts must have one shape (coil, sample), got {sorted(shapes)}"
            )
        return np.stack(pieces)

    def _placed(self, one: Any) -> ComplexArray:
        head, before = one["head"], int(one["head"]["discard_pre"])
        values = samples_of(self.name, one)
        values = values[:, before : values.shape[1] - int(head["discard_post"])]
        n, row = values.shape[1], self.encoded[2]
        if self.kind not in form.RASTERS or self.ramps is not None or n == row:
            return values
        start = row // 2 - (int(head["center_sample"]) - before)
        if n > row or start < 0 or start + n > row or has_flag(head, form.REVERSE):
            raise ValueError(
                f"{self.name}: a readout must fit into the encoded row of {row} samples, got {n} with its "
                f"centre at {int(head['center_sample'])}"
            )
        text = f"readouts of {n} samples padded with zeros to the encoded row of {row}"
        if text not in self.notes:
            self.notes.append(text)
        return np.pad(values, ((0, 0), (start, row - n - start)))

    def trajectory(self, acquisitions: Array, unit: str) -> Trajectory | None:
        if self.kind in form.RASTERS:
            return None
        if self.encoded[0] > 1:
            raise ValueError(f"{self.name}: three-dimensional trajectories are not read, got {self.kind}")
        positions = np.stack([self._positions(one, unit) for one in acquisitions])
        return Trajectory(positions_per_mm=positions)

    def _positions(self, one: Any, unit: str) -> npt.NDArray[np.float64]:
        head = one["head"]
        axes, n = int(head["trajectory_dimensions"]), int(head["number_of_samples"])
        stored = np.asarray(one["traj"], np.float64)
        if axes < 2 or stored.size != axes * n:
            raise ValueError(
                f"{self.name}: a {self.kind} scan needs positions of {n} samples, got {stored.size} numbers "
                f"on {axes} axes"
            )
        k = stored.reshape(n, axes)[int(head["discard_pre"]) : n - int(head["discard_post"]), 1::-1]
        if unit == "cycles_per_mm":
            return k
        if unit == "cycles_per_fov":
            return k / np.array(self.encoded_fov[1:])
        if np.abs(k).max() > _EDGE:
            raise ValueError(
                f"{self.name}: trajectory_unit cycles_per_pixel must stay within 0.5, got "
                f"{np.abs(k).max():.4g}; it may be cycles_per_fov or cycles_per_mm"
            )
        return k * np.array(self.encoded[1:]) / np.array(self.encoded_fov[1:])

    def _ramps(self, space: Any, acquisitions: Array) -> npt.NDArray[np.float64] | None:
        """Positions under a trapezoid, from the parameters of the trajectory description."""
        first = acquisitions["head"][0]
        description = form.at(space, "trajectoryDescription")
        pairs = [
            *form.listed(form.at(description, "userParameterLong")),
            *form.listed(form.at(description, "userParameterDouble")),
        ]
        told = {form.at(p, "name"): form.number_at(self.name, p, "value") for p in pairs}
        needed = ("rampUpTime", "flatTopTime", "rampDownTime", "acqDelayTime", "dwellTime")
        if any(key not in told for key in needed) and int(first["trajectory_dimensions"]) == 1:
            return self._row_positions(acquisitions)
        if any(key not in told for key in needed):
            self.notes.append("echo-planar readouts without a description of their ramps are taken as even")
            return None
        up, flat, down, delay, dwell = (1e-6 * told[key] for key in needed)
        return trapezoid_positions(
            self.n_samples,
            ramp_up_s=up,
            flat_s=flat,
            ramp_down_s=down,
            first_s=delay + dwell / 2,
            dwell_s=dwell,
            span_per_mm=self.nx / self.fov_x,
        )

    def _row_positions(self, acquisitions: Array) -> npt.NDArray[np.float64]:
        """Stored positions of a forward readout, in cycles per pixel of the encoded row."""
        backwards = has_flag(acquisitions["head"], form.REVERSE)
        one = acquisitions[int(np.argmin(backwards))]
        k = np.asarray(one["traj"], np.float64) * self.encoded[2] / self.encoded_fov[2]
        if k.shape != (self.n_samples,) or np.abs(k).max() * self.encoded_fov[2] > _EDGE * self.encoded[2]:
            raise ValueError(
                f"{self.name}: a readout needs {self.n_samples} positions within 0.5 cycles per pixel, got "
                f"{k.size}"
            )
        return -k if bool(backwards.all()) else k


def has_flag(heads: Any, *numbers: int) -> Any:
    """Whether one of the flags is set; flags count from 1."""
    mask = np.uint64(sum(1 << (number - 1) for number in numbers))
    return (heads["flags"] & mask) != 0


def samples_of(name: str, one: Any) -> ComplexArray:
    """Samples ``(coil, sample)`` of an acquisition."""
    head = one["head"]
    n_coils, n = int(head["active_channels"]), int(head["number_of_samples"])
    values = np.asarray(one["data"], np.float32)
    if values.size != 2 * n_coils * n:
        raise ValueError(
            f"{name}: an acquisition of {n_coils} coils and {n} samples must hold {2 * n_coils * n} numbers, "
            f"got {values.size}"
        )
    return values.view(np.complex64).reshape(n_coils, n)
