"""Writing the ISMRM raw data format."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from imgtech._core.extras import require
from imgtech._core.validate import Array, of_kind, positive
from imgtech.io.atomic import write_bytes
from imgtech.io.raw import _ismrmrd_format as form
from imgtech.io.raw.mri_scan import MriScan

_MOST = 65535  # samples, coils and counters are 16-bit numbers


def write_ismrmrd(
    scan: MriScan, path: str | Path, *, dataset: str = "dataset", frequency_hz: float | None = None
) -> Path:
    """Write a scan as a file of the ISMRM raw data format that :func:`read_ismrmrd` reads back.

    Noise, calibration readouts and navigators get their flags, backward readouts the flag of their
    direction. Positions of uneven readouts and of trajectories are stored in cycles per pixel of the encoded
    matrix. Of ``scan.header`` nothing is written.

    Parameters
    ----------
    scan : MriScan
        What to write.
    path : str or pathlib.Path
        The file; one that is there is replaced.
    dataset : str, optional
        Group in the file.
    frequency_hz : float, optional
        Resonance frequency, which the format asks for; the one of the scan if not given.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        If no frequency is known, it is not positive, or a number does not fit into 16 bits.
    ImportError
        If h5py is not installed (``pip install "imgtech[raw]"``).

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from imgtech.io.raw import MriScan, read_ismrmrd, write_ismrmrd
    >>> scan = MriScan(source="made", readouts=np.ones((3, 2, 8)), labels={"line": [2, 0, 1]},
    ...                reversed_readouts=[False] * 3, matrix=(3, 4), fov_mm=(90.0, 100.0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     back = read_ismrmrd(write_ismrmrd(scan, folder + "/scan.h5", frequency_hz=63.87e6))
    >>> back.matrix, back.fov_mm, back.labels["line"]
    ((3, 4), (90.0, 100.0), array([2, 0, 1]))
    """
    of_kind("scan", scan, MriScan)
    frequency = scan.frequency_hz if frequency_hz is None else frequency_hz
    if frequency is None:
        raise ValueError("frequency_hz must be given, since the scan does not name one, got None")
    encoded = _encoded(scan)
    rows = list(_acquisitions(scan, encoded))
    h5py = require("h5py", "raw")
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        group = file.create_group(dataset)
        text = ElementTree.tostring(_header(scan, encoded, positive("frequency_hz", frequency)))
        group.create_dataset("xml", data=np.array([text], object), dtype=h5py.special_dtype(vlen=bytes))
        group.create_dataset("data", data=np.array(rows, form.acquisition()), maxshape=(None,), chunks=True)
    target = Path(path)
    write_bytes(target, stream.getvalue())
    return target


Encoded = tuple[tuple[int, int], tuple[float, float]]


def _encoded(scan: MriScan) -> Encoded:
    """Matrix and field of view ``(y, x)`` of the encoded space."""
    (ny, nx), (fov_y, fov_x) = scan.matrix, scan.fov_mm
    if scan.trajectory is not None:
        far = np.abs(scan.trajectory.positions_per_mm).max(axis=(0, 1))[-2:]
        return (
            max(ny, int(np.ceil(2 * far[0] * fov_y - 1e-6))),
            max(nx, int(np.ceil(2 * far[1] * fov_x - 1e-6))),
        ), (fov_y, fov_x)
    if scan.readout_positions_per_mm is not None:
        far = float(np.abs(scan.readout_positions_per_mm).max())
        return (ny, max(nx, int(np.ceil(2 * far * fov_x - 1e-6)))), (fov_y, fov_x)
    n_samples = scan.readouts.shape[2]
    return (ny, n_samples), (fov_y, fov_x / nx * n_samples)


def _acquisitions(scan: MriScan, encoded: Encoded) -> Iterator[tuple[Any, Any, Any]]:
    if max(scan.readouts.shape[1:]) > _MOST or max(int(v.max()) for v in scan.labels.values()) > _MOST:
        raise ValueError(f"readouts and labels must fit into 16 bits, got shape {scan.readouts.shape}")
    if scan.noise is not None:
        for start in range(0, scan.noise.shape[1], _MOST):
            yield _row(scan, scan.noise[:, start : start + _MOST], {}, form.NOISE)
    row, full = None, None
    if scan.readout_positions_per_mm is not None:
        row = scan.readout_positions_per_mm * encoded[1][1] / encoded[0][1]
    if scan.trajectory is not None:
        scale = np.array(encoded[1]) / np.array(encoded[0])
        full = (scan.trajectory.positions_per_mm * scale)[..., ::-1]
    for number, lines in enumerate(scan.navigators if scan.navigators is not None else ()):
        assert scan.reversed_navigators is not None
        flags = [form.PHASE_CORRECTION] + [form.REVERSE] * bool(scan.reversed_navigators[number])
        yield _row(scan, lines, {}, *flags, positions=row)
    extra = scan.calibration
    for number in range(0 if extra is None else len(extra.readouts)):
        assert extra is not None
        labels = {name: int(values[number]) for name, values in extra.labels.items()}
        flags = [form.CALIBRATION] + [form.REVERSE] * bool(extra.reversed_readouts[number])
        yield _row(scan, extra.readouts[number], labels, *flags, positions=row)
    last = len(scan.readouts) - 1
    for number, samples in enumerate(scan.readouts):
        labels = {name: int(values[number]) for name, values in scan.labels.items()}
        flags = [form.REVERSE] * bool(scan.reversed_readouts[number])
        flags += [form.LAST_IN_MEASUREMENT] * (number == last)
        yield _row(scan, samples, labels, *flags, positions=row if full is None else full[number])


def _row(
    scan: MriScan, samples: Array, labels: dict[str, int], *flags: int, positions: Array | None = None
) -> tuple[Any, Any, Any]:
    head = np.zeros((), form.acquisition_head())
    head["version"] = 1
    head["flags"] = sum(1 << (flag - 1) for flag in flags)
    head["available_channels"] = head["active_channels"] = samples.shape[0]
    head["number_of_samples"], head["center_sample"] = samples.shape[1], samples.shape[1] // 2
    head["sample_time_us"] = 1e6 * (scan.dwell_s or 0.0)
    for name, value in labels.items():
        head["idx"][form.COUNTERS[name]] = value
    number = labels.get("slice", 0)
    if number < len(scan.planes):
        plane = scan.planes[number]
        head["position"], head["read_dir"] = plane.center_mm, plane.row
        head["phase_dir"], head["slice_dir"] = plane.column, plane.normal
    places = np.zeros(0, np.float32)
    if positions is not None:
        head["trajectory_dimensions"] = 1 if positions.ndim == 1 else positions.shape[1]
        places = np.ascontiguousarray(positions, np.float32).ravel()
    return head, places, np.ascontiguousarray(samples, np.complex64).ravel().view(np.float32)


def _header(scan: MriScan, encoded: Encoded, frequency_hz: float) -> ElementTree.Element:
    root = ElementTree.Element("ismrmrdHeader", {"xmlns": form.NAMESPACE})

    def add(parent: ElementTree.Element, name: str, value: Any = None) -> ElementTree.Element:
        child = ElementTree.SubElement(parent, name)
        child.text = None if value is None else str(value)
        return child

    def space(name: str, matrix: tuple[int, int], fov: tuple[float, float]) -> None:
        part = add(encoding, name)
        depth = max(int(scan.labels["partition"].max()) + 1, scan.n_partitions)
        for tag, values in (
            ("matrixSize", (matrix[1], matrix[0], depth)),
            ("fieldOfView_mm", (fov[1], fov[0], (scan.slice_thickness_mm or 0.0) * depth)),
        ):
            child = add(part, tag)
            for axis, value in zip("xyz", values, strict=True):
                add(child, axis, value)

    add(add(root, "acquisitionSystemInformation"), "receiverChannels", scan.n_coils)
    add(add(root, "experimentalConditions"), "H1resonanceFrequency_Hz", round(frequency_hz))
    encoding = add(root, "encoding")
    space("encodedSpace", *encoded)
    space("reconSpace", scan.matrix, scan.fov_mm)
    limits = add(encoding, "encodingLimits")
    for name, label, center in (
        ("kspace_encoding_step_1", "line", scan.matrix[0] // 2),
        ("kspace_encoding_step_2", "partition", scan.n_partitions // 2),
        *((label.replace("echo", "contrast"), label, 0) for label in ("slice", "echo", "repetition")),
    ):
        limit = add(limits, name)
        for tag, value in (
            ("minimum", int(scan.labels[label].min())),
            ("maximum", int(scan.labels[label].max())),
            ("center", center),
        ):
            add(limit, tag, value)
    uneven = scan.readout_positions_per_mm is not None
    add(encoding, "trajectory", "other" if scan.trajectory else "epi" if uneven else "cartesian")
    parallel = add(encoding, "parallelImaging")
    factor = add(parallel, "accelerationFactor")
    for i, value in enumerate(scan.acceleration):
        add(factor, f"kspace_encoding_step_{i + 1}", value)
    add(parallel, "calibrationMode", "separate" if scan.calibration is not None else "other")
    timings = add(root, "sequenceParameters")
    times_s = {
        "TR": () if scan.repetition_time_s is None else (scan.repetition_time_s,),
        "TE": scan.echo_times_s,
        "TI": scan.inversion_times_s,
    }
    for tag, values in times_s.items():
        for time_s in values:
            add(timings, tag, 1e3 * time_s)
    return root
