"""``imgtech recon mri``: k-space to images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from imgtech._core.validate import one_of
from imgtech.cli._exit import one_sentence
from imgtech.cli.recon._files import formats, summary, write, write_plain
from imgtech.cli.recon._mri_chain import images_of
from imgtech.cli.recon._mri_scan import scan_of, write_scan
from imgtech.cli.recon._output import Out, Source
from imgtech.geometry import ImageGrid
from imgtech.io.raw import BrukerScan, read_2dseq, read_bruker
from imgtech.recon.mri import cartesian, paravision_images, partitions_to_slices


def mri(
    path: Source,
    out: Out = Path("imgtech-mri"),
    window: Annotated[str, typer.Option(help="k-space window.")] = "none",
    zero_fill: Annotated[int, typer.Option(help="How many times finer to draw the pixels.")] = 1,
    sequence: Annotated[
        Path | None,
        typer.Option(help="Pulseq .seq file that was played; the one beside a Siemens file if not given."),
    ] = None,
    fov_mm: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Field of view, y and x, for BART files, which name none."),
    ] = None,
    ghost: Annotated[
        str, typer.Option(help="Phase of echo-planar lines: auto, navigator, image or none.")
    ] = "auto",
    partial: Annotated[str, typer.Option(help="Lines missing on one side: pocs, homodyne or zero.")] = "pocs",
    parallel: Annotated[
        str, typer.Option(help="Gaps between lines: grappa, spirit, or auto by the pattern.")
    ] = "auto",
    combine: Annotated[
        str, typer.Option(help="Coils to one image: rss (root sum of squares) or adaptive.")
    ] = "rss",
    format: Annotated[
        str, typer.Option(help="What to write: npy, png, npz, tiff, nifti, dicom; several with commas.")
    ] = "npy,png",
    slice_mm: Annotated[
        float | None, typer.Option(help="Distance of the slices; their thickness if not given.")
    ] = None,
) -> None:
    """Reconstruct a Siemens twix .dat file, ISMRM raw data .h5 or .mrd, BART .cfl, or a Bruker folder.

    The path is chosen from the file: uneven readouts are regridded, echo-planar lines of both directions
    aligned, missing lines filled, coils whitened where there is noise, and what was chosen is said. A Bruker
    scan is compared with the vendor's own image where there is one.
    """
    with one_sentence():
        one_of("ghost", ghost, ("auto", "navigator", "image", "none"))
        one_of("partial", partial, ("pocs", "homodyne", "zero"))
        one_of("parallel", parallel, ("auto", "grappa", "spirit"))
        one_of("combine", combine, ("rss", "adaptive"))
        names = formats(format)
        if zero_fill < 1:
            raise ValueError(f"zero_fill must be at least 1, got {zero_fill}")
        if path.is_dir():
            _bruker(path, out, window, zero_fill, combine, names, slice_mm)
            return
        scan = partitions_to_slices(scan_of(path, sequence, fov_mm, typer.echo))
        if scan.notes and "partitions" in scan.notes[-1]:
            typer.echo(scan.notes[-1])
        images = images_of(
            scan,
            ghost=ghost,  # type: ignore[arg-type]
            partial=partial,  # type: ignore[arg-type]
            parallel=parallel,  # type: ignore[arg-type]
            window=window,
            zero_fill=zero_fill,
            say=typer.echo,
            combine=combine,  # type: ignore[arg-type]
        )
        spacing = (scan.spacing_mm[0] / zero_fill, scan.spacing_mm[1] / zero_fill)
        grid = ImageGrid.fft(images.shape[1:], spacing_mm=spacing)
        ny, nx = scan.matrix
        typer.echo(f"{scan.n_coils} coil(s), {len(images)} image(s), k-space {ny} x {nx}")
        step = slice_mm or scan.slice_thickness_mm or 1.0
        write_scan(out, images, grid, scan, names, step)


def _bruker(
    path: Path, out: Path, window: str, zero_fill: int, combine: str, names: list[str], slice_mm: float | None
) -> None:
    scan = read_bruker(path)
    ny, nx = scan.kspace.shape[-2:]
    combined = cartesian(
        scan.kspace,
        spacing_mm=scan.spacing_mm,
        window=window,
        zero_fill=(ny * zero_fill, nx * zero_fill),
        combine=combine,
    )
    images = np.abs(combined)
    spacing = tuple(d / zero_fill for d in scan.spacing_mm)
    grid = ImageGrid.fft(images.shape[1:], spacing_mm=spacing)
    typer.echo(f"{scan.n_coils} coil(s), k-space {ny} x {nx}")
    done = write(out, images, grid, "signal", names, slice_mm or 1.0, modality="MR")
    for line in summary(out, images, grid, "signal", done):
        typer.echo(line)
    _compare_with_vendor(scan, path, out)


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
    write_plain(out, ours, ["npy", "png"], stem="paravision")
    gap = np.abs(ours.astype(np.int32) - theirs.astype(np.int32))
    typer.echo(
        f"vendor's steps, pdata/1/2dseq: {100 * np.mean(gap == 0):.3f} % of {gap.size} pixels identical, "
        f"largest difference {gap.max()}"
    )
