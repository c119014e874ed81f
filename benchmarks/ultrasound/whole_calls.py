"""Three plane waves, single frame: whole calls of ustb, vbeam and ultraspy, delays and weights included.

128 elements, 512 x 256 pixels, f-number 1.75, linear interpolation, echoes of wires. Every side gets the
same traces in the form it wants (IQ, or the analytic signal) and computes
delays, weights and sums in the timed call. Compilation is left out.

    python benchmarks/ultrasound/whole_calls.py [--rounds 5]

needs ``pip install "imgtech[app]" ustb vbeam jax ultraspy``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy.signal import hilbert

from imgtech.bench import Comparison, compare, save_comparisons
from imgtech.geometry import ImageGrid, LinearArray, PlaneWaves
from imgtech.phantoms import GaussianPulse, wires
from imgtech.recon.ultrasound import delay_and_sum, rf_to_iq

ROOT = Path(__file__).resolve().parents[2]
PROBE = LinearArray(n_elements=128, pitch_mm=0.3, element_width_mm=0.27)
WAVES = PlaneWaves.from_degrees([-8, 0, 8], sampling_hz=20e6)
GRID = ImageGrid(shape=(512, 256), spacing_mm=(0.06, 0.1), center_mm=(20.36, 0.0))
CENTER_HZ, F_NUMBER, SPEED_M_S = 5e6, 1.75, 1540.0
X_M, Z_M = (1e-3 * c for c in reversed(GRID.coordinates_mm))
ELEMENTS_M = 1e-3 * PROBE.elements_mm


def echoes() -> np.ndarray:
    """RF of twelve wires."""
    targets = wires(depths_mm=[9.0, 16.0, 23.0, 31.0] * 3, lateral_mm=[-8.0] * 4 + [0.7] * 4 + [9.0] * 4)
    pulse = GaussianPulse(center_hz=CENTER_HZ, fractional_bandwidth=0.6)
    return targets.echoes(PROBE, WAVES, pulse=pulse, n_samples=1536)


def ustb_call(rf: np.ndarray) -> Callable[[], np.ndarray]:
    """The ``go`` of ustb's delay-and-sum, which makes apodization and delays every time."""
    from pyuff_ustb import ChannelData, LinearScan, Point, Wave
    from pyuff_ustb import LinearArray as Row
    from pyuff_ustb.objects.wavefront import Wavefront
    from ustb.enums import Dimension, Window
    from ustb.midprocess import DAS

    channel = ChannelData()
    channel.sampling_frequency, channel.initial_time, channel.sound_speed = WAVES.sampling_hz, 0.0, SPEED_M_S
    channel.modulation_frequency = 0.0
    zero, one = np.zeros(128), np.ones(128)
    row = Row(N=128, pitch=0.3e-3, element_width=0.27e-3, element_height=5e-3)
    row.geometry = np.stack([ELEMENTS_M, zero, zero, zero, zero, 0.27e-3 * one, 5e-3 * one])
    channel.probe = row
    channel.sequence = [
        Wave(
            wavefront=Wavefront.plane,
            source=Point(distance=np.inf, azimuth=float(a), elevation=0.0),
            sound_speed=SPEED_M_S,
            delay=0.0,
        )
        for a in WAVES.angles_rad
    ]
    channel.data = np.ascontiguousarray(hilbert(rf, axis=2).astype(np.complex64).transpose(2, 1, 0))[
        ..., None
    ]
    das = DAS()
    das.channel_data, das.scan, das.dimension = channel, LinearScan(x_axis=X_M, z_axis=Z_M), Dimension.both
    das.receive_apodization.window = Window.boxcar
    das.receive_apodization.f_number = np.array([F_NUMBER, F_NUMBER])
    order = np.lexsort((np.ravel(das.scan.x), np.ravel(das.scan.z)))

    def call() -> np.ndarray:
        with contextlib.redirect_stdout(io.StringIO()):
            beamformed = das.go()
        return beamformed.data.reshape(order.size, -1)[order, 0].reshape(GRID.shape)

    return call


def vbeam_call(rf: np.ndarray) -> Callable[[], np.ndarray]:
    """vbeam compiled by JAX for the processor."""
    import jax
    from vbeam.fastmath import backend_manager

    backend_manager.active_backend = "jax"
    from spekk import Spec
    from vbeam.apodization import NoApodization as Everything
    from vbeam.apodization import PlaneWaveReceiveApodization, Rectangular, TxRxApodization
    from vbeam.beamformers import get_das_beamformer
    from vbeam.core import ElementGeometry, WaveData
    from vbeam.data_importers.setup import SignalForPointSetup
    from vbeam.fastmath import numpy as xp
    from vbeam.interpolation import FastInterpLinspace
    from vbeam.scan import linear_scan
    from vbeam.wavefront import PlaneWavefront, ReflectedWavefront

    def single(values: np.ndarray) -> object:
        return xp.array(np.asarray(values, dtype="float32"))

    places = np.stack([ELEMENTS_M, np.zeros(128), np.zeros(128)], axis=-1)
    setup = SignalForPointSetup(
        sender=ElementGeometry(single(np.zeros(3)), 0.0, 0.0),
        point_position=None,
        receiver=ElementGeometry(single(places), single(np.zeros(128)), single(np.zeros(128))),
        signal=xp.array(hilbert(rf, axis=2).astype("complex64")),
        transmitted_wavefront=PlaneWavefront(),
        reflected_wavefront=ReflectedWavefront(),
        speed_of_sound=single(SPEED_M_S),
        wave_data=WaveData(
            source=single(np.zeros((3, 3))),
            azimuth=single(WAVES.angles_rad),
            elevation=single(np.zeros(3)),
            t0=single(np.zeros(3)),
        ),
        interpolate=FastInterpLinspace(min=0.0, d=1 / WAVES.sampling_hz, n=rf.shape[2]),
        modulation_frequency=single(0.0),
        apodization=TxRxApodization(
            transmit=Everything(), receive=PlaneWaveReceiveApodization(Rectangular(), F_NUMBER)
        ),
        spec=Spec(
            {
                "signal": ["transmits", "receivers", "signal_time"],
                "receiver": ["receivers"],
                "point_position": ["points"],
                "wave_data": ["transmits"],
            }
        ),
        scan=linear_scan(single(X_M), single(Z_M)),
    )
    beamform = jax.jit(
        get_das_beamformer(
            setup, compensate_for_apodization_overlap=False, log_compress=False, scan_convert=False
        )
    )
    return lambda: np.asarray(jax.block_until_ready(beamform(**setup.data))).T


def ultraspy_call(rf: np.ndarray) -> Callable[[], np.ndarray]:
    """ultraspy on the processor, IQ data."""
    from ultraspy.beamformers.das import DelayAndSum
    from ultraspy.probes.factory import build_probe_from_geometry
    from ultraspy.scan import GridScan

    probe = build_probe_from_geometry(ELEMENTS_M, 0 * ELEMENTS_M, 0 * ELEMENTS_M, CENTER_HZ)
    delays = np.sin(WAVES.angles_rad)[:, None] * ELEMENTS_M / SPEED_M_S
    every = np.tile(np.arange(128), (3, 1))
    beamformer = DelayAndSum(is_iq=True, on_gpu=False)
    acquisition = {"sampling_freq": WAVES.sampling_hz, "sound_speed": SPEED_M_S, "t0": 0.0, "delays": delays}
    acquisition |= {"signal_duration": None, "prf": None}
    acquisition["sequence_elements"] = {"emitted": every, "received": every}
    beamformer.automatic_setup(acquisition, probe)
    beamformer.update_setup("f_number", [F_NUMBER, F_NUMBER])
    for option, value in (("interpolation", "linear"), ("emitted_aperture", False), ("reduction", "sum")):
        beamformer.update_option(option, value)
    iq = rf_to_iq(rf, WAVES, center_hz=CENTER_HZ)
    scan = GridScan(X_M, Z_M, on_gpu=False)
    return lambda: np.asarray(beamformer.beamform(iq, scan)).T


def main() -> None:
    """Run, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rf = echoes()
    iq = rf_to_iq(rf, WAVES, center_hz=CENTER_HZ)

    def ours() -> np.ndarray:
        return delay_and_sum(iq, PROBE, WAVES, GRID, f_number=F_NUMBER, center_hz=CENTER_HZ)

    def check(image: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
        one, other = (np.abs(a).ravel().astype(np.float64) for a in (image, theirs))
        likeness = float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))
        assert likeness > 0.98, f"the envelopes are alike by {likeness} only"
        return {"likeness_of_envelopes": likeness, "first_call_s": first_s}

    comparisons: list[Comparison] = []
    for name, prepare in (("ustb", ustb_call), ("vbeam", vbeam_call), ("ultraspy", ultraspy_call)):
        peer = prepare(rf)
        start = time.perf_counter()
        peer()
        first_s = time.perf_counter() - start
        comparisons.append(
            compare(
                "128 elements x 3 plane waves, 512 x 256 pixels, f-number 1.75, whole call",
                ours=ours,
                peer=peer,
                peer_name=f"{name} {version(name)}, whole call",
                check=check,
                excluded="compilation; demodulation and analytic signal",
                rounds=options.rounds,
                work=3.0 * 128 * np.prod(GRID.shape),
                work_unit="pixel x element x transmit, masked elements counted",
            )
        )
        c = comparisons[-1]
        low, high = c.ratio_range
        print(f"{c.peer}: {1e3 * c.medians[1]:.0f} ms against {1e3 * c.medians[0]:.1f} ms", end="")
        print(f", ratio {c.ratio:.0f} ({low:.0f} to {high:.0f}), envelopes alike {c.check}")
    save_comparisons(comparisons, ROOT / "benchmarks" / "results" / "us_whole_calls.json")


if __name__ == "__main__":
    main()
