"""``imgtech recon ct``: projections to images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imgtech._core.validate import positive
from imgtech.cli._exit import one_sentence
from imgtech.cli.recon._ct_chain import Steps, line_integrals
from imgtech.cli.recon._ct_image import Wanted, image_grid, reconstruct, to_unit
from imgtech.cli.recon._ct_source import SourceOptions, open_scan
from imgtech.cli.recon._files import formats, summary, write
from imgtech.cli.recon._output import Out, Source
from imgtech.geometry import ConeBeam


def _help(text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(help=text)
    return option


def ct(
    path: Source,
    out: Out = Path("imgtech-ct"),
    spacing_mm: Annotated[
        float | None, _help("Channel spacing of HDF5 and TIFF, which do not hold it.")
    ] = None,
    angles_deg: Annotated[
        str | None, _help("Angles of the first and the last view of TIFF: FIRST:LAST.")
    ] = None,
    pages: Annotated[
        str, _help("A TIFF page is the sinogram of a slice (slices) or a radiograph (views).")
    ] = "slices",
    flats: Annotated[
        str | None, _help("White field: TIFF, .npy (repeat, slice, channel), or one number.")
    ] = None,
    darks: Annotated[str | None, _help("Dark field, as --flats.")] = None,
    count_floor: Annotated[float, _help("Least count above the dark field.")] = 0.5,
    scatter: Annotated[float, _help("Share of scatter in the darkest part of each view.")] = 0.0,
    stripes: Annotated[
        str | None, _help("Rings: channels, smoothing, sorting, wavelet; several with commas.")
    ] = None,
    axis: Annotated[
        str | None, _help("Channel of the rotation axis, or how to find it: find, opposite, fourier, image.")
    ] = None,
    hardening: Annotated[
        str | None, _help("uniform: fit an object of one material; or the coefficients c1,c2,...")
    ] = None,
    method: Annotated[
        str, _help("direct: fbp, fdk or wfbp by the beam; or sirt, os-sart, cgls, tv.")
    ] = "direct",
    iterations: Annotated[int | None, _help("Steps of an iterative method.")] = None,
    strength: Annotated[float | None, _help("Weight of the total variation of --method tv.")] = None,
    window: Annotated[str, _help("Window on the ramp.")] = "hann",
    cutoff: Annotated[float, _help("Where the window ends, of the Nyquist frequency.")] = 1.0,
    size: Annotated[
        int | None, _help("Pixels of a side; the number of channels if not given (a cone: 512 at most).")
    ] = None,
    fov_mm: Annotated[float | None, _help("Side of the image; what the detector sees if not given.")] = None,
    slices: Annotated[int | None, _help("Slices of a cone beam.")] = None,
    slice_mm: Annotated[float | None, _help("Distance of slices; the rows at the axis if not given.")] = None,
    center_mm: Annotated[str | None, _help("Middle of the image: X,Y or X,Y,Z.")] = None,
    water_per_mm: Annotated[
        float | None, _help("Attenuation of water for HU; taken from DICOM-CT-PD where it is there.")
    ] = None,
    water_region: Annotated[str | None, _help("Water in the image for HU: X,Y,RADIUS in mm.")] = None,
    air_region: Annotated[str | None, _help("Air in the image for HU: X,Y,RADIUS in mm.")] = None,
    per_mm: Annotated[bool, _help("Leave attenuation in 1/mm, whatever the file says of water.")] = False,
    format: Annotated[
        str, _help("What to write: npy, png, npz, tiff, nifti, dicom; several with commas.")
    ] = "npy,png",
) -> None:
    """Raw data of a parallel, fan or cone beam to images.

    Reads a .npz sinogram, a DXchange .h5 file, a fan-beam .mat file of HTC 2022, plain binary or TIFF with a
    YAML description, TIFF images alone (parallel beam), or a folder of DICOM-CT-PD projections. Counts are
    divided by the white field, bad pixels filled; every step that is taken is said. Parallel and fan beams
    are reconstructed by fbp, a circular cone by fdk, a helix by wfbp.

    A .npz archive holds sinogram (view, channel) or (slice, view, channel), angles_rad (view),
    channel_spacing_mm and, where it is not 0, detector_offset_mm.
    """
    with one_sentence():
        names = formats(format)
        steps = Steps(
            axis=axis, stripes=stripes, hardening=hardening, scatter=scatter, count_floor=count_floor
        )
        wanted = Wanted(
            method=method, iterations=iterations, strength=strength, window=window, cutoff=cutoff, size=size,
            fov_mm=fov_mm, slices=slices, slice_mm=slice_mm, center_mm=center_mm,
        )  # fmt: skip
        source = SourceOptions(
            spacing_mm=spacing_mm, angles_deg=angles_deg, pages=pages, flats=flats, darks=darks
        )
        told: list[str] = []
        scan = open_scan(path, source, told.append)
        water = water_per_mm if water_per_mm is not None else scan.header.get("water_per_mm")
        water = None if per_mm or water is None else positive("--water-per-mm", water)
        if "dicom" in names and water is None and water_region is None:
            raise ValueError(
                "--format dicom must hold HU: say --water-per-mm, or --water-region and --air-region"
            )
        grid = image_grid(scan.beam, wanted)
        beam = scan.beam
        elements = (beam.n_rows, beam.n_channels) if isinstance(beam, ConeBeam) else (beam.n_channels,)
        typer.echo(
            f"{type(beam).__name__}: {beam.n_views} views x {' x '.join(map(str, elements))} channels, "
            f"{scan.quantity}"
        )
        for line in told:
            typer.echo(line)
        sinogram, beam = line_integrals(scan, steps, typer.echo)
        images = reconstruct(sinogram, beam, grid, wanted, typer.echo)
        images, unit = to_unit(images, grid, water, water_region, air_region, typer.echo)
        written = write(out, images, grid, unit, names, slice_mm)
        for line in summary(out, images, grid, unit, written):
            typer.echo(line)
