"""ISMRM raw data (ISMRMRD, ``.h5`` or ``.mrd``): read and sorted by the header's encoding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from imgtech._core.validate import Array, ComplexArray, count, one_of
from imgtech.geometry import SlicePlane
from imgtech.io.raw import _ismrmrd_format as form
from imgtech.io.raw._containers import open_hdf5
from imgtech.io.raw._ismrmrd_raster import Raster, has_flag, samples_of
from imgtech.io.raw.mri_scan import MriScan

TrajectoryUnit = Literal["cycles_per_pixel", "cycles_per_fov", "cycles_per_mm"]
_EMBEDDED = ("embedded", "interleaved")
_HEAD_NAMES = form.acquisition_head().names


def read_ismrmrd(
    path: str | Path,
    *,
    dataset: str = "dataset",
    encoding: int = 0,
    trajectory_unit: TrajectoryUnit = "cycles_per_pixel",
) -> MriScan:
    r"""Read a file of the ISMRM raw data format: imaging readouts, noise, calibration, navigators, geometry.

    A line lies at ``kspace_encode_step_1 - center + ny // 2`` of the encoded raster, with the centre of the
    encoding limits, and sample ``center_sample`` of a readout in the middle of its row; readouts shorter than
    the encoded matrix (asymmetric echoes) are padded with zeros. Calibration lines that the header calls
    embedded or interleaved belong to the images; others are returned apart, in ``calibration``.

    Parameters
    ----------
    path : str or pathlib.Path
        HDF5 file.
    dataset : str, optional
        Group in the file.
    encoding : int, optional
        Which encoding space, where the header has several.
    trajectory_unit : str, optional
        Unit of stored trajectories, which the format leaves open: ``"cycles_per_pixel"`` of the encoded
        matrix, within 0.5, ``"cycles_per_fov"`` of the encoded field of view, or ``"cycles_per_mm"``.

    Returns
    -------
    MriScan
        Readouts with labels; ``header`` is the XML header as nested mappings. ``planes`` hold the read
        direction as row and the phase direction as column, both turned round for Siemens' files, whose
        directions belong to the other sign of the Fourier transform
        (https://github.com/PTB-MR/mrpro/pull/833).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If h5py is not installed (``pip install "imgtech[raw]"``).
    ValueError
        If it is no such file or a damaged one, holds no imaging readouts, readouts of different size or a
        sample that is not finite; if the header names no matrix or field of view, lines lie outside
        the raster, or a trajectory is missing, three-dimensional or of another unit.

    References
    ----------
    S. J. Inati et al., ISMRM raw data format: a proposed standard for MRI raw datasets, Magnetic Resonance
    in Medicine 77 (2017) 411-421, doi:10.1002/mrm.26089.

    Examples
    --------
    >>> from imgtech.io.raw import read_ismrmrd
    >>> scan = read_ismrmrd("scan.h5")  # doctest: +SKIP
    >>> lines, acquired, backwards = scan.lines_of(scan.images[0])  # doctest: +SKIP
    """
    one_of("trajectory_unit", trajectory_unit, ("cycles_per_pixel", "cycles_per_fov", "cycles_per_mm"))
    file = Path(path)
    name = str(file)
    header, found = _opened(file, dataset)
    encodings = form.listed(header.get("encoding"))
    if not 0 <= count("encoding", encoding, 0) < len(encodings):
        raise ValueError(f"encoding must be below {len(encodings)}, the number in {name}, got {encoding}")
    space = encodings[encoding]
    heads = found["head"]
    here = heads["encoding_space_ref"] == encoding
    is_noise = has_flag(heads, form.NOISE)
    purpose = {text: has_flag(heads, bit) for bit, text in form.OTHER_PURPOSES.items()}
    aside = np.any(list(purpose.values()), axis=0)
    only_calibration = has_flag(heads, form.CALIBRATION) & ~has_flag(heads, form.CALIBRATION_AND_IMAGING)
    navigators = has_flag(heads, form.PHASE_CORRECTION) & here & ~is_noise & ~aside
    imaging = here & ~is_noise & ~aside & ~has_flag(heads, form.PHASE_CORRECTION)
    mode = form.at(space, "parallelImaging", "calibrationMode") or ""
    apart = mode not in _EMBEDDED and bool((imaging & only_calibration).any())
    calibrating = imaging & has_flag(heads, form.CALIBRATION, form.CALIBRATION_AND_IMAGING)
    if apart:
        imaging = imaging & ~only_calibration
    if not imaging.any():
        raise ValueError(f"{name}: the scan must hold imaging readouts, got none of {len(heads)}")
    notes = [f"{n} readouts for {text} left out" for text, f in purpose.items() if (n := int(f.sum()))]
    if not here[~is_noise & ~aside].all():
        notes.append(f"{int((~here & ~is_noise & ~aside).sum())} readouts of other encodings left out")
    raster = Raster(name, space, found[imaging], notes)
    common = _common(name, header, space, raster, heads[imaging])
    trajectory = raster.trajectory(found[imaging], trajectory_unit)
    readouts = raster.samples(found[imaging])
    return MriScan(
        **common,
        readouts=readouts,
        labels=raster.labels(heads[imaging], by_center=trajectory is None),
        reversed_readouts=has_flag(heads[imaging], form.REVERSE),
        trajectory=trajectory,
        readout_positions_per_mm=raster.ramps,
        navigators=raster.samples(found[navigators]) if navigators.any() else None,
        reversed_navigators=has_flag(heads[navigators], form.REVERSE) if navigators.any() else None,
        noise=_noise(name, found[is_noise], heads[imaging][0], notes) if is_noise.any() else None,
        calibration=_calibration(common, raster, found[calibrating]) if apart else None,
        notes=tuple(notes),
    )


def _opened(file: Path, dataset: str) -> tuple[dict[str, Any], Array]:
    """Header and acquisitions."""
    with open_hdf5(file) as content:
        if dataset not in content or "xml" not in content[dataset] or "data" not in content[dataset]:
            raise ValueError(f"{file}: ISMRM raw data must hold {dataset}/xml and {dataset}/data")
        group = content[dataset]
        try:
            text = group["xml"][()]
            while isinstance(text, np.ndarray):
                text = text[0]
            found = group["data"][()]
        except (OSError, RuntimeError, IndexError) as error:
            raise ValueError(f"{file}: header or acquisitions are damaged: {error}") from error
    needed = ("head", "traj", "data")
    if not found.size or found.dtype.names != needed or found.dtype["head"].names != _HEAD_NAMES:
        raise ValueError(f"{file}: {dataset}/data must hold acquisitions {needed}, got {found.dtype.names}")
    return form.header_of(str(file), text), found


def _noise(name: str, acquisitions: Array, imaging: Any, notes: list[str]) -> ComplexArray:
    pieces = [samples_of(name, one) for one in acquisitions]
    if len({len(piece) for piece in pieces}) > 1:
        raise ValueError(f"{name}: noise readouts must have one number of coils")
    times = {float(one["head"]["sample_time_us"]) for one in acquisitions}
    if times != {float(imaging["sample_time_us"])}:
        notes.append(
            f"noise was sampled every {min(times):.4g} us, images every "
            f"{float(imaging['sample_time_us']):.4g} us"
        )
    return np.concatenate(pieces, axis=1)


def _calibration(common: dict[str, Any], raster: Raster, acquisitions: Array) -> MriScan:
    heads = acquisitions["head"]
    return MriScan(
        **(common | {"header": {}, "planes": ()}),
        readouts=raster.samples(acquisitions),
        labels=raster.labels(heads, by_center=True),
        reversed_readouts=has_flag(heads, form.REVERSE),
        readout_positions_per_mm=raster.ramps,
    )


def _common(name: str, header: dict[str, Any], space: Any, raster: Raster, heads: Array) -> dict[str, Any]:
    factor = form.at(space, "parallelImaging", "accelerationFactor")
    steps = [int(float(form.at(factor, f"kspace_encoding_step_{i}") or 1)) for i in (1, 2)]
    frequency = form.at(header, "experimentalConditions", "H1resonanceFrequency_Hz")
    times = {key: _seconds(header, key) for key in ("TR", "TE", "TI")}
    dwell_us = float(heads[0]["sample_time_us"])
    vendor = str(form.at(header, "acquisitionSystemInformation", "systemVendor") or "")
    return {
        "source": name,
        "matrix": raster.matrix,
        "fov_mm": raster.fov,
        "slice_thickness_mm": raster.thickness if raster.thickness > 0 else None,
        "n_partitions": raster.encoded[0] if raster.kind in form.RASTERS else 1,
        "dwell_s": 1e-6 * dwell_us if dwell_us > 0 else None,
        "acceleration": tuple(max(step, 1) for step in steps),
        "planes": _planes(name, heads, -1.0 if "siemens" in vendor.lower() else 1.0, raster.notes),
        "frequency_hz": float(frequency) if frequency and float(frequency) > 0 else None,
        "repetition_time_s": times["TR"][0] if times["TR"] else None,
        "echo_times_s": times["TE"],
        "inversion_times_s": times["TI"],
        "header": header,
    }


def _seconds(header: dict[str, Any], key: str) -> tuple[float, ...]:
    values = [float(v) for v in form.listed(form.at(header, "sequenceParameters", key))]
    return tuple(1e-3 * v for v in values if v > 0)


def _planes(name: str, heads: Array, sign: float, notes: list[str]) -> tuple[SlicePlane, ...]:
    """The plane of each slice, or none where a direction is missing."""
    slices = heads["idx"]["slice"]
    planes: list[SlicePlane] = []
    for number in range(int(slices.max()) + 1):
        of_slice: Sequence[Any] = heads[slices == number]
        if not len(of_slice) or not (of_slice[0]["read_dir"].any() and of_slice[0]["phase_dir"].any()):
            notes.append(f"slice {number} has no directions: places in the patient are not known")
            return ()
        first = of_slice[0]
        try:
            planes.append(
                SlicePlane(
                    center_mm=first["position"],
                    row=sign * first["read_dir"],
                    column=sign * first["phase_dir"],
                )
            )
        except ValueError as error:
            raise ValueError(f"{name}: slice {number}: {error}") from error
    return tuple(planes)
