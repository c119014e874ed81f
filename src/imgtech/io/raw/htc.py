"""Fan-beam scans of the Helsinki Tomography Challenge 2022."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from imgtech.geometry import FanBeam
from imgtech.io.raw.ct_scan import CtScan

_VARIABLE = "CtDataFull"


def read_htc(path: str | Path) -> CtScan:
    """Read a fan-beam scan of the Helsinki Tomography Challenge 2022.

    The whole geometry is in the file: distances, channel spacing and view angles. The angles count
    counter-clockwise here with the channels in the order of the file, which is what makes the images
    sharp; the file does not say from which side of the plane its makers looked, so the image may be the
    mirror image of what they saw. The line integrals are taken as they are.

    Parameters
    ----------
    path : str or pathlib.Path
        MATLAB file with the structure ``CtDataFull``: ``sinogram`` ``(view, channel)`` and
        ``parameters``.

    Returns
    -------
    CtScan
        One slice in float32, and its rays.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no MATLAB file, a field is missing, lengths are not in mm, or the fields do not
        belong together.

    References
    ----------
    Meaney, de Moura and Siltanen, Helsinki Tomography Challenge 2022 open tomographic dataset,
    https://doi.org/10.5281/zenodo.6984868

    Examples
    --------
    >>> from imgtech.io.raw import read_htc
    >>> scan = read_htc("htc2022_ta_full.mat")  # doctest: +SKIP
    """
    import scipy.io

    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    try:
        content = scipy.io.loadmat(file, struct_as_record=False, squeeze_me=True, variable_names=[_VARIABLE])
    except (OSError, ValueError, TypeError, NotImplementedError) as error:
        raise ValueError(f"{file}: no readable MATLAB file, {' '.join(str(error).split())}") from error
    if _VARIABLE not in content:
        raise ValueError(f"{file}: no scan of the challenge, {_VARIABLE} is missing")
    scan = content[_VARIABLE]
    parameters = _field(file, scan, "parameters")
    unit = _field(file, parameters, "distanceUnit")
    if unit != "mm":
        raise ValueError(f"{file}: distanceUnit must be mm, got {unit!r}")
    try:
        sinogram = np.asarray(_field(file, scan, "sinogram"), dtype=np.float32)
        beam = FanBeam.from_degrees(
            np.ravel(_field(file, parameters, "angles")),
            source_axis_mm=float(_field(file, parameters, "distanceSourceOrigin")),
            source_detector_mm=float(_field(file, parameters, "distanceSourceDetector")),
            n_channels=int(_field(file, parameters, "numDetectorsPost")),
            channel_spacing_mm=float(_field(file, parameters, "pixelSizePost")),
        )
        return CtScan(sinogram=sinogram[None], beam=beam)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file}: {error}") from error


def _field(file: Path, structure: Any, name: str) -> Any:
    if not hasattr(structure, name):
        raise ValueError(f"{file}: field {name} is missing")
    return getattr(structure, name)
