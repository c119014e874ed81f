"""``imgtech recon``: raw data to images, one command a modality."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from imgtech.cli._exit import one_sentence
from imgtech.geometry import FanBeam, ImageGrid
from imgtech.io.atomic import write_bytes
from imgtech.io.raw import (
    BrukerScan,
    ChannelData,
    FanScan,
    ParallelScan,
    read_2dseq,
    read_bruker,
    read_dxchange,
    read_htc,
    read_pybf,
    read_pymust,
    read_sinogram,
)
from imgtech.recon.ct import fbp
from imgtech.recon.mri import cartesian, paravision_images
from imgtech.recon.ultrasound import delay_and_sum, envelope, log_compress, rf_to_iq
from imgtech.report import png_bytes

app = typer.Typer(help="Reconstruct raw data.", no_args_is_help=True, rich_markup_mode=None)
Source = Annotated[Path, typer.Argument(help="The raw data.")]
Out = Annotated[Path, typer.Option(help="Folder for the images; it is made where it is missing.")]
_HDF5 = (".h5", ".hdf5")


@app.command()
def ct(
    path: Source,
    out: Out = Path("imgtech-ct"),
    size: Annotated[
        int | None, typer.Option(help="Pixels of a side; the number of channels if not given.")
    ] = None,
    window: Annotated[str, typer.Option(help="Window on the ramp.")] = "hann",
    spacing_mm: Annotated[
        float, typer.Option(help="Channel spacing of an HDF5 scan, which does not hold it.")
    ] = 1.0,
    axis: Annotated[float | None, typer.Option(help="Channel of the rotation axis of an HDF5 scan.")] = None,
) -> None:
    """Filtered back-projection: a .npz sinogram, a DXchange .h5 file, or a fan-beam .mat file of HTC 2022.

    The .npz archive holds sinogram (view, channel) or (slice, view, channel), angles_rad (view),
    channel_spacing_mm and, where it is not 0, detector_offset_mm.
    """
    with one_sentence():
        hdf5 = path.suffix.lower() in _HDF5
        if not hdf5 and axis is not None:
            raise ValueError(f"{path}: --axis is for HDF5 scans; a .npz archive holds detector_offset_mm")
        if hdf5:
            scan: ParallelScan | FanScan = read_dxchange(
                path, channel_spacing_mm=spacing_mm, axis_channel=axis
            )
        else:
            scan = read_htc(path) if path.suffix.lower() == ".mat" else read_sinogram(path)
        beam = scan.beam
        at_axis = beam.axis_spacing_mm if isinstance(beam, FanBeam) else beam.channel_spacing_mm
        fov_mm = beam.n_channels * at_axis
        grid = ImageGrid.square(beam.n_channels if size is None else size, fov_mm=fov_mm)
        images = fbp(scan.sinogram, beam, grid, window=window)
        _save(out, images)
        _say(out, images, grid, f"{beam.n_views} views x {beam.n_channels} channels", "attenuation, 1/mm")


@app.command()
def mri(
    path: Source,
    out: Out = Path("imgtech-mri"),
    window: Annotated[str, typer.Option(help="k-space window.")] = "none",
    zero_fill: Annotated[int, typer.Option(help="How many times finer to draw the pixels.")] = 1,
) -> None:
    """Reconstruct a Bruker ParaVision folder and compare with the vendor's own image where there is one."""
    with one_sentence():
        scan = read_bruker(path)
        ny, nx = scan.kspace.shape[-2:]
        if zero_fill < 1:
            raise ValueError(f"zero_fill must be at least 1, got {zero_fill}")
        images = cartesian(
            scan.kspace,
            spacing_mm=scan.spacing_mm,
            window=window,
            zero_fill=(ny * zero_fill, nx * zero_fill),
            combine="rss",
        )
        _save(out, images)
        spacing = tuple(d / zero_fill for d in scan.spacing_mm)
        grid = ImageGrid.fft(images.shape[1:], spacing_mm=spacing)
        _say(out, images, grid, f"{scan.n_coils} coil(s), k-space {ny} x {nx}", "signal")
        _compare_with_vendor(scan, path, out)


@app.command()
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
) -> None:
    """Beamform plane-wave channel data: a PyMUST .mat or a pybf .hdf5 file."""
    with one_sentence():
        given = {} if sound_speed_m_s is None else {"sound_speed_m_s": sound_speed_m_s}
        raw = read_pybf(path, **given) if path.suffix.lower() in _HDF5 else read_pymust(path)
        speed = sound_speed_m_s or raw.sound_speed_m_s
        grid = _ultrasound_grid(raw, speed, depth_mm)
        iq = rf_to_iq(raw.data, raw.waves, center_hz=raw.center_hz)
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
        decibels = log_compress(frames, dynamic_range_db=dynamic_range_db)
        _save(out, decibels, shown=_square_pixels(decibels, grid))
        what = f"{raw.waves.n_transmits} transmit(s) x {raw.probe.n_elements} elements"
        _say(out, decibels, grid, what, "dB below the maximum")


def _ultrasound_grid(raw: ChannelData, sound_speed_m_s: float, depth_mm: float | None) -> ImageGrid:
    """Pixels of half a wavelength across and an eighth along depth, under the probe."""
    wavelength_mm = 1e3 * sound_speed_m_s / raw.center_hz
    first_s = float(np.min(raw.waves.start_s))
    last_s = float(np.max(raw.waves.start_s)) + raw.data.shape[2] / raw.waves.sampling_hz
    top_mm = max(0.0, first_s - raw.waves.pulse_delay_s) * sound_speed_m_s * 1e3 / 2
    end_mm = (last_s - raw.waves.pulse_delay_s) * sound_speed_m_s * 1e3 / 2 if depth_mm is None else depth_mm
    if end_mm <= top_mm:
        raise ValueError(f"depth_mm must be beyond the first sample at {top_mm:.3g} mm, got {end_mm}")
    spacing = (wavelength_mm / 4, wavelength_mm / 2)
    width_mm = raw.probe.n_elements * raw.probe.pitch_mm
    shape = (max(2, round((end_mm - top_mm) / spacing[0])), max(2, round(width_mm / spacing[1])))
    return ImageGrid(shape=shape, spacing_mm=spacing, center_mm=((top_mm + end_mm) / 2, raw.probe.center_mm))


def _square_pixels(images: npt.NDArray[Any], grid: ImageGrid) -> npt.NDArray[Any]:
    """Repeat columns so that a picture has the right shape."""
    return np.repeat(images, max(1, round(grid.spacing_mm[1] / grid.spacing_mm[0])), axis=-1)


def _compare_with_vendor(scan: BrukerScan, path: Path, out: Path) -> None:
    try:
        theirs = read_2dseq(path)
        ours = paravision_images(scan)
    except (ValueError, OSError) as error:
        typer.echo(f"not compared with the vendor's image: {error}")
        return
    if ours.shape != theirs.shape:
        typer.echo(f"not compared: the vendor has images of shape {theirs.shape}, these steps {ours.shape}")
        return
    _save(out, ours, name="paravision")
    gap = np.abs(ours.astype(np.int32) - theirs.astype(np.int32))
    typer.echo(
        f"vendor's steps, pdata/1/2dseq: {100 * np.mean(gap == 0):.3f} % of {gap.size} pixels identical, "
        f"largest difference {gap.max()}"
    )


def _save(
    out: Path, images: npt.NDArray[Any], *, name: str = "image", shown: npt.NDArray[Any] | None = None
) -> None:
    """One array of all images, and a picture of each on a common grey scale."""
    out.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    np.save(stream, images)
    write_bytes(out / f"{name}.npy", stream.getvalue())
    pictures = images if shown is None else shown
    low, high = float(pictures.min()), float(pictures.max())
    for number, picture in enumerate(pictures):
        window = (low, high) if high > low else None
        write_bytes(out / f"{name}_{number:03d}.png", png_bytes(picture, window))


def _say(out: Path, images: npt.NDArray[Any], grid: ImageGrid, data: str, unit: str) -> None:
    spacing = " x ".join(f"{d:.4g}" for d in grid.spacing_mm)
    typer.echo(f"{data} -> {' x '.join(map(str, images.shape))} pixels of {spacing} mm ({unit})")
    typer.echo(
        f"values {images.min():.4g} to {images.max():.4g}; image.npy and {len(images)} picture(s) in {out}"
    )
