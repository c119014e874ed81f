"""Channel data in the HDF5 files of pybf: simulations with Field II and recordings."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import positive
from imgtech.geometry import LinearArray, PlaneWaves
from imgtech.io.raw._containers import hdf5_number, hdf5_values, open_hdf5
from imgtech.io.raw.channel_data import ChannelData


def read_pybf(path: str | PathLike[str], *, sound_speed_m_s: float = 1540.0) -> ChannelData:
    r"""Read plane-wave channel data from a pybf HDF5 file.

    RF lies under ``data/rf_data/frame_i/shot_k`` as ``(element, sample)``, the steering angles in radians
    under ``data/tx_mode/PW_*`` (positive towards positive x). Lengths are in metres.

    Time zero of a simulation (group ``sim_params``): Field II starts its trace at ``start_time``, counted
    from the moment the wave passes ``x = 0, z = 0``, and an echo is centred half the length of the
    two-way pulse (excitation, impulse response, impulse response) after its time of flight.
    ``data/correction_time_shift`` is that half length minus ``start_time``. So ``start_s`` is
    ``start_time`` and ``pulse_delay_s`` is ``correction_time_shift + start_time``.

    Time zero of a recording (group ``hardware_params``): time counts from the first element that fires, a
    wave steered by :math:`\theta` passes the middle of a probe of half width h only
    :math:`h |\sin\theta| / c` later, so ``start_s`` is ``start_time`` minus that, and ``pulse_delay_s``
    is ``correction_time``.

    Parameters
    ----------
    path : path_like
        The file.
    sound_speed_m_s : float, optional
        Speed of sound; the format does not state it.

    Returns
    -------
    ChannelData
        RF ``(transmit, element, sample)``, or ``(transmit, element, sample, frame)`` where there is more
        than one frame, in the number format of the file. ``scatterers_mm`` for simulations.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If h5py is not installed (extra ``raw``).
    ValueError
        If the file is damaged or no HDF5 file, a field is missing or has the wrong form, or the
        transmits are not plane waves.

    References
    ----------
    Vostrikov et al., pybf, https://github.com/Sergio5714/pybf; Jensen 1996, Field II,
    Med. Biol. Eng. Comput. 34 (suppl. 1):351-353.

    Examples
    --------
    >>> from imgtech.io.raw import read_pybf
    >>> raw = read_pybf("field2_3pw.hdf5")  # doctest: +SKIP
    >>> raw.data.shape == (raw.waves.n_transmits, raw.probe.n_elements, 2313)  # doctest: +SKIP
    True
    """
    path = Path(path)
    with open_hdf5(path) as file:
        return _channel_data(path.name, file, positive("sound_speed_m_s", sound_speed_m_s))


def _channel_data(name: str, file: Any, speed_m_s: float) -> ChannelData:
    probe = LinearArray(
        n_elements=int(hdf5_number(name, file, "trans_params/x_num_of_elements")),
        pitch_mm=1e3 * hdf5_number(name, file, "trans_params/x_pitch"),
        element_width_mm=1e3 * hdf5_number(name, file, "trans_params/x_width"),
    )
    angles_rad = _angles(name, file)
    if "sim_params" in file:
        start_s = np.full(angles_rad.shape, hdf5_number(name, file, "sim_params/start_time"))
        pulse_delay_s = hdf5_number(name, file, "data/correction_time_shift") + float(start_s[0])
    else:
        half_m = 1e-3 * float(probe.elements_mm[-1])
        start_s = hdf5_number(name, file, "hardware_params/start_time") - half_m / speed_m_s * np.abs(
            np.sin(angles_rad)
        )
        pulse_delay_s = hdf5_number(name, file, "hardware_params/correction_time")
    center_hz = hdf5_number(name, file, "trans_params/f_central")
    bandwidth = hdf5_number(name, file, "trans_params/bandwidth")
    return ChannelData(
        data=_rf(name, file, (angles_rad.size, probe.n_elements)),
        probe=probe,
        waves=PlaneWaves(
            angles_rad=angles_rad,
            sampling_hz=hdf5_number(name, file, "data/f_sampling"),
            start_s=start_s,
            pulse_delay_s=pulse_delay_s,
        ),
        center_hz=center_hz,
        sound_speed_m_s=speed_m_s,
        bandwidth_hz=bandwidth * center_hz if bandwidth <= 2 else bandwidth,  # a fraction, or hertz
        prf_hz=hdf5_number(name, file, "data/fps"),
        scatterers_mm=_scatterers_mm(name, file),
    )


def _angles(name: str, file: Any) -> npt.NDArray[np.float64]:
    modes = list(_group(name, file, "data/tx_mode"))
    if len(modes) != 1 or not modes[0].startswith("PW"):
        raise ValueError(f"{name}: data/tx_mode must hold one plane-wave mode (PW_*), got {modes}")
    return hdf5_values(name, file, f"data/tx_mode/{modes[0]}").ravel()


def _rf(name: str, file: Any, expected: tuple[int, int]) -> npt.NDArray[Any]:
    """All shots of all frames, ``(transmit, element, sample)`` with frames last if there are several."""
    n_frames = len(_group(name, file, "data/rf_data"))
    shots = [
        [f"data/rf_data/frame_{i + 1}/shot_{k + 1}" for k in range(expected[0])] for i in range(n_frames)
    ]
    if n_frames == 0:
        raise ValueError(f"{name}: data/rf_data must hold at least one frame")
    frames = [[hdf5_values(name, file, shot, keep=True) for shot in frame] for frame in shots]
    shapes = {shot.shape for frame in frames for shot in frame}
    shape = next(iter(shapes))
    if len(shapes) != 1 or len(shape) != 2 or shape[0] != expected[1]:
        raise ValueError(
            f"{name}: every shot under data/rf_data must be (element, sample) with {expected[1]} elements "
            f"and the same length, got shapes {sorted(shapes)}"
        )
    data = np.array(frames)
    return data[0] if n_frames == 1 else np.moveaxis(data, 0, 3)


def _scatterers_mm(name: str, file: Any) -> npt.NDArray[np.float64] | None:
    if "sim_params/scatters_data" not in file:
        return None
    positions_m = hdf5_values(name, file, "sim_params/scatters_data")
    if positions_m.ndim != 2 or positions_m.shape[0] != 3:
        raise ValueError(
            f"{name}: sim_params/scatters_data must be (3, n) as x, y, z, got shape {positions_m.shape}"
        )
    return np.ascontiguousarray(1e3 * positions_m[[2, 0]].T)


def _group(name: str, file: Any, key: str) -> Any:
    if key not in file or not hasattr(file[key], "keys"):
        raise ValueError(f"{name} has no group {key}")
    return file[key]
