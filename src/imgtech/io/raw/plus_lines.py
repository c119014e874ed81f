"""Beamformed lines of a convex probe in MetaImage files of PLUS: ``.mha``, or ``.mhd`` with ``.raw``."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import finite, positive
from imgtech.geometry import PolarGrid

_TYPES = {"MET_SHORT": "i2", "MET_UCHAR": "u1", "MET_USHORT": "u2", "MET_INT": "i4", "MET_FLOAT": "f4"}


@dataclass(frozen=True, kw_only=True, eq=False)
class BeamLines(ArrayValue):
    """Lines that a scanner has beamformed, and where they lie.

    Parameters
    ----------
    data : numpy.ndarray
        Samples ``(range, line)``: complex for IQ, real for RF.
    sector : PolarGrid
        Their places, with the probe's surface in the middle of the sector at depth 0.

    Raises
    ------
    ValueError
        If the shapes differ.
    """

    data: npt.NDArray[Any]
    sector: PolarGrid

    def __post_init__(self) -> None:
        if self.data.shape != self.sector.shape:
            raise ValueError(f"data must have shape {self.sector.shape}, got {self.data.shape}")
        data = self.data.view()
        data.setflags(write=False)
        object.__setattr__(self, "data", data)


def read_plus_lines(
    path: str | PathLike[str],
    *,
    radius_start_mm: float,
    radius_stop_mm: float,
    theta_start_rad: float,
    theta_stop_rad: float,
) -> BeamLines:
    """Read one frame of lines that PLUS saved as a MetaImage.

    ``UltrasoundImageType`` must be ``RF_IQ_LINE`` (I and Q take turns along a line), ``RF_REAL`` or
    ``BRIGHTNESS``; ``UltrasoundImageOrientation`` must begin with F or N: samples run away from the probe
    or towards it. The file does not hold the geometry of the probe: it stands as ``RadiusStartMm``,
    ``RadiusStopMm``, ``ThetaStartDeg`` and ``ThetaStopDeg`` in the configuration of the device. The first
    sample of a line lies at the first radius, the last one at the last.

    Parameters
    ----------
    path : path_like
        The ``.mha`` or ``.mhd`` file.
    radius_start_mm, radius_stop_mm : float
        Distance of the first and of the last sample from the centre of the probe's circle.
    theta_start_rad, theta_stop_rad : float
        Angle of the first and of the last line.

    Returns
    -------
    BeamLines
        Samples ``(range, line)`` and their sector.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or not the file of samples it names.
    ValueError
        If a field is missing or of an unknown kind, the file is too short, or the radii or angles do not
        rise.

    References
    ----------
    Lasso et al. 2014, "PLUS: open-source toolkit for ultrasound-guided intervention systems", IEEE TBME
    61:2527, doi:10.1109/TBME.2014.2322864.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.io.raw import read_plus_lines
    >>> lines = read_plus_lines(
    ...     "lines.mhd",
    ...     radius_start_mm=10,
    ...     radius_stop_mm=60,
    ...     theta_start_rad=np.deg2rad(-70),
    ...     theta_stop_rad=np.deg2rad(70),
    ... )  # doctest: +SKIP
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    fields, header_bytes = _header(path)
    if fields.get("CompressedData", "False") != "False":
        raise ValueError(f"{path.name}: compressed samples are not supported")
    kind, orientation = (fields.get(f"UltrasoundImage{name}", "") for name in ("Type", "Orientation"))
    if kind not in ("RF_IQ_LINE", "RF_REAL", "BRIGHTNESS"):
        raise ValueError(
            f"{path.name}: UltrasoundImageType must be RF_IQ_LINE, RF_REAL or BRIGHTNESS, got {kind!r}"
        )
    if orientation[:1] not in ("F", "N"):
        raise ValueError(
            f"{path.name}: UltrasoundImageOrientation must begin with F or N, got {orientation!r}"
        )
    samples = _samples(path, fields, header_bytes)
    if kind == "RF_IQ_LINE":
        if samples.shape[1] % 2:
            raise ValueError(
                f"{path.name}: lines of IQ must hold an even number of values, got {samples.shape}"
            )
        lines = (samples[:, 0::2] + 1j * samples[:, 1::2]).astype(np.complex64).T
    else:
        lines = samples.T
    if orientation[0] == "N":
        lines = lines[::-1]
    first, last = positive("radius_start_mm", radius_start_mm), positive("radius_stop_mm", radius_stop_mm)
    left, right = finite("theta_start_rad", theta_start_rad), finite("theta_stop_rad", theta_stop_rad)
    if last <= first or right <= left or min(lines.shape) < 2:
        raise ValueError(
            f"radii and angles must rise over at least 2 samples and lines, got {first} to {last} mm, "
            f"{left} to {right} rad, {lines.shape}"
        )
    sector = PolarGrid(
        shape=(lines.shape[0], lines.shape[1]),
        range_spacing_mm=(last - first) / (lines.shape[0] - 1),
        angle_spacing_rad=(right - left) / (lines.shape[1] - 1),
        range_center_mm=(first + last) / 2,
        angle_center_rad=(left + right) / 2,
        apex_mm=(-first, 0.0),
    )
    return BeamLines(data=np.ascontiguousarray(lines), sector=sector)


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Fields of a MetaImage header and its length; samples follow where the data file is LOCAL."""
    fields: dict[str, str] = {}
    length = 0
    with path.open("rb") as file:
        for line in file:
            length += len(line)
            name, equals, value = line.decode("latin-1").partition("=")
            if not equals:
                break
            fields[name.strip()] = value.strip()
            if name.strip() == "ElementDataFile":
                return fields, length
    raise ValueError(f"{path.name} is no MetaImage: it has no field ElementDataFile")


def _samples(path: Path, fields: dict[str, str], header_bytes: int) -> npt.NDArray[Any]:
    """Values ``(line, sample)`` of the first frame."""
    try:
        sizes = [int(n) for n in fields["DimSize"].split()]
        code = _TYPES[fields["ElementType"]]
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{path.name}: DimSize and ElementType must be given, {error} is not known"
        ) from error
    if len(sizes) not in (2, 3) or min(sizes) < 1:
        raise ValueError(f"{path.name}: DimSize must be 2 or 3 sizes, got {fields['DimSize']!r}")
    local = fields["ElementDataFile"] == "LOCAL"
    source = path if local else path.parent / Path(fields["ElementDataFile"]).name
    if not source.is_file():
        raise FileNotFoundError(f"no such file: {source}")
    order = ">" if fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB")) == "True" else "<"
    n = sizes[0] * sizes[1]
    values = np.fromfile(source, order + code, count=n, offset=header_bytes if local else 0)
    if values.size < n:
        raise ValueError(f"{source.name} must hold {n} values, it ends after {values.size}")
    return values.reshape(sizes[1], sizes[0]).astype(np.dtype(code))
