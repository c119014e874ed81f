"""Plane-wave beamforming of the rotating disk: imgtech against PyMUST's sparse matrix.

The public benchmark of PyMUST and mach: 32 frames of 128 elements, 251 x 251 pixels, f-number 1, IQ data,
linear interpolation. Both sides get the same IQ data. PyMUST's matrix holds delays, weights and rotations
of all pixels; building it is timed apart. It is used twice: as ``dasmtx`` returns it (coordinates,
complex128), and converted to compressed rows in complex64, which is faster.

    python benchmarks/ultrasound/disk.py [--data FILE] [--rounds 7]

needs ``pip install "imgtech[bench]"``; the data are PyMUST's ``examples/data/PWI_disk.mat``.
"""

from __future__ import annotations

import argparse
import os
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pymust
from scipy import sparse

from imgtech.bench import Comparison, compare, save_comparisons
from imgtech.geometry import ImageGrid
from imgtech.io.raw import ChannelData, read_pymust
from imgtech.recon.ultrasound import delay_and_sum, rf_to_iq

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("IMGTECH_DATA", ROOT.parent / "shared" / "data"))
GRID = ImageGrid(shape=(251, 251), spacing_mm=(0.1, 0.1), center_mm=(22.5, 0.0))
WORK_UNIT = "pixel x element x frame, masked elements counted"


def peer_matrix(scan: ChannelData, iq: np.ndarray) -> tuple[sparse.sparray, float]:
    """PyMUST's matrix and the seconds of building it."""
    param = pymust.utils.Param()
    param.fs, param.fc, param.c = scan.waves.sampling_hz, scan.center_hz, scan.sound_speed_m_s
    param.pitch, param.width = 1e-3 * scan.probe.pitch_mm, 1e-3 * scan.probe.element_width_mm
    param.Nelements, param.fnumber, param.bandwidth = scan.probe.n_elements, 1.0, 15.0
    param.t0, param.TXdelay = np.array([scan.waves.start_s[0]]), np.zeros((1, scan.probe.n_elements))
    z, x = np.meshgrid(*(1e-3 * c for c in GRID.coordinates_mm), indexing="ij")
    start = time.perf_counter()
    matrix = pymust.dasmtx(iq[0, :, :, 0].T.astype(complex), x, z, param, "linear")
    return matrix, time.perf_counter() - start


def disk(
    scan: ChannelData, iq: np.ndarray, matrix: sparse.sparray, setup_s: float, form: str, rounds: int
) -> Comparison:
    """Beamform all frames with both."""
    n_frames = iq.shape[-1]
    columns = iq[0].reshape(-1, n_frames).astype(matrix.dtype)  # row = element * n_samples + sample
    ours_data = iq if n_frames > 1 else iq[..., 0]

    def ours() -> np.ndarray:
        return delay_and_sum(
            ours_data,
            scan.probe,
            scan.waves,
            GRID,
            f_number=1.0,
            sound_speed_m_s=scan.sound_speed_m_s,
            center_hz=scan.center_hz,
        )

    def peer() -> np.ndarray:
        return matrix @ columns

    def check(image: np.ndarray, product: np.ndarray) -> dict[str, float]:
        # PyMUST's x and z are read column by column
        theirs = product.reshape(*GRID.shape[::-1], n_frames).swapaxes(0, 1).reshape(image.shape)
        gap = np.linalg.norm(image - theirs) / np.linalg.norm(theirs)
        assert gap < 0.01, f"relative difference {gap}"  # PyMUST rounds the transmit path to 512 sources
        return {"relative_difference": float(gap), "setup_s": setup_s}

    return compare(
        f"rotating disk, {n_frames} frame{'s' if n_frames > 1 else ''}, 63,001 pixels, f-number 1, IQ",
        ours=ours,
        peer=peer,
        peer_name=f"PyMUST {version('pymust')}, sparse product, {form}",
        check=check,
        excluded="compilation; demodulation (same data for both); PyMUST's matrix (setup_s)",
        rounds=rounds,
        work=float(np.prod(GRID.shape)) * scan.probe.n_elements * n_frames,
        work_unit=WORK_UNIT,
    )


def main() -> None:
    """Run, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA / "us_raw" / "rotating_disk_l7-4.mat")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    scan = read_pymust(options.data)
    iq = rf_to_iq(scan.data, scan.waves, center_hz=scan.center_hz, bandwidth_hz=scan.bandwidth_hz)
    matrix, build_s = peer_matrix(scan, iq)
    start = time.perf_counter()
    rows = matrix.tocsr().astype(np.complex64)
    convert_s = time.perf_counter() - start
    comparisons = []
    for n_frames in (32, 1):
        frames = np.ascontiguousarray(iq[..., :n_frames])
        comparisons.append(disk(scan, frames, matrix, build_s, "as returned", options.rounds))
        comparisons.append(disk(scan, frames, rows, build_s + convert_s, "CSR complex64", options.rounds))
    for c in comparisons:
        low, high = c.ratio_range
        ours_ms, peer_ms = 1e3 * float(np.median(c.ours_s)), 1e3 * float(np.median(c.peer_s))
        print(f"{c.name}\n  imgtech {ours_ms:.1f} ms ({c.rate / 1e9:.2f} G/s, {c.work_unit})")
        print(f"  {c.peer} {peer_ms:.1f} ms, after {c.check['setup_s']:.1f} s for its matrix")
        print(f"  ratio of medians {c.ratio:.1f} (rounds {low:.1f} to {high:.1f})")
        print(f"  relative difference of the answers {c.check['relative_difference']:.1e}")
    save_comparisons(comparisons, ROOT / "benchmarks" / "results" / "us_disk.json")


if __name__ == "__main__":
    main()
