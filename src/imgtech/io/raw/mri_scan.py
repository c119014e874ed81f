"""What a reader of raw MRI data returns: readouts with labels, and the raster they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import Array, ComplexArray, count, each, floats, of_kind, positive, two
from imgtech.geometry import SlicePlane, Trajectory

LABELS = ("line", "partition", "slice", "echo", "repetition", "phase", "set", "average", "segment")
_IMAGE_LABELS = ("slice", "echo", "repetition", "phase", "set")


@dataclass(frozen=True, kw_only=True, eq=False)
class MriScan(ArrayValue):
    """Readouts of a scan in the order they were taken, and what the file says about them.

    Readouts that were taken backwards are kept backwards: sample 0 is the first in time, and sample i lies at
    minus the position that it has in a forward readout.

    Parameters
    ----------
    source : str
        Where it was read from.
    readouts : numpy.ndarray
        complex64, shape ``(readout, coil, sample)``.
    labels : mapping of str to array of int
        For each of ``line``, ``partition``, ``slice``, ``echo``, ``repetition``, ``phase``, ``set``,
        ``average`` and ``segment``, a number for every readout; absent ones are zero. ``line`` counts from 0
        at the lowest position of the phase-encoding raster.
    reversed_readouts : array of bool
        Which readouts ran backwards through k-space.
    matrix : tuple of int
        Lines and samples ``(ny, nx)`` of the raster without oversampling.
    fov_mm : tuple of float
        Field of view ``(y, x)`` that belongs to the matrix.
    center_line : int, optional
        Line that passes the centre of k-space; ``ny // 2`` by default.
    readout_positions_per_mm : array_like of float, optional
        Positions along the readout of the samples of a forward readout, where they are not even.
    navigators : numpy.ndarray, optional
        Lines without phase encoding in the order they were taken, ``(navigator, coil, sample)``.
    reversed_navigators : array of bool, optional
        Which of them ran backwards.
    noise : numpy.ndarray, optional
        Noise without excitation, ``(coil, sample)``.
    slice_thickness_mm : float, optional
        Nominal thickness.
    dwell_s : float, optional
        Time between two samples.
    trajectory : Trajectory, optional
        Positions ``(readout, sample)`` of a scan that is not Cartesian; its lines are then only numbers.
    calibration : MriScan, optional
        Separate readouts of the same raster for the calibration of parallel imaging.
    acceleration : tuple of int, optional
        Undersampling along lines and partitions.
    n_partitions : int, optional
        Partitions of the second phase encoding, of which ``n_partitions // 2`` is the centre.
    planes : sequence of SlicePlane, optional
        Where the slices lie in the patient, by the label ``slice``.
    frequency_hz : float, optional
        Resonance frequency of the scanner.
    repetition_time_s : float, optional
        Time between excitations.
    echo_times_s, inversion_times_s : sequence of float, optional
        Times of the echoes, by the label ``echo``, and of inversions.
    notes : sequence of str, optional
        What the reader left out or assumed.
    header : mapping, optional
        The parameters by the file's own names.

    Raises
    ------
    ValueError
        If shapes do not belong together, a sample is not finite, all samples are zero, or a label is unknown
        or lies outside the raster.
    """

    source: str
    readouts: ComplexArray
    labels: Mapping[str, npt.NDArray[np.int64]]
    reversed_readouts: npt.NDArray[np.bool_]
    matrix: tuple[int, int]
    fov_mm: tuple[float, float]
    center_line: int | None = None
    readout_positions_per_mm: npt.NDArray[np.float64] | None = None
    navigators: ComplexArray | None = None
    reversed_navigators: npt.NDArray[np.bool_] | None = None
    noise: ComplexArray | None = None
    slice_thickness_mm: float | None = None
    dwell_s: float | None = None
    trajectory: Trajectory | None = None
    calibration: MriScan | None = None
    acceleration: tuple[int, int] = (1, 1)
    n_partitions: int = 1
    planes: tuple[SlicePlane, ...] = ()
    frequency_hz: float | None = None
    repetition_time_s: float | None = None
    echo_times_s: tuple[float, ...] = ()
    inversion_times_s: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    header: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "readouts", _samples(self.source, "readouts", self.readouts, 3))
        n, n_coils, n_samples = self.readouts.shape
        if not self.readouts.any():
            raise ValueError(f"{self.source}: readouts must hold a signal, got only zeros")
        ny, nx = (count("matrix", size) for size in two("matrix", self.matrix))
        put(self, "matrix", (ny, nx))
        put(self, "fov_mm", each("fov_mm", self.fov_mm, 2, positive))
        center = ny // 2 if self.center_line is None else count("center_line", self.center_line, 0)
        put(self, "center_line", center)
        put(self, "reversed_readouts", _flags("reversed_readouts", self.reversed_readouts, n))
        put(self, "labels", MappingProxyType(_labels(self.source, self.labels, n, self._most_lines())))
        if self.readout_positions_per_mm is not None:
            positions = floats("readout_positions_per_mm", self.readout_positions_per_mm)
            if positions.shape != (n_samples,):
                raise ValueError(
                    f"readout_positions_per_mm must hold {n_samples} positions, got shape {positions.shape}"
                )
            put(self, "readout_positions_per_mm", positions)
        if self.navigators is not None:
            lines = _samples(self.source, "navigators", self.navigators, 3)
            if lines.shape[1:] != (n_coils, n_samples):
                raise ValueError(
                    f"navigators must end with shape {(n_coils, n_samples)}, got shape {lines.shape}"
                )
            put(self, "navigators", lines)
            put(
                self,
                "reversed_navigators",
                _flags("reversed_navigators", self.reversed_navigators, len(lines)),
            )
        if self.noise is not None:
            put(self, "noise", _samples(self.source, "noise", self.noise, 2))
        if self.trajectory is not None:
            of_kind("trajectory", self.trajectory, Trajectory)
            if self.trajectory.shape != (n, n_samples):
                raise ValueError(
                    f"trajectory must have shape {(n, n_samples)} like the readouts, got "
                    f"{self.trajectory.shape}"
                )
        self._check_belongings()
        put(self, "header", MappingProxyType(dict(self.header)))

    def _most_lines(self) -> int | None:
        return self.matrix[0] if self.trajectory is None else None

    def _check_belongings(self) -> None:
        put = object.__setattr__
        if self.calibration is not None:
            of_kind("calibration", self.calibration, MriScan)
            if self.calibration.n_coils != self.n_coils:
                raise ValueError(
                    f"calibration must have the {self.n_coils} coils of the scan, got "
                    f"{self.calibration.n_coils}"
                )
        steps = two("acceleration", self.acceleration, "(lines, partitions)")
        put(self, "acceleration", tuple(count("acceleration", r) for r in steps))
        most = max(count("n_partitions", self.n_partitions), 1)
        if most > 1 and int(self.labels["partition"].max()) >= most:
            raise ValueError(
                f"{self.source}: partition must be below {most}, got {int(self.labels['partition'].max())}"
            )
        put(self, "planes", tuple(self.planes))
        for plane in self.planes:
            of_kind("planes", plane, SlicePlane)
        if self.planes and int(self.labels["slice"].max()) >= len(self.planes):
            raise ValueError(
                f"planes must name each of {int(self.labels['slice'].max()) + 1} slices, got "
                f"{len(self.planes)}"
            )
        for name in ("frequency_hz", "repetition_time_s", "dwell_s", "slice_thickness_mm"):
            if getattr(self, name) is not None:
                put(self, name, positive(name, getattr(self, name)))
        for name in ("echo_times_s", "inversion_times_s"):
            put(self, name, tuple(positive(name, t) for t in getattr(self, name)))
        put(self, "notes", tuple(map(str, self.notes)))

    @property
    def n_coils(self) -> int:
        """Number of receive channels."""
        return self.readouts.shape[1]

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """Pixel spacing ``(dy, dx)`` of the raster."""
        return self.fov_mm[0] / self.matrix[0], self.fov_mm[1] / self.matrix[1]

    @property
    def images(self) -> tuple[Mapping[str, int], ...]:
        """Labels of every image of the scan: slice, echo, repetition, phase and set, in this order."""
        keys = np.stack([self.labels[name] for name in _IMAGE_LABELS], axis=1)
        found = np.unique(keys, axis=0)
        return tuple(MappingProxyType(dict(zip(_IMAGE_LABELS, map(int, row), strict=True))) for row in found)

    def lines_of(
        self, image: Mapping[str, int]
    ) -> tuple[ComplexArray, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Sort the readouts of one image by line; what was taken more than once is averaged.

        Parameters
        ----------
        image : mapping of str to int
            Labels as :attr:`images` lists them; names left out match every readout.

        Returns
        -------
        lines : numpy.ndarray
            complex64, shape ``(coil, line, sample)``, zero where nothing was acquired; backward readouts
            are still backward.
        acquired : numpy.ndarray
            Which lines there are, shape ``(line,)``.
        reversed_lines : numpy.ndarray
            Which lines ran backwards, shape ``(line,)``.

        Raises
        ------
        ValueError
            If no readout has these labels, there is more than one partition, or one line was taken in both
            directions.
        """
        if self.trajectory is not None:
            raise ValueError(f"{self.source}: lines are those of a Cartesian scan, and this has a trajectory")
        chosen = self._chosen(image)
        if len(np.unique(self.labels["partition"][chosen])) > 1:
            raise ValueError(
                f"{self.source}: the scan must have one partition, got "
                f"{len(np.unique(self.labels['partition'][chosen]))}; a volume becomes slices by "
                "partitions_to_slices"
            )
        lines = self.labels["line"][chosen]
        times = np.bincount(lines, minlength=self.matrix[0])
        backwards = np.bincount(lines, self.reversed_readouts[chosen], minlength=self.matrix[0])
        if ((backwards > 0) & (backwards < times)).any():
            both = int(np.flatnonzero((backwards > 0) & (backwards < times))[0])
            raise ValueError(f"{self.source}: line {both} must have one direction, got both")
        out = np.zeros((self.matrix[0], *self.readouts.shape[1:]), np.complex64)
        np.add.at(out, lines, self.readouts[chosen])
        out /= np.maximum(times, 1)[:, None, None].astype(np.float32)
        return np.moveaxis(out, 1, 0), times > 0, backwards > 0

    def samples_of(self, image: Mapping[str, int]) -> tuple[ComplexArray, Trajectory]:
        """Samples of one image of a scan that is not Cartesian, and where in k-space they lie.

        Parameters
        ----------
        image : mapping of str to int
            Labels as :attr:`images` lists them; names left out match every readout.

        Returns
        -------
        kspace : numpy.ndarray
            complex64, shape ``(coil, readout, sample)``.
        trajectory : Trajectory
            Positions ``(readout, sample)``.

        Raises
        ------
        ValueError
            If the scan has no trajectory or no readout has these labels.
        """
        if self.trajectory is None:
            raise ValueError(f"{self.source}: samples_of needs a trajectory, and this scan is Cartesian")
        chosen = self._chosen(image)
        positions = self.trajectory.positions_per_mm[chosen]
        return np.moveaxis(self.readouts[chosen], 1, 0), Trajectory(positions_per_mm=positions)

    def _chosen(self, image: Mapping[str, int]) -> npt.NDArray[np.bool_]:
        chosen = np.ones(len(self.readouts), bool)
        for name, value in image.items():
            if name not in self.labels:
                raise ValueError(f"image must name labels of {LABELS}, got {name!r}")
            chosen &= self.labels[name] == value
        if not chosen.any():
            raise ValueError(f"image must name readouts of the scan, got none for {dict(image)}")
        return chosen


def _samples(source: str, name: str, values: npt.ArrayLike, ndim: int) -> ComplexArray:
    array = np.array(values, dtype=np.complex64)
    if array.ndim != ndim or array.size == 0:
        raise ValueError(f"{source}: {name} must have {ndim} axes and samples, got shape {array.shape}")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        raise ValueError(
            f"{source}: {name} must be finite, got {array[tuple(bad[0])]} at {tuple(map(int, bad[0]))}"
        )
    array.setflags(write=False)
    return array


def _flags(name: str, values: npt.ArrayLike | None, n: int) -> Array:
    array = np.array(np.zeros(n) if values is None else values, dtype=bool)
    if array.shape != (n,):
        raise ValueError(f"{name} must hold {n} values, got shape {array.shape}")
    array.setflags(write=False)
    return array


def _labels(
    source: str, labels: Mapping[str, npt.ArrayLike], n: int, n_lines: int | None
) -> dict[str, Array]:
    unknown = set(labels) - set(LABELS)
    if unknown:
        raise ValueError(f"labels must be among {LABELS}, got {sorted(unknown)}")
    out = {}
    for name in LABELS:
        values = np.array(labels.get(name, np.zeros(n)), dtype=np.int64)
        if values.shape != (n,):
            raise ValueError(f"labels must hold {n} values for {name}, got shape {values.shape}")
        if values.min() < 0 or (name == "line" and n_lines is not None and values.max() >= n_lines):
            most = f" and below {n_lines}" if name == "line" and n_lines is not None else ""
            raise ValueError(
                f"{source}: {name} must be at least 0{most}, got {values.min()} to {values.max()}"
            )
        values.setflags(write=False)
        out[name] = values
    return out
