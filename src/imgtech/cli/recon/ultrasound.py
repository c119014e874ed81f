"""``imgtech recon us``: channel data to images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from scipy.io import whosmat

from imgtech._core.extras import require
from imgtech._core.validate import finite, positive
from imgtech.cli._exit import one_sentence
from imgtech.cli.recon._files import formats, summary, write_plain
from imgtech.cli.recon._output import HDF5, Out, Source
from imgtech.geometry import ImageGrid
from imgtech.io import write_gif, write_us_image
from imgtech.io.raw import (
    ChannelData,
    read_ndt_fmc,
    read_picmus,
    read_plus_lines,
    read_pybf,
    read_pymust,
    read_uff,
    read_zea,
)
from imgtech.io.raw.uff import is_uff
from imgtech.io.raw.zea import is_zea
from imgtech.recon.ultrasound import delay_and_sum, envelope, log_compress, rf_to_iq, scan_convert

LINES = (".mha", ".mhd")
FORMATS = ("npy", "png", "gif", "dicom")


def us(
    path: Source,
    out: Out = Path("imgtech-us"),
    depth_mm: Annotated[
        float | None, typer.Option(help="Deepest pixel; the end of the traces if not given.")
    ] = None,
    f_number: Annotated[float, typer.Option(help="Depth over width of the receive aperture.")] = 1.75,
    window: Annotated[str, typer.Option(help="Window over the aperture.")] = "hann",
    dynamic_range_db: Annotated[float, typer.Option(help="Range of greys.")] = 60.0,
    sound_speed_m_s: Annotated[
        float | None, typer.Option(help="Speed of sound, where the file's is wrong.")
    ] = None,
    radii_mm: Annotated[
        tuple[float, float] | None, typer.Option(help="Lines only: radius of the first and last sample.")
    ] = None,
    angles_deg: Annotated[
        tuple[float, float] | None, typer.Option(help="Lines only: angle of the first and last line.")
    ] = None,
    format: Annotated[str, typer.Option(help=f"Some of {', '.join(FORMATS)}.")] = "npy,png",
    frame_rate_hz: Annotated[float, typer.Option(help="Frames a second of a cine (gif, dicom).")] = 10.0,
) -> None:
    """Channel data to B-mode: PyMUST or full-matrix .mat, PICMUS, pybf, zea, UFF; lines of PLUS .mha/.mhd."""
    with one_sentence():
        names = formats(format, FORMATS)
        if path.suffix.lower() in LINES:
            levels, grid, what = _fan(path, radii_mm, angles_deg)
            _save(out, levels, grid, what, names, dynamic_range_db, frame_rate_hz)
            return
        given: dict[str, float] = {}
        if sound_speed_m_s is not None:
            given["sound_speed_m_s"] = positive("sound_speed_m_s", sound_speed_m_s)
        raw = _read(path, given)
        speed = given.get("sound_speed_m_s", raw.sound_speed_m_s)
        grid = _ultrasound_grid(raw, speed, depth_mm)
        iq = raw.data
        if not np.iscomplexobj(iq):
            iq = rf_to_iq(iq, raw.waves, center_hz=raw.center_hz)
        image = delay_and_sum(
            iq,
            raw.probe,
            raw.waves,
            grid,
            f_number=f_number,
            window=window,
            sound_speed_m_s=speed,
            center_hz=raw.center_hz,
        )
        frames = np.moveaxis(envelope(image), -1, 0) if image.ndim == 3 else envelope(image)[None]
        what = f"{raw.waves.n_transmits} transmit(s) x {raw.probe.n_elements} elements"
        _save(out, frames, grid, what, names, dynamic_range_db, frame_rate_hz)


def _save(
    out: Path,
    frames: npt.NDArray[Any],
    grid: ImageGrid,
    data: str,
    names: list[str],
    dynamic_range_db: float,
    frame_rate_hz: float,
) -> None:
    """Write envelopes ``(frame, z, x)`` in decibels below the maximum, and say so."""
    decibels = log_compress(frames, dynamic_range_db=dynamic_range_db)
    across = max(1, round(grid.spacing_mm[1] / grid.spacing_mm[0]))  # so that a picture has the right shape
    written = write_plain(out, decibels, names, shown=np.repeat(decibels, across, axis=-1))
    if "gif" in names:
        gif = write_gif(decibels, out / "image.gif", frame_rate_hz=frame_rate_hz, zoom=(1, across))
        written.append(gif.name)
    if "dicom" in names:
        cine = len(frames) > 1
        file = write_us_image(
            frames if cine else frames[0],
            grid,
            out / "image.dcm",
            dynamic_range_db=dynamic_range_db,
            frame_rate_hz=frame_rate_hz if cine else None,
        )
        written.append(file.name)
    first, second = summary(out, decibels, grid, "dB below the maximum", written)
    typer.echo(f"{data} -> {first}")
    typer.echo(second)


def _read(path: Path, given: dict[str, float]) -> ChannelData:
    """Choose the reader by the kind of file and what it holds."""
    if path.suffix.lower() in (*HDF5, ".uff"):
        kind = _hdf5_kind(path)
        if kind == "zea":
            return read_zea(path, sound_speed_m_s=given.get("sound_speed_m_s"))
        readers = {"picmus": read_picmus, "uff": read_uff}
        return readers[kind](path) if kind in readers else read_pybf(path, **given)
    try:
        names = {name for name, _, _ in whosmat(path)} if path.is_file() else set()
    except Exception:  # damaged: the reader says so
        names = set()
    return read_ndt_fmc(path, **given) if "exp_data" in names else read_pymust(path)


def _hdf5_kind(path: Path) -> str:
    """Whose layout an HDF5 file has; that of pybf where it is none of the others."""
    h5py = require("h5py", "raw")
    if not path.is_file() or not h5py.is_hdf5(path):
        return "pybf"
    with h5py.File(path, "r") as file:
        kinds = {"picmus": "US" in file, "uff": is_uff(file), "zea": is_zea(file)}
    return next((kind for kind, fits in kinds.items() if fits), "pybf")


def _fan(
    path: Path, radii_mm: tuple[float, float] | None, angles_deg: tuple[float, float] | None
) -> tuple[npt.NDArray[Any], ImageGrid, str]:
    """Beamformed lines to the envelope of a fan of square pixels, their grid and what they were."""
    if radii_mm is None or angles_deg is None:
        raise ValueError("--radii-mm and --angles-deg must be given for lines: the file does not hold them")
    left, right = np.deg2rad(angles_deg)
    lines = read_plus_lines(
        path,
        radius_start_mm=radii_mm[0],
        radius_stop_mm=radii_mm[1],
        theta_start_rad=float(left),
        theta_stop_rad=float(right),
    )
    places = lines.sector.points_mm
    z, x = places[..., 0], places[..., 2]
    spacing_mm = float(np.ptp(z)) / 500
    grid = ImageGrid(
        shape=(501, round(float(np.ptp(x)) / spacing_mm) + 1),
        spacing_mm=(spacing_mm, spacing_mm),
        center_mm=(float(z.max() + z.min()) / 2, float(x.max() + x.min()) / 2),
    )
    fan = scan_convert(envelope(lines.data), lines.sector, grid)[None]
    return fan, grid, f"{lines.sector.shape[1]} lines"


def _ultrasound_grid(raw: ChannelData, sound_speed_m_s: float, depth_mm: float | None) -> ImageGrid:
    """Pixels of half a wavelength across and a quarter along depth, under the probe."""
    wavelength_mm = 1e3 * sound_speed_m_s / raw.center_hz
    first_s = float(np.min(raw.waves.start_s))
    last_s = float(np.max(raw.waves.start_s)) + raw.data.shape[2] / raw.waves.sampling_hz
    top_mm = max(0.0, first_s - raw.waves.pulse_delay_s) * sound_speed_m_s * 1e3 / 2
    end_mm = (last_s - raw.waves.pulse_delay_s) * sound_speed_m_s * 1e3 / 2
    if depth_mm is not None:
        end_mm = finite("depth_mm", depth_mm)
    if end_mm <= top_mm:
        raise ValueError(f"depth_mm must be beyond the first sample at {top_mm:.3g} mm, got {end_mm}")
    spacing = (wavelength_mm / 4, wavelength_mm / 2)
    x_mm = raw.probe.positions_mm[:, 2]
    width_mm = float(np.ptp(x_mm)) * x_mm.size / max(1, x_mm.size - 1)
    shape = (max(2, round((end_mm - top_mm) / spacing[0])), max(2, round(width_mm / spacing[1])))
    return ImageGrid(shape=shape, spacing_mm=spacing, center_mm=((top_mm + end_mm) / 2, float(x_mm.mean())))
