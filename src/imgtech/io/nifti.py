"""NIfTI in and out: the same series with another convention of axes."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from imgtech._core.extras import require
from imgtech.io.atomic import write_bytes
from imgtech.io.series import Series

_TO_RAS = np.diag([-1.0, -1.0, 1.0])
_EVEN = 1e-3


def write_nifti(series: Series, path: str | Path) -> Path:
    """Write a series as one NIfTI-1 file in float32.

    The file's axes are (x, y, slice), and its affine is that of the series turned from DICOM's patient
    coordinates (left, posterior, superior) to those of NIfTI (right, anterior, superior): a voxel has the
    same place in both.

    Parameters
    ----------
    series : Series
        Pixels and place; slices at even distances.
    path : str or pathlib.Path
        ``.nii`` or ``.nii.gz``; its folder must exist.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ImportError
        If nibabel is not installed.
    ValueError
        If the name has another ending or slices are not at even distances.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from imgtech.io import Series, read_nifti, write_nifti
    >>> series = Series(pixels=np.ones((2, 3, 4)), spacing_mm=(0.5, 0.7), positions_mm=np.array([-5.0, 5.0]),
    ...                 slice_thickness_mm=10.0, modality="CT", origin_mm=(1.0, 2.0, -5.0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     back = read_nifti(write_nifti(series, Path(folder) / "a.nii"))
    >>> back.spacing_mm, back.origin_mm, back.positions_mm
    ((0.5, 0.7), (1.0, 2.0, -5.0), array([-5.,  5.]))
    """
    nibabel: Any = require("nibabel", "nifti")
    file = Path(path)
    if not file.name.endswith((".nii", ".nii.gz")):
        raise ValueError(f"path must end in .nii or .nii.gz, got {file.name}")
    steps = np.diff(series.positions_mm)
    step = float(steps.mean()) if len(steps) else series.slice_thickness_mm or 1.0
    if len(steps) and np.abs(steps - step).max() > max(_EVEN, 0.01 * abs(step)):
        raise ValueError(
            f"positions_mm must be at even distances, got steps {steps.min():.4g} to {steps.max():.4g}"
        )
    (dy, dx), axes = series.spacing_mm, np.asarray(series.orientation).reshape(2, 3)
    affine = np.eye(4)
    affine[:3, :3] = _TO_RAS @ np.column_stack([axes[0] * dx, axes[1] * dy, series.normal * step])
    affine[:3, 3] = _TO_RAS @ np.asarray(series.origin_mm)
    image = nibabel.Nifti1Image(np.ascontiguousarray(series.pixels.transpose(2, 1, 0)), affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    content = image.to_bytes()
    write_bytes(file, gzip.compress(content, mtime=0) if file.name.endswith(".gz") else content)
    return file


def read_nifti(path: str | Path, *, modality: str = "") -> Series:
    """Read a NIfTI file of one volume as a series in DICOM's patient coordinates.

    Parameters
    ----------
    path : str or pathlib.Path
        ``.nii`` or ``.nii.gz`` with 2 or 3 axes; the third is the slices.
    modality : str, optional
        DICOM modality of the values, which the file does not say.

    Returns
    -------
    Series
        Pixels ``(slice, y, x)`` with slices in ascending position along the normal.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If nibabel is not installed.
    ValueError
        If the file is no NIfTI file, holds more than one volume, or its axes are not at right angles.

    Examples
    --------
    >>> from imgtech.io import read_nifti
    >>> series = read_nifti("head.nii.gz", modality="CT")  # doctest: +SKIP
    """
    nibabel: Any = require("nibabel", "nifti")
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    try:
        image = nibabel.load(file)
        values = np.asarray(image.get_fdata(dtype=np.float32))
    except Exception as error:
        raise ValueError(f"{file}: no readable NIfTI file, {' '.join(str(error).split())}") from error
    values = values.reshape(values.shape[:3] if values.size == np.prod(values.shape[:3]) else values.shape)
    if values.ndim not in (2, 3):
        raise ValueError(f"{file}: must hold one volume, got shape {values.shape}")
    values = values.reshape(*values.shape[:2], -1)
    matrix, origin = _TO_RAS @ image.affine[:3, :3], _TO_RAS @ image.affine[:3, 3]
    size = np.linalg.norm(matrix, axis=0)
    if size.min() <= 0:
        raise ValueError(f"{file}: voxels must have a size, got {size.tolist()} mm")
    axes = matrix / size
    if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-3):
        raise ValueError(f"{file}: axes must be at right angles, got directions {axes.round(4).tolist()}")
    pixels = values.transpose(2, 1, 0)
    normal = np.cross(axes[:, 0], axes[:, 1])
    if normal @ axes[:, 2] < 0:  # slices run against the normal: turn them round
        pixels, origin = pixels[::-1], origin + axes[:, 2] * size[2] * (len(pixels) - 1)
    start = float(normal @ origin)
    return Series(
        pixels=pixels,
        spacing_mm=(round(float(size[1]), 6), round(float(size[0]), 6)),
        positions_mm=start + size[2] * np.arange(len(pixels)),
        slice_thickness_mm=float(size[2]),
        orientation=tuple(float(v) for v in np.concatenate([axes[:, 0], axes[:, 1]]).round(7) + 0.0),
        origin_mm=tuple(float(v) for v in origin.round(5) + 0.0),
        modality=modality,
    )
