"""Channel data in the MATLAB files of MUST and PyMUST: an array ``RF`` and a structure ``param``."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import positive
from imgtech.geometry import LinearArray, PlaneWaves
from imgtech.io.raw._containers import load_mat
from imgtech.io.raw.channel_data import ChannelData

_STRAIGHT = 0.02  # largest departure of the transmit delays from a plane wave, in periods


def read_pymust(path: str | PathLike[str]) -> ChannelData:
    r"""Read a plane-wave recording saved by MUST or PyMUST as a ``.mat`` file (up to version 7).

    ``RF`` is ``(sample, element)`` or ``(sample, element, frame)``. Of ``param`` are read ``fs``, ``fc``
    and ``PRF`` in Hz, ``pitch`` and ``width`` in m, ``c`` in m/s, ``bandwidth`` in percent of ``fc``,
    ``Nelements``, ``t0`` and ``TXdelay`` in s; ``width``, ``PRF``, ``bandwidth`` and ``t0`` (then 0) may
    be missing.

    Time zero: MUST counts time from the zero of ``TXdelay``; the first sample was taken at ``t0`` and
    element e fired at ``TXdelay[e]``. The delays of a plane wave are
    :math:`x_e \sin\theta / c + t_{00}`, where :math:`t_{00}` is the moment the wave passes ``x = 0``,
    which is imgtech's time zero; so ``start_s`` is ``t0`` minus the mean of ``TXdelay``. The format does
    not know the length of the pulse: ``pulse_delay_s`` is 0.

    Parameters
    ----------
    path : path_like
        The file.

    Returns
    -------
    ChannelData
        RF ``(1, element, sample)`` or ``(1, element, sample, frame)`` in the number format of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or no MATLAB file, a field is missing or has the wrong form, or the
        transmit delays are not those of a plane wave.

    References
    ----------
    Garcia 2021, "Make the most of MUST, an open-source MATLAB UltraSound Toolbox", IEEE IUS,
    doi:10.1109/IUS52206.2021.9593605.

    Examples
    --------
    >>> from imgtech.io.raw import read_pymust
    >>> from imgtech.recon.ultrasound import rf_to_iq
    >>> raw = read_pymust("PWI_disk.mat")  # doctest: +SKIP
    >>> iq = rf_to_iq(raw.data, raw.waves, center_hz=raw.center_hz)  # doctest: +SKIP
    """
    path = Path(path)
    content = load_mat(path)
    for name in ("RF", "param"):
        if name not in content:
            raise ValueError(f"{path.name} has no field {name!r}")
    param = content["param"]
    if param.dtype.names is None or param.size != 1:
        raise ValueError(
            f"{path.name}: param must be one structure, got {param.dtype} of shape {param.shape}"
        )
    fields = {name: np.asarray(param.flat[0][name]) for name in param.dtype.names}
    rf = content["RF"]
    n_elements = int(_number(path, fields, "Nelements"))
    if rf.dtype.kind not in "fiu" or rf.ndim not in (2, 3) or rf.shape[1] != n_elements:
        raise ValueError(
            f"{path.name}: RF must be real and (sample, element) or (sample, element, frame) with "
            f"{n_elements} elements, got {rf.dtype} of shape {rf.shape}"
        )

    center_hz = _number(path, fields, "fc")
    sound_speed_m_s = _number(path, fields, "c")
    probe = LinearArray(
        n_elements=n_elements,
        pitch_mm=1e3 * _number(path, fields, "pitch"),
        element_width_mm=1e3 * _number(path, fields, "width") if "width" in fields else None,
    )
    angle_rad, zero_s = _plane_wave(path, fields, probe, sound_speed_m_s, center_hz)
    waves = PlaneWaves(
        angles_rad=np.array([angle_rad]),
        sampling_hz=_number(path, fields, "fs"),
        start_s=(_number(path, fields, "t0") if "t0" in fields else 0.0) - zero_s,
    )
    return ChannelData(
        data=np.moveaxis(rf, 0, 1)[None],
        probe=probe,
        waves=waves,
        center_hz=center_hz,
        sound_speed_m_s=sound_speed_m_s,
        bandwidth_hz=_number(path, fields, "bandwidth") / 100 * center_hz if "bandwidth" in fields else None,
        prf_hz=_number(path, fields, "PRF") if "PRF" in fields else None,
    )


def _plane_wave(
    path: Path, fields: dict[str, npt.NDArray[Any]], probe: LinearArray, speed_m_s: float, center_hz: float
) -> tuple[float, float]:
    """Steering angle of the transmit delays, and when their wave passes the middle of the probe."""
    delays_s = _numbers(path, fields, "TXdelay")
    if delays_s.shape != (probe.n_elements,):
        raise ValueError(
            f"{path.name}: TXdelay must hold {probe.n_elements} delays, got shape {fields['TXdelay'].shape}"
        )
    x_m = 1e-3 * probe.elements_mm
    zero_s = float(delays_s.mean())
    slope = float(x_m @ delays_s / (x_m @ x_m))
    worst = np.abs(delays_s - zero_s - slope * x_m).max() * positive("fc", center_hz)
    if worst > _STRAIGHT or abs(slope * speed_m_s) >= 1:
        raise ValueError(
            f"{path.name}: TXdelay must be that of a plane wave, departs by {worst:.3g} periods of fc "
            f"(at most {_STRAIGHT})"
        )
    return float(np.arcsin(slope * speed_m_s)), zero_s


def _numbers(path: Path, fields: dict[str, npt.NDArray[Any]], name: str) -> npt.NDArray[np.float64]:
    if name not in fields:
        raise ValueError(f"{path.name} has no field param.{name}")
    if fields[name].dtype.kind not in "fiu" or not np.isfinite(fields[name]).all():
        raise ValueError(f"{path.name}: param.{name} must hold finite numbers, got {fields[name]}")
    return np.asarray(fields[name], dtype=np.float64).ravel()


def _number(path: Path, fields: dict[str, npt.NDArray[Any]], name: str) -> float:
    values = _numbers(path, fields, name)
    if values.size != 1:
        raise ValueError(f"{path.name}: param.{name} must be one number, got shape {fields[name].shape}")
    return float(values[0])
