"""Siemens raw data (twix ``.dat``, VB and VD/VE), read through twixtools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.extras import require
from imgtech.geometry import SlicePlane, trapezoid_positions
from imgtech.io.raw.mri_scan import MriScan
from imgtech.io.raw.pulseq import PulseqSequence, labelled_by

_COUNTERS = {
    "line": "cLin",
    "partition": "cPar",
    "slice": "cSlc",
    "echo": "cEco",
    "repetition": "cRep",
    "phase": "cPhs",
    "set": "cSet",
    "average": "cAve",
    "segment": "cSeg",
}
_TRAPEZOID = 2  # alRegridMode of ramp sampling under a trapezoid


def read_siemens(path: str | Path, sequence: PulseqSequence | None = None) -> MriScan:
    """Read a Siemens twix file: the imaging readouts of its last measurement, navigators and noise.

    A scan that was made with Pulseq says nothing about its k-space in the file; the ``sequence`` that was
    played gives field of view, lines and directions.

    Parameters
    ----------
    path : str or pathlib.Path
        The ``.dat`` file of VB or VD/VE software.
    sequence : PulseqSequence, optional
        From :func:`read_pulseq`, for a Pulseq scan.

    Returns
    -------
    MriScan
        Readouts with labels. Noise comes from any measurement of the file that has it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If twixtools is not installed (``pip install "imgtech[raw]"``).
    ValueError
        If it is no twix file, ends before its last readout, holds no imaging readout, readouts of different
        size or a sample that is not finite, a parameter is missing, or the sequence does not fit.

    Notes
    -----
    Regridding parameters of echo-planar scans (``alRegridMode`` 2, a trapezoid) become
    ``readout_positions_per_mm``: the samples reach over ``lBaseResolution / dReadoutFOV`` cycles/mm.

    The quaternion of a readout's header turns x, y and z into the phase, readout and slice direction. They
    belong to a transform with the other sign than :func:`imgtech.recon.mri.kspace_to_image` has
    (https://github.com/PTB-MR/mrpro/pull/833), so that rows of ``planes`` run against the readout direction
    and columns against the phase direction. This was not compared with a scanner's own DICOM.

    Examples
    --------
    >>> from imgtech.io.raw import read_siemens
    >>> scan = read_siemens("meas.dat")  # doctest: +SKIP
    >>> lines, acquired, backwards = scan.lines_of(scan.images[0])  # doctest: +SKIP
    """
    file = Path(path)
    measurements = _measurements(file)
    last = measurements[-1]
    imaging = [block for block in last["mdb"] if block.is_image_scan()]
    if not imaging:
        raise ValueError(f"{file}: the measurement must hold imaging readouts, got none")
    readouts, counters, backwards = _readouts(file, imaging)
    noise_blocks = [b for m in measurements for b in m["mdb"] if b.is_flag_set("NOISEADJSCAN")]
    noise = np.concatenate([b.data for b in noise_blocks], axis=-1) if noise_blocks else None
    common: dict[str, Any] = {"source": str(file), "readouts": readouts, "noise": noise}
    header = _header(last)
    if sequence is not None:
        return labelled_by(sequence, header=header, **common)
    navigators = [block for block in last["mdb"] if block.is_flag_set("PHASCOR")]
    if navigators:
        lines, _, directions = _readouts(file, navigators)
        common |= {"navigators": lines, "reversed_navigators": directions}
    matrix, fov, thickness = _raster(file, header, readouts.shape[-1])
    dwell_s = 1e-9 * float(_first(file, header, "sRXSPEC", "alDwellTime"))
    center = int(imaging[0].mdh.CenterLin) if max(counters["line"]) < matrix[0] else None
    return MriScan(
        **common,
        labels=counters,
        reversed_readouts=backwards,
        matrix=matrix,
        fov_mm=fov,
        center_line=center,
        readout_positions_per_mm=_ramp_positions(header, readouts.shape[-1], matrix[1] / fov[1]),
        slice_thickness_mm=thickness,
        dwell_s=dwell_s,
        planes=_planes(imaging, counters["slice"]),
        **_timings(header),
        header=header,
    )


def _measurements(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    twixtools = require("twixtools", "raw")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found = twixtools.read_twix(str(file), verbose=False, keep_acqend=True)
    except Exception as error:  # the reader fails in many ways on bytes that are no twix
        raise ValueError(f"{file}: no Siemens twix file, or a damaged one ({error!r})") from error
    if not found or not found[-1].get("mdb"):
        raise ValueError(f"{file}: a twix file must hold readouts, got none")
    if not found[-1]["mdb"][-1].is_flag_set("ACQEND"):
        raise ValueError(
            f"{file}: the file must end with the mark of the end of the scan, got "
            f"{len(found[-1]['mdb'])} readouts and no end: it was cut off"
        )
    return list(found)


def _readouts(
    file: Path, blocks: list[Any]
) -> tuple[npt.NDArray[np.complex64], dict[str, npt.NDArray[np.int64]], npt.NDArray[np.bool_]]:
    shapes = {tuple(block.data.shape) for block in blocks}
    if len(shapes) > 1:
        raise ValueError(f"{file}: readouts must have one shape (coil, sample), got {sorted(shapes)}")
    data = np.stack([np.asarray(block.data, dtype=np.complex64) for block in blocks])
    counters = {
        name: np.array([getattr(block, counter) for block in blocks], dtype=np.int64)
        for name, counter in _COUNTERS.items()
    }
    return data, counters, np.array([block.is_flag_set("REFLECT") for block in blocks])


def _header(measurement: Mapping[str, Any]) -> dict[str, Any]:
    parts = measurement["hdr"]
    return {name: parts[name] for name in ("MeasYaps", "Meas", "Dicom", "Config") if name in parts}


def _raster(
    file: Path, header: Mapping[str, Any], n_samples: int
) -> tuple[tuple[int, int], tuple[float, float], float]:
    protocol = header["MeasYaps"]
    try:
        nx, ny = (int(protocol["sKSpace"][name]) for name in ("lBaseResolution", "lPhaseEncodingLines"))
        piece = protocol["sSliceArray"]["asSlice"][0]
        fov_y, fov_x = float(piece["dPhaseFOV"]), float(piece["dReadoutFOV"])
        thickness = float(piece["dThickness"])
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{file}: the protocol must name the raster, got no {error}") from error
    if n_samples % nx:
        raise ValueError(
            f"{file}: a readout must hold a multiple of lBaseResolution {nx} samples, got {n_samples}; "
            "a Pulseq scan needs the sequence that was played"
        )
    return (ny, nx), (fov_y, fov_x), thickness


def _planes(blocks: list[Any], slices: npt.NDArray[np.int64]) -> tuple[SlicePlane, ...]:
    """The plane of every slice, from its first readout; none where a slice is missing."""
    planes = []
    for number in range(int(slices.max()) + 1):
        if number not in slices:
            return ()
        where = blocks[int(np.argmax(slices == number))].mdh.SliceData
        place = [float(getattr(where.SlicePos, axis)) for axis in ("Sag", "Cor", "Tra")]
        turn = np.array(where.Quaternion, dtype=np.float64)
        if not turn.any():
            return ()
        plane = SlicePlane.from_quaternion(turn, place)
        planes.append(SlicePlane(center_mm=plane.center_mm, row=-plane.row, column=-plane.column))
    return tuple(planes)


def _timings(header: Mapping[str, Any]) -> dict[str, Any]:
    """Times that the protocol names in microseconds, and the resonance frequency."""
    protocol = header["MeasYaps"]

    def seconds(name: str, most: int | None = None) -> tuple[float, ...]:
        return tuple(1e-6 * float(t) for t in np.atleast_1d(protocol.get(name, []))[:most] if float(t) > 0)

    repetition = seconds("alTR", 1)
    out: dict[str, Any] = {
        "echo_times_s": seconds("alTE", int(protocol.get("lContrasts", 1))),
        "repetition_time_s": repetition[0] if repetition else None,
    }
    with contextlib.suppress(KeyError, IndexError, TypeError, ValueError):
        out["frequency_hz"] = float(protocol["sTXSPEC"]["asNucleusInfo"][0]["lFrequency"]) or None
    return out


def _first(file: Path, header: Mapping[str, Any], group: str, name: str) -> Any:
    try:
        return header["MeasYaps"][group][name][0]
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{file}: the protocol must hold {group}.{name}") from error


def _ramp_positions(
    header: Mapping[str, Any], n_samples: int, span_per_mm: float
) -> npt.NDArray[np.float64] | None:
    meas = header.get("Meas", {})

    def number(name: str) -> float:
        return float(np.atleast_1d(meas.get(name, 0.0))[0])

    if number("alRegridMode") != _TRAPEZOID:
        return None
    duration = 1e-6 * number("aflRegridADCDuration")
    return trapezoid_positions(
        n_samples,
        ramp_up_s=1e-6 * number("alRegridRampupTime"),
        flat_s=1e-6 * number("alRegridFlattopTime"),
        ramp_down_s=1e-6 * number("alRegridRampdownTime"),
        first_s=1e-6 * number("alRegridDelaySamplesTime") + duration / n_samples / 2,
        dwell_s=duration / n_samples,
        span_per_mm=span_per_mm,
    )
