"""The pictures and figures of real ultrasound data: ``python docs/ultrasound_pictures.py DATA``.

DATA holds ``us_raw`` with arim's ``ndt_fmc_aluminium_notch.mat`` (MIT), PLUS's
``BkCurvilinearRfData.igs.mhd`` (BSD) and PyMUST's ``rotating_disk_l7-4.mat``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import hilbert

from imgtech.geometry import ImageGrid
from imgtech.io.raw import read_ndt_fmc, read_plus_lines, read_pymust
from imgtech.recon.ultrasound import (
    DopplerMap,
    color_doppler,
    delay_and_sum,
    envelope,
    log_compress,
    rf_to_iq,
    scan_convert,
)

FOLDER = Path(__file__).resolve().parent / "_static" / "ultrasound"


def _extent(grid: ImageGrid) -> tuple[float, float, float, float]:
    z, x = grid.coordinates_mm
    return x[0], x[-1], z[-1], z[0]


def _save(name: str) -> None:
    plt.xlabel("x / mm")
    plt.ylabel("depth z / mm")
    plt.savefig(FOLDER / name, dpi=80)
    plt.close()


def notch(data: Path) -> None:
    """Full-matrix capture of an aluminium block: every element heard from every element."""
    raw = read_ndt_fmc(data / "ndt_fmc_aluminium_notch.mat")
    traces = hilbert(raw.data - raw.data[:, :, -150:].mean(), axis=2).astype(np.complex64)
    grid = ImageGrid(shape=(400, 240), spacing_mm=(0.1, 0.1), center_mm=(30.0, 1.0))
    settings = {"f_number": 0.7, "window": "hann", "sound_speed_m_s": raw.sound_speed_m_s}
    image = envelope(delay_and_sum(traces, raw.probe, raw.waves, grid, **settings))

    def column(z_mm: float, x_mm: float) -> tuple[np.ndarray, np.ndarray]:
        fine = ImageGrid(shape=(180, 21), spacing_mm=(0.05, 0.1), center_mm=(z_mm, x_mm))
        part = envelope(delay_and_sum(traces, raw.probe, raw.waves, fine, **settings))
        return fine.coordinates_mm[0], part.max(axis=1)

    z, echo = column(20.0, 6.7)
    tip_mm = z[echo.argmax()]
    z, echo = column(40.5, -0.5)
    wall_mm = z[echo.argmax()]
    begin_mm = z[np.flatnonzero(echo[: echo.argmax()] < 0.1 * echo.max())[-1]]
    print(f"notch {tip_mm:.1f} mm, wall from {begin_mm:.1f} mm, peak {wall_mm:.1f} mm", end="")
    print(f", peaks {wall_mm - tip_mm:.1f} mm apart")
    plt.figure(figsize=(4.2, 5), layout="constrained")
    plt.imshow(log_compress(image, dynamic_range_db=40), cmap="gray", extent=_extent(grid))
    plt.title("Notch and back wall, 6300 m/s")
    _save("notch.png")


def fan(data: Path) -> None:
    """Beamformed lines of a convex probe."""
    lines = read_plus_lines(
        data / "BkCurvilinearRfData.igs.mhd",
        radius_start_mm=10,
        radius_stop_mm=60,
        theta_start_rad=np.deg2rad(-70),
        theta_stop_rad=np.deg2rad(70),
    )
    decibels = log_compress(envelope(lines.data), dynamic_range_db=70)
    grid = ImageGrid(shape=(340, 580), spacing_mm=(0.2, 0.2), center_mm=(17.0, 0.0))
    plt.figure(figsize=(6.5, 4), layout="constrained")
    plt.imshow(scan_convert(decibels, lines.sector, grid, outside=-70.0), cmap="gray", extent=_extent(grid))
    plt.title("358 lines over 140 degrees")
    _save("fan.png")


def disk(data: Path) -> None:
    """Colour Doppler of the rotating disk."""
    raw = read_pymust(data / "rotating_disk_l7-4.mat")
    iq = rf_to_iq(raw.data, raw.waves, center_hz=raw.center_hz)
    grid = ImageGrid(shape=(251, 201), spacing_mm=(0.1, 0.125), center_mm=(22.5, 0.0))
    settings = {"f_number": 1.0, "sound_speed_m_s": raw.sound_speed_m_s, "center_hz": raw.center_hz}
    images = delay_and_sum(iq, raw.probe, raw.waves, grid, **settings)

    def flow_of(frames: np.ndarray) -> DopplerMap:
        return color_doppler(
            frames,
            center_hz=raw.center_hz,
            prf_hz=float(raw.prf_hz or 0),
            sound_speed_m_s=raw.sound_speed_m_s,
            window=(5, 5),
        )

    z, x = np.meshgrid(*grid.coordinates_mm, indexing="ij")
    inside = np.hypot(z - 22.3, x + 1.0) < 8
    design = np.stack([np.ones(inside.sum()), 1e-3 * x[inside], 1e-3 * z[inside]], axis=1)

    def rate_rad_s(frames: np.ndarray) -> float:
        return -float(np.linalg.lstsq(design, flow_of(frames).velocity_m_s[inside], rcond=None)[0][1])

    parts = [rate_rad_s(images[..., k : k + 8]) for k in range(0, 32, 8)]
    print(
        f"disk {rate_rad_s(images):.1f} rad/s, standard uncertainty {np.std(parts, ddof=1) / 2:.1f}", end=""
    )
    print(f", mean of four parts {np.mean(parts):.1f}")
    flow = flow_of(images)
    shown = np.where(flow.power > 0.01 * flow.power.max(), flow.velocity_m_s, np.nan)
    plt.figure(figsize=(5, 4), layout="constrained")
    plt.imshow(shown, cmap="RdBu_r", vmin=-flow.limit_m_s, vmax=flow.limit_m_s, extent=_extent(grid))
    plt.colorbar(label="towards the probe / (m/s)")
    plt.title("Rotating disk")
    _save("disk.png")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    source = Path(sys.argv[1]) / "us_raw"
    for picture in (notch, fan, disk):
        picture(source)
