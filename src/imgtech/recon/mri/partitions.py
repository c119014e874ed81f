"""Three-dimensional Cartesian scans as slices."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import of_kind
from imgtech.geometry import SlicePlane
from imgtech.recon.mri.fft import kspace_to_image

if TYPE_CHECKING:
    from imgtech.io.raw import MriScan

_KEPT = ("line", "slice", "echo", "repetition", "phase", "set")
_LEAST = 0.7  # share of lines and partitions: an ellipse in their rectangle leaves pi / 4


def partitions_to_slices(scan: MriScan) -> MriScan:
    """Transform a three-dimensional Cartesian scan along its partitions: it becomes a scan of slices.

    Partition ``n // 2`` is the centre of k-space, as everywhere. Averages are averaged; lines that were not
    taken in a partition, as outside an ellipse, count as zeros. The transform is orthonormal, so the noise
    stays what it is.

    Parameters
    ----------
    scan : MriScan
        With ``n_partitions`` above 1; a scan of one partition is returned as it is.

    Returns
    -------
    MriScan
        With one ``slice`` for every partition (slabs one after the other), ``slice_thickness_mm`` apart along
        the normal of the planes.

    Raises
    ------
    ValueError
        If the scan has a trajectory, is undersampled along the partitions, lacks over 30 % of the lines or
        takes a line in both directions.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.io.raw import MriScan
    >>> from imgtech.recon.mri import partitions_to_slices
    >>> flat = MriScan(source="made", readouts=np.ones((4, 1, 2)), labels={"partition": np.arange(4)},
    ...                reversed_readouts=[False] * 4, matrix=(1, 2), fov_mm=(10.0, 20.0), n_partitions=4)
    >>> partitions_to_slices(flat).readouts.real.round(6)[:, 0, 0]  # all signal in the middle slice
    array([0., 0., 2., 0.], dtype=float32)
    """
    from imgtech.io.raw import MriScan

    of_kind("scan", scan, MriScan)
    n = scan.n_partitions
    if n == 1:
        return scan
    if scan.trajectory is not None or scan.acceleration[1] > 1:
        what = "a trajectory" if scan.trajectory is not None else f"acceleration {scan.acceleration}"
        raise ValueError(f"{scan.source}: partitions must be fully sampled and Cartesian, got {what}")
    keys = np.stack([scan.labels[name] for name in _KEPT], axis=1)
    found, row = np.unique(keys, axis=0, return_inverse=True)
    times = np.zeros((len(found), n))
    backwards = np.zeros(len(found))
    np.add.at(times, (row, scan.labels["partition"]), 1)
    np.add.at(backwards, row, scan.reversed_readouts)
    if ((backwards > 0) & (backwards < times.sum(axis=1))).any():
        raise ValueError(f"{scan.source}: a line must have one direction in all partitions, got both")
    share = float(np.mean(times > 0))
    if share < _LEAST:
        raise ValueError(
            f"{scan.source}: partitions must hold at least {100 * _LEAST:.0f} % of the lines, got "
            f"{100 * share:.0f} %"
        )
    volume = np.zeros((len(found), n, *scan.readouts.shape[1:]), np.complex64)
    np.add.at(volume, (row, scan.labels["partition"]), scan.readouts)
    volume /= np.maximum(times, 1)[:, :, None, None].astype(np.float32)
    slices = kspace_to_image(volume, axes=(1,))
    labels: dict[str, npt.NDArray[np.int64]] = {
        name: np.repeat(found[:, i], n) for i, name in enumerate(_KEPT)
    }
    labels["slice"] = labels["slice"] * n + np.tile(np.arange(n), len(found))
    missing = f"; {100 * (1 - share):.0f} % of the lines count as zeros" if share < 1 else ""
    return replace(
        scan,
        readouts=slices.reshape(-1, *scan.readouts.shape[1:]),
        labels=labels,
        reversed_readouts=np.repeat(backwards > 0, n),
        navigators=None,
        reversed_navigators=None,
        calibration=None,
        acceleration=(scan.acceleration[0], 1),
        n_partitions=1,
        planes=_planes(scan),
        notes=(*scan.notes, f"{n} partitions transformed to slices{missing}"),
    )


def _planes(scan: MriScan) -> tuple[SlicePlane, ...]:
    """A plane for every partition of every slab, where its thickness is known."""
    thickness, n = scan.slice_thickness_mm, scan.n_partitions
    if thickness is None:
        return ()
    return tuple(
        SlicePlane(
            center_mm=plane.center_mm + (p - n // 2) * thickness * plane.normal,
            row=plane.row,
            column=plane.column,
        )
        for plane in scan.planes
        for p in range(n)
    )
