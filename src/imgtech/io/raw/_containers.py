"""Opening the containers that hold channel data: MATLAB files up to version 7, and HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat

from imgtech._core.extras import require


def load_mat(path: Path, **options: Any) -> dict[str, Any]:
    """Variables of a MATLAB file, or say that there is none or that it is damaged."""
    _existing(path)
    try:
        return dict(loadmat(path, **options))
    except Exception as error:  # the MATLAB parser fails in many ways on damaged bytes
        raise ValueError(f"{path.name} is damaged or no MATLAB file: {error}") from error


def open_hdf5(path: Path) -> Any:
    """An HDF5 file to read, or say that there is none or that it is damaged."""
    _existing(path)
    h5py = require("h5py", "raw")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path.name} is damaged or no HDF5 file: {error}") from error


def hdf5_values(name: str, file: Any, key: str, *, keep: bool = False) -> npt.NDArray[Any]:
    """Numbers of a data set, as float64 or ``keep``-ing the format of the file."""
    if key not in file or not hasattr(file[key], "shape"):
        raise ValueError(f"{name} has no field {key}")
    try:
        values = np.asarray(file[key][()])
    except OSError as error:
        raise ValueError(f"{name}: {key} is damaged: {error}") from error
    if values.dtype.kind not in "fiu":
        raise ValueError(f"{name}: {key} must hold real numbers, got dtype {values.dtype}")
    return values if keep else values.astype(np.float64)


def hdf5_number(name: str, file: Any, key: str) -> float:
    """One number of a data set."""
    values = hdf5_values(name, file, key)
    if values.size != 1:
        raise ValueError(f"{name}: {key} must be one number, got shape {values.shape}")
    return float(values.ravel()[0])


def _existing(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
