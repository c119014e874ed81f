"""Three plane waves, single frame, IQ: imgtech against ustb's kernel and PyMUST's sparse product.

128 elements, 512 x 256 pixels, f-number 1.75, linear interpolation, echoes of wires. The peers get the
same IQ data and start from prepared delays and weights; imgtech computes them in the timed call. PyMUST is
used twice: with one matrix a wave as ``dasmtx`` returns it, and with all of them in one of compressed rows
in complex64, which is faster.

    python benchmarks/ultrasound/plane_waves.py [--rounds 7]

needs ``pip install "imgtech[bench]" ustb``. ``IMGTECH_AVX512=0`` times the portable kernel.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pymust
from scipy import sparse
from ustb.midprocess._das_kernel import das_kernel

import imgtech
from imgtech.bench import Comparison, compare, save_comparisons
from imgtech.geometry import ImageGrid, LinearArray, PlaneWaves
from imgtech.phantoms import GaussianPulse, wires
from imgtech.recon.ultrasound import (
    _kernels_window,
    aperture_weights,
    delay_and_sum,
    receive_delays,
    rf_to_iq,
    transmit_delays,
)

ROOT = Path(__file__).resolve().parents[2]
PROBE = LinearArray(n_elements=128, pitch_mm=0.3, element_width_mm=0.27)
WAVES = PlaneWaves.from_degrees([-8, 0, 8], sampling_hz=20e6, start_s=2e-6)
GRID = ImageGrid(shape=(512, 256), spacing_mm=(0.06, 0.1), center_mm=(20.36, 0.0))
CENTER_HZ, F_NUMBER, SPEED_M_S = 5e6, 1.75, 1540.0


def channel_data() -> np.ndarray:
    """IQ data of twelve wires, complex64 ``(wave, element, sample)``."""
    targets = wires(depths_mm=[9.0, 16.0, 23.0, 31.0] * 3, lateral_mm=[-8.0] * 4 + [0.7] * 4 + [9.0] * 4)
    pulse = GaussianPulse(center_hz=CENTER_HZ, fractional_bandwidth=0.6)
    rf = targets.echoes(PROBE, WAVES, pulse=pulse, n_samples=1536)
    return rf_to_iq(rf, WAVES, center_hz=CENTER_HZ)


def ustb_call(iq: np.ndarray, weights: np.ndarray) -> Callable[[], np.ndarray]:
    """The compiled kernel of ustb with its tables made beforehand."""
    n_pixels = GRID.shape[0] * GRID.shape[1]
    data = np.ascontiguousarray(iq.transpose(2, 1, 0)[..., None])
    transmit = transmit_delays(WAVES, GRID).reshape(3, n_pixels).T.astype(np.float32)
    receive = receive_delays(PROBE, GRID).reshape(128, n_pixels).T.astype(np.float32)
    weight = weights.reshape(128, n_pixels).T.astype(np.float32)
    tables = [np.ascontiguousarray(a) for a in (np.ones_like(transmit), weight, transmit, receive)]
    start_s, step_s = float(np.asarray(WAVES.start_s)[0]), 1 / WAVES.sampling_hz

    def call() -> np.ndarray:
        image = np.zeros((n_pixels, 1, 1, 1), np.complex64)
        das_kernel(data, start_s, step_s, *tables, 2 * np.pi * CENTER_HZ, 3, image)
        return image.reshape(GRID.shape)

    return call


def pymust_matrices(iq: np.ndarray) -> list[sparse.sparray]:
    """One matrix a wave, as ``dasmtx`` returns it: coordinates, complex128."""
    z, x = np.meshgrid(*(1e-3 * c for c in GRID.coordinates_mm), indexing="ij")
    matrices = []
    for k, angle in enumerate(WAVES.angles_rad):
        param = pymust.utils.Param()
        param.fs, param.fc, param.c = WAVES.sampling_hz, CENTER_HZ, SPEED_M_S
        param.pitch, param.width = 1e-3 * PROBE.pitch_mm, 1e-3 * PROBE.element_width_mm
        param.Nelements, param.fnumber, param.bandwidth = PROBE.n_elements, F_NUMBER, 60.0
        param.t0 = np.array([np.asarray(WAVES.start_s)[k]])
        param.TXdelay = 1e-3 * PROBE.elements_mm[None] * np.sin(angle) / SPEED_M_S
        matrices.append(pymust.dasmtx(iq[k].T.astype(complex), x, z, param, "linear"))
    return matrices


def pymust_waves_call(iq: np.ndarray) -> Callable[[], np.ndarray]:
    """PyMUST as its users call it: one product a wave with the matrices as returned, then the sum."""
    matrices = pymust_matrices(iq)
    columns = [wave.reshape(-1).astype(complex) for wave in iq]

    def call() -> np.ndarray:
        total = sum(matrix @ column for matrix, column in zip(matrices, columns, strict=True))
        return total.reshape(GRID.shape[::-1]).T  # PyMUST reads x and z column by column

    return call


def pymust_call(iq: np.ndarray) -> Callable[[], np.ndarray]:
    """One sparse product with the matrices of all waves side by side, compressed rows in complex64."""
    matrices = [matrix.tocsr().astype(np.complex64) for matrix in pymust_matrices(iq)]
    product = sparse.hstack(matrices, format="csr")
    column = iq.reshape(-1, 1)

    def call() -> np.ndarray:
        return (product @ column).reshape(GRID.shape[::-1]).T

    return call


def side_by_side(
    iq: np.ndarray,
    peer: Callable[[], np.ndarray],
    name: str,
    largest: float,
    active: float,
    setup_s: float,
    rounds: int,
) -> Comparison:
    """Compare one peer; its answer may differ by ``largest`` (relative, root mean square)."""

    def ours() -> np.ndarray:
        return delay_and_sum(iq, PROBE, WAVES, GRID, f_number=F_NUMBER, center_hz=CENTER_HZ)

    def check(image: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
        gap = float(np.linalg.norm(image - theirs) / np.linalg.norm(theirs))
        assert gap < largest, f"relative difference {gap}"
        return {"relative_difference": gap, "setup_s": setup_s}

    kernel = "AVX-512 kernel" if _kernels_window.HAS_AVX512 else "portable kernel"
    return compare(
        f"128 elements x 3 plane waves, 512 x 256 pixels, f-number 1.75, IQ, {kernel}",
        ours=ours,
        peer=peer,
        peer_name=name,
        check=check,
        excluded="compilation; demodulation; delays, weights and matrices of the peer (setup_s)",
        rounds=rounds,
        work=active,
        work_unit="pixel x element x transmit inside the aperture",
    )


def main() -> None:
    """Run, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    iq = channel_data()
    z, x = GRID.coordinates_mm
    weights = aperture_weights(x - PROBE.elements_mm[:, None, None], z[:, None], f_number=F_NUMBER)
    active = float(3 * np.count_nonzero(weights))
    comparisons = []
    for name, prepare, largest in (
        (f"ustb {version('ustb')}, kernel", lambda: ustb_call(iq, weights), 1e-3),
        (f"PyMUST {version('pymust')}, sparse products, as returned", lambda: pymust_waves_call(iq), 0.02),
        (f"PyMUST {version('pymust')}, sparse product, CSR complex64", lambda: pymust_call(iq), 0.02),
    ):
        start = time.perf_counter()
        peer = prepare()
        setup_s = time.perf_counter() - start
        comparisons.append(side_by_side(iq, peer, name, largest, active, setup_s, options.rounds))
    nominal = 3.0 * weights.size
    print(f"imgtech {imgtech.__version__}: {active / 1e6:.1f} M active of {nominal / 1e6:.1f} M points")
    for c in comparisons:
        (ours_s, peer_s), (low, high) = c.medians, c.ratio_range
        print(f"{c.name}\n  imgtech {1e3 * ours_s:.1f} ms ({c.rate / 1e9:.2f} G active points a second)")
        print(f"  {c.peer} {1e3 * peer_s:.1f} ms, after {c.check['setup_s']:.1f} s of tables")
        print(f"  ratio of medians {c.ratio:.1f} (rounds {low:.1f} to {high:.1f})")
        print(f"  relative difference of the answers {c.check['relative_difference']:.1e}")
    kind = "avx512" if _kernels_window.HAS_AVX512 else "portable"
    save_comparisons(comparisons, ROOT / "benchmarks" / "results" / f"us_plane_waves_{kind}.json")


if __name__ == "__main__":
    main()
