"""What is inside files of arrays."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import scipy.io

from imgtech.io import list_arrays


def test_hdf5_is_listed_with_paths_shapes_and_single_values(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["scan/rf"] = np.zeros((3, 5), np.int16)
        file["scan/fs"] = np.array([[20e6]])
        file["title"] = b"tooth"
    got = {a.name: (a.shape, a.kind, a.value) for a in list_arrays(tmp_path / "a.hdf5")}
    assert got["scan/rf"] == ((3, 5), "int16", "")
    assert got["scan/fs"] == ((1, 1), "float64", "20000000.0")
    assert got["title"][2] == "tooth"


def test_matlab_and_numpy_files_are_listed(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"RF": np.zeros((4, 3))})
    np.save(tmp_path / "b.npy", np.zeros((2, 6), np.float32))
    assert [(a.name, a.shape, a.kind) for a in list_arrays(tmp_path / "a.mat")] == [("RF", (4, 3), "double")]
    assert [(a.name, a.shape, a.kind) for a in list_arrays(tmp_path / "b.npy")] == [("b", (2, 6), "float32")]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", b"hello", "neither HDF5 nor MATLAB nor NumPy"),
        ("a.npz", b"PK broken", "damaged"),
        ("a.h5", b"\x89HDF\r\n\x1a\nbroken", "damaged"),
        ("empty.mat", b"", "neither"),
    ],
)
def test_other_and_damaged_files_are_named(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        list_arrays(tmp_path / name)
    assert name in str(caught.value)
    with pytest.raises(FileNotFoundError, match="no such file"):
        list_arrays(tmp_path / "missing.npz")
