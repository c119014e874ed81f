"""What a reader of images returns: pixels in real units, where they are, and how they were made."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.frozen import ArrayValue
from imgtech._core.validate import floats
from imgtech.geometry import ImageGrid


@dataclass(frozen=True, kw_only=True)
class SeriesTags:
    """What the files say about the scanner and the acquisition; None where they are silent.

    Parameters
    ----------
    series_uid, series_number, series_description : str, optional
        Identity of the series.
    frame_of_reference_uid : str, optional
        Series with the same one share their coordinates.
    manufacturer, model, station, software : str, optional
        The scanner.
    study_date : str, optional
        ``YYYYMMDD``.
    protocol_name, sequence_name, receive_coil : str, optional
        How the scan was set up.
    field_strength_t : float, optional
        Magnetic field strength, tesla.
    repetition_time_ms, echo_time_ms : float, optional
        MR timing, milliseconds.
    flip_angle_deg : float, optional
        Degrees.
    averages : float, optional
        Number of signal averages.
    bandwidth_hz_per_pixel : float, optional
        Receive bandwidth of one pixel.
    tube_voltage_kv, exposure_mas : float, optional
        X-ray source.
    kernel : str, optional
        Reconstruction kernel of CT.
    rescale_type : str, optional
        What the values are, such as ``"HU"``.
    """

    series_uid: str | None = None
    series_number: str | None = None
    series_description: str | None = None
    frame_of_reference_uid: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    station: str | None = None
    software: str | None = None
    study_date: str | None = None
    protocol_name: str | None = None
    sequence_name: str | None = None
    receive_coil: str | None = None
    field_strength_t: float | None = None
    repetition_time_ms: float | None = None
    echo_time_ms: float | None = None
    flip_angle_deg: float | None = None
    averages: float | None = None
    bandwidth_hz_per_pixel: float | None = None
    tube_voltage_kv: float | None = None
    exposure_mas: float | None = None
    kernel: str | None = None
    rescale_type: str | None = None

    def known(self) -> dict[str, str | float]:
        """The tags that the files do give, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class SeriesInfo:
    """One stack of images in a file or folder, as far as the headers tell.

    Parameters
    ----------
    modality : str
        DICOM modality, such as ``"MR"``; empty if the files do not say.
    kind : str
        Name of the DICOM object, such as ``"MR Image Storage"``.
    n_images : int
        Number of frames; 0 for an object without an image.
    shape : tuple of int or None
        Rows and columns.
    spacing_mm : tuple of float or None
        Distance between rows and between columns.
    transfer_syntax : str
        How the pixels are stored.
    tags : SeriesTags
        Scanner and acquisition.
    files : tuple of pathlib.Path
        The files, in the order of their names.
    frame_of_reference : str or None, optional
        UID of the frame in which the places hold; the same for series between which nothing was moved.
    orientation : tuple of float or None, optional
        Direction cosines of a row and of a column, patient coordinates.
    corners_mm : tuple of tuple of float, optional
        Patient coordinates of the centre of the first pixel of each image; empty if one does not say it.
    slice_thickness_mm : float or None, optional
        Nominal thickness.
    component : str, optional
        ``"M"`` for magnitude, ``"P"``, ``"R"`` or ``"I"`` for phase, real or imaginary part of an MR signal.
    localizer : bool, optional
        Whether the files call the images a localizer.
    headers : tuple, optional
        What was read of the files, for :func:`read_series`, which then reads the pixels only.
    """

    modality: str
    kind: str
    n_images: int
    shape: tuple[int, int] | None
    spacing_mm: tuple[float, float] | None
    transfer_syntax: str
    tags: SeriesTags
    files: tuple[Path, ...]
    frame_of_reference: str | None = None
    orientation: tuple[float, ...] | None = None
    corners_mm: tuple[tuple[float, ...], ...] = ()
    slice_thickness_mm: float | None = None
    component: str = "M"
    localizer: bool = False
    headers: tuple[Any, ...] = field(default=(), repr=False, compare=False)

    @property
    def plane(self) -> str | None:
        """``"sagittal"``, ``"coronal"`` or ``"axial"``, whichever is nearest; None where unknown."""
        return None if self.orientation is None else plane_of(self.orientation)

    def __str__(self) -> str:
        number = self.tags.series_number or "without number"
        text = f"series {number} ({self.modality or 'no modality'}, {self.n_images} images"
        text += f" of {self.shape[0]} x {self.shape[1]}" if self.shape else ""
        text += f", TE {self.tags.echo_time_ms:g} ms" if self.tags.echo_time_ms is not None else ""
        return text + f', "{self.tags.series_description or self.tags.protocol_name or "no description"}")'


@dataclass(frozen=True, kw_only=True, eq=False)
class Series(ArrayValue):
    """A stack of parallel images in order of their position.

    Parameters
    ----------
    pixels : numpy.ndarray
        ``(slice, y, x)``, float32, in the unit of the modality (HU for CT, vendor's signal for MR).
    spacing_mm : tuple of float
        Distance between rows and between columns, ``(dy, dx)``.
    positions_mm : numpy.ndarray
        Position of each slice along the normal of the stack, ascending.
    slice_thickness_mm : float or None
        Nominal thickness of a slice.
    orientation : tuple of float
        Direction cosines of a row (along x) and of a column (along y), patient coordinates.
    origin_mm : tuple of float
        Patient coordinates of the centre of the first pixel of the first slice.
    modality : str
        DICOM modality.
    tags : SeriesTags, optional
        Scanner and acquisition.
    notes : tuple of str, optional
        What was done to the stored values and what is odd about the files.
    drift : tuple of float, optional
        How far the first pixel moves along ``(y, x)`` of the image per mm along the normal: not 0 where the
        slices of a tilted gantry lie obliquely behind each other.

    Raises
    ------
    ValueError
        If the pixels are not a stack, or the number of positions differs from the number of slices.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.io import Series
    >>> series = Series(pixels=np.ones((2, 3, 4)), spacing_mm=(0.5, 0.7), positions_mm=np.array([-5.0, 5.0]),
    ...                 slice_thickness_mm=5.0, modality="MR")
    >>> series.pixels.dtype, series.grid.fov_mm
    (dtype('float32'), (1.5, 2.8))
    """

    pixels: npt.NDArray[np.float32]
    spacing_mm: tuple[float, float]
    positions_mm: npt.NDArray[np.float64]
    slice_thickness_mm: float | None
    orientation: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    origin_mm: tuple[float, ...] = (0.0, 0.0, 0.0)
    modality: str
    tags: SeriesTags = SeriesTags()
    notes: tuple[str, ...] = ()
    drift: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        pixels = _own(self.pixels)
        positions = _read_only(np.array(self.positions_mm, dtype=np.float64))
        if pixels.ndim != 3 or pixels.size == 0:
            raise ValueError(f"pixels must be a stack (slice, y, x), got shape {pixels.shape}")
        if not np.isfinite([pixels.min(), pixels.max()]).all():
            where = tuple(int(k) for k in np.argwhere(~np.isfinite(pixels))[0])
            raise ValueError(f"pixels must be finite, got {pixels[where]} at index {where}")
        if positions.shape != pixels.shape[:1]:
            raise ValueError(
                f"positions_mm must name each of the {pixels.shape[0]} slices, got shape {positions.shape}"
            )
        object.__setattr__(self, "pixels", pixels)
        object.__setattr__(self, "positions_mm", positions)
        ImageGrid(shape=pixels.shape[1:], spacing_mm=self.spacing_mm)

    @property
    def grid(self) -> ImageGrid:
        """The pixels ``(y, x)`` of one slice, with the middle of the image at the origin."""
        return ImageGrid(shape=self.pixels.shape[1:], spacing_mm=self.spacing_mm)

    @property
    def plane(self) -> str:
        """``"sagittal"``, ``"coronal"`` or ``"axial"``, whichever is nearest."""
        return plane_of(self.orientation)

    @property
    def normal(self) -> npt.NDArray[np.float64]:
        """Direction in which the slice positions grow: row direction cross column direction."""
        return np.cross(self.orientation[:3], self.orientation[3:])


def plane_of(orientation: tuple[float, ...]) -> str:
    """Plane of the patient that images with these direction cosines are nearest to."""
    normal = np.cross(orientation[:3], orientation[3:])
    return ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(normal)))]


def series_from_grid(
    pixels: npt.ArrayLike,
    grid: ImageGrid,
    *,
    modality: str,
    slices_mm: npt.ArrayLike | None = None,
    tags: SeriesTags | None = None,
) -> Series:
    """Put reconstructed images into a series: x, y and z of the grid are those of the patient.

    With the patient on the back and head first, x grows to the left hand, y to the back and z to the head,
    as in DICOM; a scanner frame that is oriented otherwise has to be turned before.

    Parameters
    ----------
    pixels : array_like
        Values in the unit of the modality: ``(z, y, x)``, ``(slice, y, x)`` or ``(y, x)``.
    grid : ImageGrid
        Where they are; of 2 axes for slices at ``slices_mm``, of 3 axes otherwise.
    modality : str
        DICOM modality, such as ``"CT"``.
    slices_mm : array_like of float, optional
        z of every slice of a grid of 2 axes, ascending; 0, 1, 2, ... if not given.
    tags : SeriesTags, optional
        Scanner and acquisition.

    Returns
    -------
    Series
        For :func:`write_series` and :func:`write_nifti`.

    Raises
    ------
    ValueError
        If the pixels do not fit the grid or are not finite, or slices do not ascend.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.io import series_from_grid
    >>> grid = ImageGrid(shape=(2, 3, 4), spacing_mm=(2.0, 0.5, 0.7), center_mm=(10.0, 0.0, 0.0))
    >>> series = series_from_grid(np.ones((2, 3, 4)), grid, modality="CT")
    >>> np.round(series.origin_mm, 6), series.positions_mm
    (array([-1.05, -0.5 ,  9.  ]), array([ 9., 11.]))
    """
    stack = np.asarray(pixels, dtype=np.float32)
    stack = stack[None] if stack.ndim == 2 else stack
    plane, axes = grid.shape[-2:], grid.coordinates_mm
    if grid.ndim == 3:
        if slices_mm is not None:
            raise ValueError("slices_mm must not be given with a grid of 3 axes")
        z_mm = axes[0]
    else:
        z_mm = floats("slices_mm", np.arange(float(len(stack))) if slices_mm is None else slices_mm)
    if stack.shape != (len(z_mm), *plane):
        raise ValueError(f"pixels must have the shape {(len(z_mm), *plane)} of the grid, got {stack.shape}")
    if (np.diff(z_mm) <= 0).any():
        raise ValueError(f"slices_mm must ascend, got {z_mm.tolist()}")
    step = float(np.median(np.diff(z_mm))) if len(z_mm) > 1 else None
    return Series(
        pixels=stack,
        spacing_mm=(grid.spacing_mm[-2], grid.spacing_mm[-1]),
        positions_mm=z_mm,
        slice_thickness_mm=grid.spacing_mm[0] if grid.ndim == 3 else step,
        origin_mm=(float(axes[-1][0]), float(axes[-2][0]), float(z_mm[0])),
        modality=modality,
        tags=tags or SeriesTags(),
    )


def _own(pixels: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """A read-only copy; what is one already is taken as it is."""
    own = isinstance(pixels, np.ndarray) and pixels.base is None and not pixels.flags.writeable
    if isinstance(pixels, np.ndarray) and own and pixels.dtype == np.float32:
        return pixels
    return _read_only(np.array(pixels, dtype=np.float32))


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array.setflags(write=False)
    return array
