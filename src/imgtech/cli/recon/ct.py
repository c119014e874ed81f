"""``imgtech recon ct``: projections to images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imgtech.cli._exit import one_sentence
from imgtech.cli.recon._output import HDF5, Out, Source, save, say
from imgtech.geometry import FanBeam, ImageGrid
from imgtech.io.raw import read_dxchange, read_htc, read_sinogram
from imgtech.recon.ct import fbp
from imgtech.recon.ct.corrections import flat_field, to_line_integrals


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
        hdf5 = path.suffix.lower() in HDF5
        if not hdf5 and axis is not None:
            raise ValueError(f"{path}: --axis is for HDF5 scans; a .npz archive holds detector_offset_mm")
        if hdf5:
            scan = read_dxchange(path, channel_spacing_mm=spacing_mm, axis_channel=axis)
        else:
            scan = read_htc(path) if path.suffix.lower() == ".mat" else read_sinogram(path)
        beam = scan.beam
        at_axis = beam.axis_spacing_mm if isinstance(beam, FanBeam) else beam.channel_spacing_mm
        fov_mm = beam.n_channels * at_axis
        grid = ImageGrid.square(beam.n_channels if size is None else size, fov_mm=fov_mm)
        sinogram = scan.sinogram
        if scan.flats is not None:
            sinogram = to_line_integrals(flat_field(sinogram, scan.flats, scan.darks))
        images = fbp(sinogram, beam, grid, window=window)
        save(out, images)
        say(out, images, grid, f"{beam.n_views} views x {beam.n_channels} channels", "attenuation, 1/mm")
