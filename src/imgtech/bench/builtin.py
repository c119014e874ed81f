"""Comparisons that need nothing but imgtech and what it depends on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.transform import iradon

from imgtech._core.validate import count
from imgtech.bench.harness import Comparison, compare
from imgtech.geometry import ImageGrid, LinearArray, ParallelBeam, PlaneWaves
from imgtech.phantoms import GaussianPulse, shepp_logan, wires
from imgtech.recon.ct import fbp
from imgtech.recon.ultrasound import delay_and_sum

EXCLUDED = "compilation (one warm call), simulation of the data"
Answer = npt.NDArray[Any]


def builtin_comparisons(*, n: int = 512, rounds: int = 5) -> Iterator[Comparison]:
    """Compare CT and ultrasound reconstruction with what every Python user has at hand, one at a time.

    CT runs against ``skimage.transform.iradon`` on the same sinogram, ultrasound against the same sum
    written in NumPy. Every answer is checked before it is timed. MRI is not here: a Cartesian image is
    one FFT of SciPy in imgtech, and would be so elsewhere.

    Parameters
    ----------
    n : int, optional
        Pixels along one side of the CT image; the others scale with it. At least 64.
    rounds : int, optional
        Rounds of each comparison.

    Yields
    ------
    Comparison

    Raises
    ------
    ValueError
        If ``n`` is below 64.

    Examples
    --------
    >>> from imgtech.bench import builtin_comparisons
    >>> first = next(builtin_comparisons(n=64, rounds=1))
    >>> first.peer.split()[0]
    'scikit-image'
    """
    count("n", n, 64)
    yield _parallel_ct(n, rounds)
    yield _plane_waves(n, rounds)


def _parallel_ct(n: int, rounds: int) -> Comparison:
    n_views = 45 * n // 32
    beam = ParallelBeam.half_turn(  # iradon has its axis on channel and pixel n // 2: both get that
        n_views=n_views, n_channels=n, channel_spacing_mm=1.0, detector_offset_mm=(n - 1) / 2 - n // 2
    )
    grid = ImageGrid.fft((n, n), spacing_mm=(1.0, 1.0))
    head = shepp_logan(radius_mm=0.48 * n)
    sinogram, truth = head.sinogram(beam), head.image(grid)
    theirs, degrees = np.ascontiguousarray(sinogram.T), -np.rad2deg(beam.angles_rad)
    y, x = grid.coordinates_mm
    inside = np.hypot(y[:, None], x) < 0.45 * n
    scale = float(truth.max())

    def error(image: Answer) -> float:
        return float(np.sqrt(np.mean((image[inside] - truth[inside]) ** 2))) / scale

    def check(ours: Answer, peer: Answer) -> dict[str, float]:
        figures = {"rmse_imgtech": error(ours), "rmse_peer": error(peer)}
        assert figures["rmse_imgtech"] <= 1.01 * figures["rmse_peer"], figures
        return figures

    return compare(
        f"CT filtered back-projection, {n} x {n}, {n_views} views",
        ours=partial(fbp, sinogram, beam, grid),
        peer=partial(iradon, theirs, degrees, circle=True),
        peer_name=f"scikit-image {version('scikit-image')} iradon",
        check=check,
        excluded=EXCLUDED,
        rounds=rounds,
        work=float(n) ** 2 * n_views,
        work_unit="pixel x view",
    )


def _plane_waves(n: int, rounds: int) -> Comparison:
    probe = LinearArray(n_elements=n // 4, pitch_mm=0.3)
    waves = PlaneWaves.from_degrees([-12, 0, 12], sampling_hz=20e6, start_s=2e-6)
    grid = ImageGrid(shape=(n, n // 2), spacing_mm=(0.06, 0.15), center_mm=(0.03 * n + 5, 0.0))
    depth = 0.06 * n + 6
    points = wires(depths_mm=[0.5 * depth, 0.8 * depth], lateral_mm=[-3.0, 2.0])
    pulse = GaussianPulse(center_hz=5e6, fractional_bandwidth=0.6)
    n_samples = int(2.6 * depth / 1.54e3 * 20e6)
    rf = points.echoes(probe, waves, pulse=pulse, n_samples=n_samples)

    def check(ours: Answer, peer: Answer) -> dict[str, float]:
        gap = float(np.abs(ours - peer).max() / np.abs(peer).max())
        assert gap < 1e-4, gap
        return {"largest_difference": gap}

    return compare(
        f"ultrasound delay-and-sum, {probe.n_elements} elements x 3 waves, {n} x {n // 2} pixels",
        ours=partial(delay_and_sum, rf, probe, waves, grid, f_number=1.75),
        peer=partial(_sum_in_numpy, rf, probe, waves, grid),
        peer_name=f"NumPy {np.__version__}, one element at a time",
        check=check,
        excluded=EXCLUDED,
        rounds=rounds,
        work=float(rf.shape[0] * rf.shape[1] * np.prod(grid.shape)),
        work_unit="pixel x element x transmit, masked ones counted",
    )


def _sum_in_numpy(rf: Answer, probe: LinearArray, waves: PlaneWaves, grid: ImageGrid) -> Answer:
    z, x = (axis.astype(np.float32) for axis in grid.coordinates_mm)
    z = z[:, None]
    image = np.zeros(grid.shape, np.float32)
    samples = np.arange(rf.shape[2])
    for shot, angle in enumerate(waves.angles_rad):
        transmit = x * np.sin(angle) + z * np.cos(angle)
        for element, place in enumerate(probe.elements_mm):
            time = (transmit + np.hypot(x - place, z)) / 1540e3 - np.asarray(waves.start_s)[shot]
            trace = np.interp(time * waves.sampling_hz, samples, rf[shot, element], left=0.0, right=0.0)
            image += np.where(np.abs(x - place) * 2 * 1.75 <= z, trace, 0.0).astype(np.float32)
    return image
