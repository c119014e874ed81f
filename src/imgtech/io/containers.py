"""What is inside a file of arrays: HDF5, MATLAB and NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from imgtech._core.extras import require

_HDF5_START = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class ArrayInfo:
    """One array of a file.

    Parameters
    ----------
    name : str
        Its name or path inside the file.
    shape : tuple of int
        Its shape.
    kind : str
        Its type as the file says it.
    value : str, optional
        Its value where it is a single number or text.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    value: str = ""


def list_arrays(path: str | Path) -> tuple[ArrayInfo, ...]:
    """List the arrays of an HDF5 (also MATLAB 7.3), MATLAB or NumPy file without loading the large ones.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.

    Returns
    -------
    tuple of ArrayInfo
        In the order of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If the file is HDF5 and h5py is not installed.
    ValueError
        If the file is of none of these kinds or damaged.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from imgtech.io import list_arrays
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(Path(folder) / "a.npz", image=np.zeros((3, 4)), spacing_mm=0.7)
    ...     [(array.name, array.shape, array.value) for array in list_arrays(Path(folder) / "a.npz")]
    [('image', (3, 4), ''), ('spacing_mm', (), '0.7')]
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    with file.open("rb") as stream:
        start = stream.read(512)
    readers: tuple[tuple[bool, Callable[[Path], list[ArrayInfo]]], ...] = (
        (start.startswith(_HDF5_START) or (file.suffix == ".mat" and b"MATLAB 7.3" in start), _hdf5),
        (start.startswith(b"PK") and file.suffix == ".npz", _npz),
        (start.startswith(b"\x93NUMPY"), _npy),
        (start.startswith(b"MATLAB 5.0"), _matlab),
    )
    for fits, reader in readers:
        if fits:
            try:
                return tuple(reader(file))
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{file}: damaged, {' '.join(str(error).split())}") from error
    raise ValueError(f"{file}: neither HDF5 nor MATLAB nor NumPy")


def _hdf5(file: Path) -> list[ArrayInfo]:
    h5py = require("h5py", "raw")
    found: list[ArrayInfo] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            value = _text(item[()]) if item.shape is not None and item.size == 1 else ""
            found.append(
                ArrayInfo(name=name, shape=tuple(item.shape or ()), kind=str(item.dtype), value=value)
            )

    with h5py.File(file) as content:
        content.visititems(visit)
    return found


def _npz(file: Path) -> list[ArrayInfo]:
    with np.load(file, allow_pickle=False) as archive:
        return [_numpy(name, archive[name]) for name in archive.files]


def _npy(file: Path) -> list[ArrayInfo]:
    return [_numpy(file.stem, np.load(file, mmap_mode="r", allow_pickle=False))]


def _numpy(name: str, array: Any) -> ArrayInfo:
    value = _text(array) if array.size == 1 else ""
    return ArrayInfo(name=name, shape=array.shape, kind=str(array.dtype), value=value)


def _matlab(file: Path) -> list[ArrayInfo]:
    import scipy.io

    return [ArrayInfo(name=n, shape=s, kind=k) for n, s, k in scipy.io.whosmat(file)]


def _text(value: Any) -> str:
    item = np.asarray(value).ravel()[0]
    return item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
