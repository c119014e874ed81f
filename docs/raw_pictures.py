"""Pictures of the page "From raw CT data to Hounsfield units": python docs/raw_pictures.py FOLDER

FOLDER holds the three scans that the page names. Every image comes from the command on the page.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from typer.testing import CliRunner

from imgtech.cli.app import app

OUT = Path(__file__).parent / "_static" / "real"
TOOTH = ("--spacing-mm", "0.01", "--size", "640")
NEUTRON = (
    "--angles-deg",
    "0:360",
    "--spacing-mm",
    "1",
    "--flats",
    "47000",
    "--count-floor",
    "94",
    "--axis",
    "244.9",
)
PICTURES = {
    "ct_htc2022": (
        "fan_htc2022_ta.mat",
        ((), ("--hardening", "uniform", "--stripes", "smoothing")),
        ("as measured", "hardening and rings corrected"),
        ((0.026, 0.043), (0.026, 0.040)),
    ),
    "ct_tooth": (
        "parallel_tooth.h5",
        (TOOTH, (*TOOTH, "--axis", "find")),
        ("axis in the middle of the detector", "axis found at channel 295.7"),
        ((-0.1, 0.9), (-0.1, 0.9)),
    ),
    "ct_neutron": (
        "parallel_neutron_stripes.tif",
        (NEUTRON, (*NEUTRON, "--stripes", "channels,smoothing")),
        ("as measured", "defective channels and stripes taken out"),
        ((-0.004, 0.05), (-0.004, 0.05)),
    ),
}


def image(path: Path, options: tuple[str, ...]) -> np.ndarray:
    """The first slice that ``imgtech recon ct`` makes."""
    with tempfile.TemporaryDirectory() as folder:
        result = CliRunner().invoke(app, ["recon", "ct", str(path), "--out", folder, *options])
        if result.exit_code:
            raise SystemExit(result.output)
        print(f"{path.name} {' '.join(options)}\n{result.output}")
        return np.load(Path(folder) / "image.npy")[0]


def main() -> None:
    """Write one picture a scan: without and with corrections."""
    OUT.mkdir(parents=True, exist_ok=True)
    for name, (file, options, titles, windows) in PICTURES.items():
        figure, axes = plt.subplots(1, 2, figsize=(9, 4.7), layout="constrained")
        for panel, option, title, window in zip(axes, options, titles, windows, strict=True):
            shown = image(Path(sys.argv[1]) / file, option)
            panel.imshow(shown, cmap="gray", vmin=window[0], vmax=window[1], interpolation="bilinear")
            panel.set_title(title, fontsize=10)
            panel.set_axis_off()
        figure.savefig(OUT / f"{name}.png", dpi=70)
        plt.close(figure)


if __name__ == "__main__":
    main()
