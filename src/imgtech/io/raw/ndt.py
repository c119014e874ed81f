"""Full-matrix captures of non-destructive testing in MATLAB files: a structure ``exp_data``."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import positive
from imgtech.geometry import ElementArray, LinearArray, PointSources
from imgtech.geometry.probes import Probe
from imgtech.io.raw._containers import load_mat
from imgtech.io.raw.channel_data import ChannelData

_EVEN = 1e-6  # largest departure of an element from an even row, in pitches


def read_ndt_fmc(path: str | PathLike[str], *, sound_speed_m_s: float | None = None) -> ChannelData:
    """Read a full-matrix capture saved by BRAIN or arim as a ``.mat`` file (up to version 7).

    ``exp_data`` holds ``time_data (sample, trace)``, the element numbers ``tx`` and ``rx`` of every trace
    (from 1), the moments ``time`` in s, ``ph_velocity`` in m/s and ``array`` with the element centres
    ``el_xc``, ``el_yc``, ``el_zc`` and edges ``el_x1`` in m, and ``centre_freq`` in Hz. Element edges give
    the width. Where only one of the traces from i to j and from j to i was kept (half matrix), it serves
    for both: they are equal by reciprocity.

    Time zero is the moment an element fires, as far as the instrument is set so; the format does not know
    the length of the pulse, ``pulse_delay_s`` is 0.

    Parameters
    ----------
    path : path_like
        The file.
    sound_speed_m_s : float, optional
        Speed of sound in place of ``ph_velocity``, which may be missing then.

    Returns
    -------
    ChannelData
        RF ``(transmit, element, sample)``, one transmit an element.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or no MATLAB file, a field is missing or has the wrong form, the moments
        are not evenly spaced, or a pair of elements is missing.

    References
    ----------
    Holmes, Drinkwater and Wilcox 2005, "Post-processing of the full matrix of ultrasonic transmit-receive
    array data for non-destructive evaluation", NDT & E Int. 38:701, doi:10.1016/j.ndteint.2005.04.002.

    Examples
    --------
    >>> from imgtech.io.raw import read_ndt_fmc
    >>> raw = read_ndt_fmc("fmc.mat")  # doctest: +SKIP
    >>> raw.data.shape  # doctest: +SKIP
    (64, 64, 750)
    """
    path = Path(path)
    content = load_mat(path, struct_as_record=False, squeeze_me=True)
    if not hasattr(content.get("exp_data"), "_fieldnames"):
        raise ValueError(f"{path.name} has no structure 'exp_data'")
    exp = content["exp_data"]
    if not hasattr(getattr(exp, "array", None), "_fieldnames"):
        raise ValueError(f"{path.name} has no structure exp_data.array")

    times_s = _numbers(path, exp, "time")
    traces = _numbers(path, exp, "time_data")
    if traces.ndim != 2 or len(traces) != times_s.size or times_s.size < 2:
        raise ValueError(
            f"{path.name}: time_data must be (sample, trace) with {times_s.size} samples (at least 2), "
            f"got shape {traces.shape}"
        )
    step_s = float(times_s[-1] - times_s[0]) / (times_s.size - 1)
    if step_s <= 0 or np.abs(times_s - times_s[0] - step_s * np.arange(times_s.size)).max() > 1e-3 * step_s:
        raise ValueError(f"{path.name}: time must grow in even steps")
    probe = _probe(path, exp.array)
    given = _number(path, exp, "ph_velocity") if sound_speed_m_s is None else sound_speed_m_s
    return ChannelData(
        data=_full_matrix(path, exp, traces, probe.n_elements),
        probe=probe,
        waves=PointSources.from_elements(probe, sampling_hz=1 / step_s, start_s=float(times_s[0])),
        center_hz=_number(path, exp.array, "centre_freq"),
        sound_speed_m_s=positive("sound_speed_m_s", given),
    )


def _probe(path: Path, array: Any) -> Probe:
    x, y, z = (1e3 * _numbers(path, array, f"el_{axis}c").ravel() for axis in "xyz")
    if not x.size == y.size == z.size:
        raise ValueError(f"{path.name}: el_xc, el_yc and el_zc must have one size")
    corners = ((f"el_{axis}1", f"el_{axis}c") for axis in "xyz")
    half = [_numbers(path, array, a).ravel()[0] - _numbers(path, array, b).ravel()[0] for a, b in corners]
    width_mm = 2e3 * float(np.linalg.norm(half))
    pitch_mm = float(x[-1] - x[0]) / max(1, x.size - 1)
    even = x.size > 1 and pitch_mm > 0 and not y.any() and not z.any()
    if even and np.abs(x - x[0] - pitch_mm * np.arange(x.size)).max() < _EVEN * pitch_mm:
        return LinearArray(
            n_elements=x.size,
            pitch_mm=pitch_mm,
            element_width_mm=min(width_mm, pitch_mm),
            center_mm=round(float(x[0] + x[-1]) / 2, 9),
        )
    return ElementArray(
        positions_mm=np.stack([z, y, x], 1),
        normals=np.tile([1.0, 0.0, 0.0], (x.size, 1)),
        element_width_mm=width_mm,
    )


def _full_matrix(path: Path, exp: Any, traces: npt.NDArray[Any], n: int) -> npt.NDArray[np.float32]:
    tx, rx = (_numbers(path, exp, name).ravel().astype(int) - 1 for name in ("tx", "rx"))
    if not tx.size == rx.size == traces.shape[1]:
        raise ValueError(f"{path.name}: tx and rx must number all {traces.shape[1]} traces")
    if min(tx.min(), rx.min()) < 0 or max(tx.max(), rx.max()) >= n:
        raise ValueError(f"{path.name}: tx and rx must lie between 1 and {n}")
    data = np.zeros((n, n, len(traces)), dtype=np.float32)
    known = np.zeros((n, n), dtype=bool)
    data[rx, tx] = traces.T
    known[rx, tx] = True
    data[tx, rx] = traces.T
    known[tx, rx] = True
    if not known.all():
        i, j = np.argwhere(~known)[0] + 1
        raise ValueError(f"{path.name} has no trace of the elements {i} and {j}")
    return data


def _numbers(path: Path, record: Any, name: str) -> npt.NDArray[np.float64]:
    if not hasattr(record, name):
        raise ValueError(f"{path.name} has no field {name}")
    values = np.asarray(getattr(record, name))
    if values.dtype.kind not in "fiu" or not values.size or not np.isfinite(values).all():
        raise ValueError(f"{path.name}: {name} must hold finite numbers")
    return np.atleast_1d(values.astype(np.float64))


def _number(path: Path, record: Any, name: str) -> float:
    values = _numbers(path, record, name)
    if values.size != 1:
        raise ValueError(f"{path.name}: {name} must be one number, got shape {values.shape}")
    return float(values.ravel()[0])
