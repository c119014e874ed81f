"""``imgtech recon mri``: k-space to images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from imgtech.cli._exit import one_sentence
from imgtech.cli.recon._output import Out, Source, save, say
from imgtech.geometry import ImageGrid
from imgtech.io.raw import BrukerScan, read_2dseq, read_bruker
from imgtech.recon.mri import cartesian, paravision_images


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
        save(out, images)
        spacing = tuple(d / zero_fill for d in scan.spacing_mm)
        grid = ImageGrid.fft(images.shape[1:], spacing_mm=spacing)
        say(out, images, grid, f"{scan.n_coils} coil(s), k-space {ny} x {nx}", "signal")
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
    save(out, ours, name="paravision")
    gap = np.abs(ours.astype(np.int32) - theirs.astype(np.int32))
    typer.echo(
        f"vendor's steps, pdata/1/2dseq: {100 * np.mean(gap == 0):.3f} % of {gap.size} pixels identical, "
        f"largest difference {gap.max()}"
    )
