"""Pulseq sequences: where in k-space every sample of a scan was taken."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.extras import require
from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import floats, positive
from imgtech.io.raw.mri_scan import MriScan

_SAME_STEP = 0.05  # of a raster step; positions of two lines that differ by less are the same line


@dataclass(frozen=True, kw_only=True, eq=False)
class PulseqSequence(ArrayValue):
    """Positions and times of the samples that a Pulseq sequence takes.

    Parameters
    ----------
    source : str
        Where it was read from.
    positions_per_mm : array_like of float
        Shape ``(readout, sample, 3)`` in the order ``(kz, ky, kx)``, in cycles/mm.
    times_s : array_like of float
        Time of every sample since the begin of the sequence, shape ``(readout, sample)``.
    fov_mm : tuple of float
        Field of view ``(z, y, x)``.
    definitions : mapping, optional
        The sequence's own definitions.

    Raises
    ------
    ValueError
        If shapes do not belong together, a number is not finite or a field of view is not positive.
    """

    source: str
    positions_per_mm: npt.NDArray[np.float64]
    times_s: npt.NDArray[np.float64]
    fov_mm: tuple[float, float, float]
    definitions: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        positions, times = (
            floats("positions_per_mm", self.positions_per_mm, 3),
            floats("times_s", self.times_s, 2),
        )
        if positions.shape != (*times.shape, 3):
            raise ValueError(
                f"positions_per_mm must have shape {(*times.shape, 3)} like times_s, got {positions.shape}"
            )
        object.__setattr__(self, "positions_per_mm", positions)
        object.__setattr__(self, "times_s", times)
        object.__setattr__(self, "fov_mm", tuple(positive("fov_mm", f) for f in self.fov_mm))
        object.__setattr__(self, "definitions", MappingProxyType(dict(self.definitions)))


def read_pulseq(path: str | Path) -> PulseqSequence:
    """Read a Pulseq ``.seq`` file and work out where its samples lie in k-space.

    Parameters
    ----------
    path : str or pathlib.Path
        The sequence file.

    Returns
    -------
    PulseqSequence
        Positions and times of all samples.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If pypulseq is not installed (``pip install "imgtech[raw]"``).
    ValueError
        If it is no sequence, takes no samples, has readouts of different lengths or no field of view.

    References
    ----------
    K. J. Layton et al., Pulseq: a rapid and hardware-independent pulse sequence prototyping framework,
    Magnetic Resonance in Medicine 77 (2017) 1544-1552, doi:10.1002/mrm.26235.

    Examples
    --------
    >>> from imgtech.io.raw import read_pulseq, read_siemens
    >>> scan = read_siemens("gre.dat", read_pulseq("gre.seq"))  # doctest: +SKIP
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    pypulseq = require("pypulseq", "raw")
    sequence = pypulseq.Sequence()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sequence.read(str(file))
            k, _, _, _, times = sequence.calculate_kspace()
    except Exception as error:  # the reader fails in many ways on bytes that are no sequence
        raise ValueError(f"{file}: no Pulseq sequence, or a damaged one ({error!r})") from error
    lengths = {
        int(block.adc.num_samples)
        for block in map(sequence.get_block, sequence.block_events)
        if getattr(block, "adc", None) is not None
    }
    if len(lengths) != 1:
        raise ValueError(f"{file}: all readouts must have one length, got {sorted(lengths) or 'no readout'}")
    n_samples = lengths.pop()
    if "FOV" not in sequence.definitions:
        raise ValueError(f"{file}: the definitions must hold FOV, got {sorted(sequence.definitions)}")
    fov_x, fov_y, fov_z = (1e3 * float(f) for f in np.ravel(sequence.definitions["FOV"]))
    return PulseqSequence(
        source=str(file),
        positions_per_mm=1e-3 * np.moveaxis(k[::-1].reshape(3, -1, n_samples), 0, -1),
        times_s=np.reshape(times, (-1, n_samples)),
        fov_mm=(fov_z, fov_y, fov_x),
        definitions=sequence.definitions,
    )


def labelled_by(
    sequence: PulseqSequence,
    *,
    source: str,
    readouts: npt.NDArray[np.complex64],
    noise: npt.NDArray[np.complex64] | None,
    header: Mapping[str, Any],
) -> MriScan:
    """Give readouts of a two-dimensional Cartesian scan the lines, echoes and directions of a sequence."""
    positions = sequence.positions_per_mm
    if positions.shape[:2] != (readouts.shape[0], readouts.shape[2]):
        raise ValueError(
            f"{source}: the sequence {sequence.source} must take {readouts.shape[0]} readouts of "
            f"{readouts.shape[2]} samples, got {positions.shape[0]} of {positions.shape[1]}"
        )
    kx, ky = positions[..., 2], positions[..., 1]
    _, fov_y, fov_x = sequence.fov_mm
    steps = ky.mean(axis=1) * fov_y
    lines = np.round(steps).astype(np.int64)
    uneven = float(np.abs(ky * fov_y - lines[:, None]).max())
    if uneven > _SAME_STEP:
        raise ValueError(
            f"{sequence.source}: phase encoding must follow the raster of the field of view {fov_y:.6g} mm, "
            f"got a line {uneven:.3g} steps beside it (only Cartesian sequences are sorted)"
        )
    backwards = kx[:, -1] < kx[:, 0]
    forward = np.where(backwards[:, None], -kx, kx)
    middle = np.median(forward, axis=0)
    if np.abs(forward - middle).max() * fov_x > _SAME_STEP:
        raise ValueError(f"{sequence.source}: all readouts must take the same positions, got different ones")
    ny = _raster_lines(int(lines.min()), int(lines.max()))
    nx = int(np.ptp(middle) * fov_x + 1 + _SAME_STEP)
    lines = (lines + ny // 2) % ny
    order = np.zeros(len(lines), np.int64)
    for line in np.unique(lines):
        order[lines == line] = np.arange(np.count_nonzero(lines == line))
    return MriScan(
        source=source,
        readouts=readouts,
        labels={"line": lines, "echo": order},
        reversed_readouts=backwards,
        matrix=(ny, nx),
        fov_mm=(fov_y, fov_x),
        readout_positions_per_mm=middle,
        noise=noise,
        slice_thickness_mm=sequence.fov_mm[0],
        dwell_s=float(np.diff(sequence.times_s[0])[0]),
        header=header,
    )


def _raster_lines(lowest: int, highest: int) -> int:
    """Lines of the raster whose two halves hold these steps; the outermost may sit on either edge."""
    far = max(-lowest, highest, 1)
    return 2 * far + 1 if -lowest == highest else 2 * far
