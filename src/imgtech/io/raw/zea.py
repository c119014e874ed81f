"""Channel data in the HDF5 files of zea."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import finite, positive
from imgtech.geometry import PlaneWaves, PointSources, SphericalWaves
from imgtech.geometry.transmits import Transmits
from imgtech.io.raw._containers import hdf5_number, hdf5_values, open_hdf5
from imgtech.io.raw._elements import looking_out, probe_of
from imgtech.io.raw.channel_data import ChannelData

_TURN = 0.1  # largest departure of a transmit delay from the wave it belongs to, in periods


def read_zea(
    path: str | PathLike[str],
    *,
    track: str | None = None,
    sound_speed_m_s: float | None = None,
    pulse_delay_s: float = 0.0,
) -> ChannelData:
    r"""Read RF channel data from a zea file.

    ``data/raw_data`` is ``(frame, transmit, sample, element, 1)``; the group ``scan`` holds the places
    of the elements in metres and, for each transmit, the delay and weight of each element, the angles and
    the signed distance of the focus (0 or infinite for a plane wave, negative for a source behind the
    probe), and ``initial_times``, the first sample counted from the first element that fires. Where one
    element alone fires, the transmit is a point source.

    Time zero of imgtech is that of :class:`~imgtech.geometry.PlaneWaves`,
    :class:`~imgtech.geometry.SphericalWaves` (at ``transmit_origins``) or
    :class:`~imgtech.geometry.PointSources`. When a wave passes there follows from the delays of the
    elements themselves; they must fit the angles and the focus within a tenth of a period.

    Parameters
    ----------
    path : path_like
        The file.
    track : str, optional
        Name of the track under ``tracks``, where the file has several.
    sound_speed_m_s : float, optional
        Speed of sound, where the file does not state it or is wrong.
    pulse_delay_s : float, optional
        Time from the start of the pulse to the peak of the received one, which the format does not hold.

    Returns
    -------
    ChannelData
        RF ``(transmit, element, sample)``, or ``(transmit, element, sample, frame)`` where there is more
        than one frame, in the number format of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If h5py is not installed (extra ``raw``).
    ValueError
        If the file is damaged or no zea file, a field is missing or has the wrong form, the data are IQ
        or have been decimated, the delays fit no wave, or waves of different kinds are mixed.

    References
    ----------
    zea, data format reference, https://zea.readthedocs.io/en/latest/data-acquisition.html.

    Examples
    --------
    >>> from imgtech.io.raw import read_zea
    >>> raw = read_zea("contrast_speckle.hdf5")  # doctest: +SKIP
    """
    path = Path(path)
    name = path.name
    with open_hdf5(path) as file:
        at = _track(name, file, track)
        raw = hdf5_values(name, file, f"{at}data/raw_data", keep=True)
        if raw.ndim != 5 or raw.shape[4] != 1:
            what = "IQ" if raw.ndim == 5 and raw.shape[4] == 2 else f"shape {raw.shape}"
            raise ValueError(f"{name}: raw_data must be RF (frame, transmit, sample, element, 1), got {what}")
        points_mm = 1e3 * hdf5_values(name, file, f"{at}scan/probe_geometry")
        if points_mm.ndim != 2 or points_mm.shape[1] != 3:
            raise ValueError(f"{name}: probe_geometry must be (element, 3), got shape {points_mm.shape}")
        points_mm = np.round(points_mm[:, ::-1], 7)  # stored in single precision
        speed = _speed(name, file, at, sound_speed_m_s)
        center = hdf5_values(name, file, f"{at}scan/center_frequency").ravel()
        width = f"{at}scan/element_width"
        data = np.moveaxis(raw[..., 0], (0, 1, 2, 3), (3, 0, 2, 1))
        return ChannelData(
            data=data[..., 0] if data.shape[3] == 1 else data,
            probe=probe_of(
                points_mm,
                looking_out(name, points_mm),
                1e3 * hdf5_number(name, file, width) if width in file else None,
            ),
            waves=_waves(
                name, file, at, points_mm, speed, float(center[0]), finite("pulse_delay_s", pulse_delay_s)
            ),
            center_hz=float(center[0]),
            sound_speed_m_s=speed,
            prf_hz=_prf_hz(name, file, at),
        )


def is_zea(file: Any) -> bool:
    """Whether an open HDF5 file is laid out like those of zea."""
    return ("data/raw_data" in file and "scan/probe_geometry" in file) or "tracks" in file


def _track(name: str, file: Any, track: str | None) -> str:
    if "tracks" not in file:
        if track is not None:
            raise ValueError(f"track must be absent: {name} has no tracks, got {track!r}")
        return ""
    tracks = sorted(file["tracks"])
    if track is None and len(tracks) != 1:
        raise ValueError(f"{name}: track must be one of {tracks}")
    if track is not None and track not in tracks:
        raise ValueError(f"track must be one of {tracks} in {name}, got {track!r}")
    return f"tracks/{track or tracks[0]}/"


def _speed(name: str, file: Any, at: str, given: float | None) -> float:
    if given is not None:
        return positive("sound_speed_m_s", given)
    key = f"{at}scan/sound_speed"
    if key not in file:
        raise ValueError(f"{name} has no field {key}: sound_speed_m_s must be given")
    return positive("sound_speed", hdf5_number(name, file, key))


def _prf_hz(name: str, file: Any, at: str) -> float | None:
    """Rate of the frames, from the times between all transmits of one frame."""
    key = f"{at}scan/time_to_next_transmit"
    if key not in file:
        return None
    total_s = float(np.atleast_2d(hdf5_values(name, file, key))[0].sum())
    return 1 / total_s if total_s > 0 else None


def _waves(
    name: str,
    file: Any,
    at: str,
    points_mm: npt.NDArray[np.float64],
    speed_m_s: float,
    center_hz: float,
    pulse_delay_s: float,
) -> Transmits:
    """The transmits, with time zero where the delays of the elements put it."""

    def field(key: str) -> npt.NDArray[np.float64]:
        return hdf5_values(name, file, f"{at}scan/{key}")

    delays_s, weights = field("t0_delays"), field("tx_apodizations")
    n = len(delays_s)
    if delays_s.shape != weights.shape or delays_s.shape[1:] != (len(points_mm),):
        raise ValueError(
            f"{name}: t0_delays and tx_apodizations must be (transmit, {len(points_mm)}), got shapes "
            f"{delays_s.shape} and {weights.shape}"
        )
    fires = weights != 0
    if not fires.any(1).all():
        raise ValueError(f"{name}: tx_apodizations must not be zero for all elements of a transmit")
    angles, focus_mm = field("polar_angles"), 1e3 * field("focus_distances")
    turned = field("azimuth_angles") if f"{at}scan/azimuth_angles" in file else np.zeros(n)
    begin_s, origins_mm = field("initial_times"), 1e3 * field("transmit_origins")[:, ::-1]
    sampling_hz = hdf5_number(name, file, f"{at}scan/sampling_frequency")
    if (fires.sum(1) == 1).all():
        alone = fires.argmax(1)
        return PointSources(
            sources_mm=points_mm[alone],
            sampling_hz=sampling_hz,
            start_s=begin_s - delays_s[np.arange(n), alone],
            pulse_delay_s=pulse_delay_s,
        )
    if turned.any():
        raise ValueError(f"{name}: azimuth_angles must be 0, got {turned.tolist()}")
    speed_mm_s = 1e3 * speed_m_s
    ahead = np.stack([np.cos(angles), 0 * angles, np.sin(angles)], axis=1)
    plane = (focus_mm == 0) | np.isinf(focus_mm)
    if plane.all():
        passed = delays_s - (points_mm @ ahead.T).T / speed_mm_s
        return PlaneWaves(
            angles_rad=angles,
            sampling_hz=sampling_hz,
            start_s=begin_s - _common(name, passed, fires, center_hz),
            pulse_delay_s=pulse_delay_s,
        )
    if plane.any():
        raise ValueError(f"{name}: focus_distances must be of one kind, got {(1e-3 * focus_mm).tolist()}")
    sources_mm = origins_mm + focus_mm[:, None] * ahead
    way_mm = np.linalg.norm(points_mm - sources_mm[:, None], axis=2) - np.abs(focus_mm)[:, None]
    passed = delays_s + np.sign(focus_mm)[:, None] * way_mm / speed_mm_s
    return SphericalWaves(
        sources_mm=sources_mm,
        references_mm=origins_mm,
        sampling_hz=sampling_hz,
        start_s=begin_s - _common(name, passed, fires, center_hz),
        pulse_delay_s=pulse_delay_s,
    )


def _common(
    name: str, passed_s: npt.NDArray[np.float64], fires: npt.NDArray[np.bool_], center_hz: float
) -> npt.NDArray[np.float64]:
    """When each wave has its time zero, which all elements that fire must agree on."""
    mean = np.average(passed_s, axis=1, weights=fires)
    worst = float(np.abs(np.where(fires, passed_s - mean[:, None], 0)).max())
    if worst * center_hz > _TURN:
        raise ValueError(
            f"{name}: t0_delays must be those of the waves of polar_angles and focus_distances, got a "
            f"difference of {1e9 * worst:.4g} ns"
        )
    return np.asarray(mean)
