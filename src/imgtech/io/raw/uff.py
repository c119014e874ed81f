"""Channel data in the Ultrasound File Format of USTB (UFF, HDF5)."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import positive
from imgtech.geometry import ConvexArray, Photoacoustic, PlaneWaves, PointSources, SphericalWaves
from imgtech.geometry.probes import Probe
from imgtech.geometry.transmits import Transmits
from imgtech.io.raw._containers import hdf5_number, hdf5_values, open_hdf5
from imgtech.io.raw._elements import probe_of
from imgtech.io.raw.channel_data import ChannelData

_CHANNELS = "uff.channel_data"
_FLAT_MM = 1e-6  # a source this close to depth 0 sits on the probe


def read_uff(
    path: str | PathLike[str], *, location: str | None = None, center_hz: float | None = None
) -> ChannelData:
    r"""Read channel data from a UFF file of the UltraSound ToolBox.

    Objects are HDF5 groups that name their class; this reads ``uff.channel_data`` with its probe
    (``uff.linear_array``, ``uff.curvilinear_array``, ``uff.matrix_array`` or ``uff.probe``) and its
    sequence of ``uff.wave``. Lengths are in metres, angles in radians.

    Sample i of a wave was taken ``initial_time + delay + i / sampling_frequency`` after the wave passed
    the origin of coordinates. A wave with its source at a finite distance runs on a sphere around it. A
    source on the probe (at depth 0) is an element that fires alone: there USTB counts
    :math:`|s| + |p - s|` from the source s to a point p, so it fired :math:`|s| / c` after time zero.
    The pulse delay does not stand in the file and is taken as 0.

    Parameters
    ----------
    path : path_like
        The file.
    location : str, optional
        Name of the object, where the file holds more than one set of channel data.
    center_hz : float, optional
        Centre frequency of RF, where the file has no ``pulse``.

    Returns
    -------
    ChannelData
        RF in the number format of the file, or IQ as complex numbers where ``modulation_frequency`` is not
        0, ``(transmit, element, sample)`` or ``(transmit, element, sample, frame)``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If h5py is not installed (extra ``raw``).
    ValueError
        If the file is damaged or no UFF file, holds several sets of channel data and ``location`` names
        none, a field is missing or has the wrong form, or waves of different kinds are mixed.

    References
    ----------
    Rodriguez-Molares et al. 2017, "The UltraSound ToolBox", IEEE IUS, doi:10.1109/ULTSYM.2017.8092389;
    https://www.ustb.no.

    Examples
    --------
    >>> from imgtech.io.raw import read_uff
    >>> raw = read_uff("PICMUS_carotid_cross.uff")  # doctest: +SKIP
    """
    path = Path(path)
    with open_hdf5(path) as file:
        return _channel_data(path.name, file, _location(path.name, file, location), center_hz)


def is_uff(file: Any) -> bool:
    """Whether an open HDF5 file holds channel data of UFF."""
    return bool(_sets(file))


def _sets(file: Any) -> list[str]:
    return [key for key in file if hasattr(file[key], "keys") and _text(file[key], "class") == _CHANNELS]


def _location(name: str, file: Any, location: str | None) -> str:
    found = _sets(file)
    if location is None:
        if len(found) != 1:
            raise ValueError(f"{name} must hold one {_CHANNELS}, or location must name one, got {found}")
        return found[0]
    if location not in found:
        raise ValueError(f"location must be one of {found} in {name}, got {location!r}")
    return location


def _text(item: Any, attribute: str) -> str:
    value = item.attrs.get(attribute, b"")
    value = value.ravel()[0] if isinstance(value, np.ndarray) and value.size else value
    return value.decode() if isinstance(value, bytes) else str(value)


def _channel_data(name: str, file: Any, at: str, center_hz: float | None) -> ChannelData:
    probe = _probe(name, file, f"{at}/probe")
    speed = positive("sound_speed", hdf5_number(name, file, f"{at}/sound_speed"))
    carrier_hz = hdf5_number(name, file, f"{at}/modulation_frequency")
    waves, late_s = _waves(name, file, at, speed)
    data = _traces(name, file, f"{at}/data")
    if carrier_hz != 0:
        # the phase of IQ is zero where the clock of the file is: ``delay`` before that of the wave
        turn = np.exp(-2j * np.pi * carrier_hz * late_s).reshape(-1, *([1] * (data.ndim - 1)))
        if data.shape[0] == late_s.size and late_s.any():
            data = (data * turn).astype(np.complex64 if data.dtype.itemsize <= 8 else np.complex128)
        center_hz = carrier_hz
    elif center_hz is None:
        pulse = f"{at}/pulse/center_frequency"
        if pulse not in file:
            raise ValueError(f"{name} has no field {pulse}: center_hz must be given")
        center_hz = hdf5_number(name, file, pulse)
    prf = next((key for key in (f"{at}/PRF", f"{at}/prf") if key in file), None)
    return ChannelData(
        data=data,
        probe=probe,
        waves=waves,
        center_hz=center_hz,
        sound_speed_m_s=speed,
        prf_hz=None if prf is None else hdf5_number(name, file, prf),
    )


def _traces(name: str, file: Any, key: str) -> npt.NDArray[Any]:
    """``([frame,] [wave,] channel, time)`` of the file with waves first and frames last."""
    if key in file and hasattr(file[key], "keys"):
        real, imag = (hdf5_values(name, file, f"{key}/{part}", keep=True) for part in ("real", "imag"))
        if real.shape != imag.shape:
            raise ValueError(f"{name}: {key} must have parts of one shape, got {real.shape} and {imag.shape}")
        values = real + np.asarray(1j, np.complex64 if real.dtype.itemsize <= 4 else np.complex128) * imag
    else:
        values = hdf5_values(name, file, key, keep=True)
    if values.ndim not in (2, 3, 4):
        raise ValueError(f"{name}: {key} must be ([frame,] [wave,] channel, time), got shape {values.shape}")
    if values.ndim == 2:
        return values[None]
    if values.ndim == 3:
        return values
    return values[0] if len(values) == 1 else np.ascontiguousarray(np.moveaxis(values, 0, 3))


def _probe(name: str, file: Any, key: str) -> Probe:
    if key not in file:
        raise ValueError(f"{name} has no group {key}")
    kind = _text(file[key], "class")
    if f"{key}/origin/distance" in file and hdf5_number(name, file, f"{key}/origin/distance") != 0:
        raise ValueError(f"{name}: {key}/origin must be the origin of coordinates")
    if f"{key}/geometry" in file:
        geometry = hdf5_values(name, file, f"{key}/geometry")
        if geometry.ndim != 2 or geometry.shape[0] != 7:
            raise ValueError(f"{name}: {key}/geometry must be (7, element), got shape {geometry.shape}")
        x, y, z = 1e3 * geometry[:3]
        azimuth, elevation = geometry[3:5]
    elif kind in ("uff.linear_array", "uff.curvilinear_array"):
        pitch = 1e3 * hdf5_number(name, file, f"{key}/pitch")
        azimuth = np.arange(int(hdf5_number(name, file, f"{key}/N"))) * 1.0
        azimuth -= azimuth.mean()
        if kind == "uff.curvilinear_array":
            radius = 1e3 * hdf5_number(name, file, f"{key}/radius")
            step = 2 * np.arcsin(pitch / 2 / radius)  # the pitch is the chord
            return ConvexArray(
                n_elements=azimuth.size,
                pitch_mm=radius * step,
                radius_mm=radius,
                element_width_mm=_width(name, file, key),
            )
        x, azimuth = pitch * azimuth, 0 * azimuth
        y, z, elevation = 0 * x, 0 * x, 0 * x
    elif kind == "uff.matrix_array":
        axes = []
        for axis in "yx":
            steps = np.arange(int(hdf5_number(name, file, f"{key}/N_{axis}")))
            axes.append((steps - steps.mean()) * 1e3 * hdf5_number(name, file, f"{key}/pitch_{axis}"))
        y, x = (a.ravel() for a in np.meshgrid(*axes, indexing="ij"))
        z, azimuth, elevation = 0 * x, 0 * x, 0 * x
    else:
        raise ValueError(f"{name}: {key} must hold geometry or be a known array, got class {kind!r}")
    flat = np.cos(elevation)
    normals = np.stack([np.cos(azimuth) * flat, np.sin(elevation), np.sin(azimuth) * flat], axis=1)
    return probe_of(np.stack([z, y, x], axis=1), normals, _width(name, file, key))


def _width(name: str, file: Any, key: str) -> float | None:
    if f"{key}/element_width" not in file:
        return None
    return 1e3 * hdf5_number(name, file, f"{key}/element_width")


def _waves(name: str, file: Any, at: str, speed_m_s: float) -> tuple[Transmits, npt.NDArray[np.float64]]:
    """The transmits, and how much later than the clock of the file each wave has its time zero."""
    key = f"{at}/sequence"
    if key not in file:
        raise ValueError(f"{name} has no group {key}")
    members = [f"{key}/{item}" for item in sorted(file[key])] if "wavefront" not in file[key] else []
    members = [m for m in members if hasattr(file[m], "keys") and "source" in file[m]] or [key]

    def number(member: str, field: str, absent: float = 0.0) -> float:
        return hdf5_number(name, file, f"{member}/{field}") if f"{member}/{field}" in file else absent

    kinds = np.array([number(m, "wavefront", 1.0) for m in members])
    sources = np.array(
        [[number(m, f"source/{field}") for field in ("distance", "azimuth", "elevation")] for m in members]
    )
    sampling_hz = hdf5_number(name, file, f"{at}/sampling_frequency")
    delays = np.array([number(m, "delay") for m in members])
    start_s = hdf5_number(name, file, f"{at}/initial_time") + delays
    distance_mm, azimuth, elevation = 1e3 * sources[:, 0], sources[:, 1], sources[:, 2]
    if (kinds == 2).all() and kinds.size == 1:
        return Photoacoustic(sampling_hz=sampling_hz, start_s=float(start_s[0])), delays
    plane = (kinds == 0) | ((kinds == 1) & np.isinf(distance_mm))
    if plane.all():
        waves = PlaneWaves(
            angles_rad=azimuth, elevations_rad=elevation, sampling_hz=sampling_hz, start_s=start_s
        )
        return waves, delays
    if plane.any() or (kinds != 1).any():
        raise ValueError(f"{name}: {key} must hold waves of one kind, got wavefronts {kinds.tolist()}")
    flat = np.cos(elevation)
    towards = np.stack([np.cos(azimuth) * flat, np.sin(elevation), np.sin(azimuth) * flat], axis=1)
    places_mm = distance_mm[:, None] * towards
    on_probe = np.abs(places_mm[:, 0]) <= _FLAT_MM
    if on_probe.all():
        fired_s = 1e-3 * distance_mm / speed_m_s
        late = delays - fired_s
        waves_ = PointSources(sources_mm=places_mm, sampling_hz=sampling_hz, start_s=start_s - fired_s)
        return waves_, late
    if on_probe.any():
        raise ValueError(f"{name}: {key} must hold waves of one kind, got sources on the probe and others")
    return SphericalWaves(sources_mm=places_mm, sampling_hz=sampling_hz, start_s=start_s), delays
