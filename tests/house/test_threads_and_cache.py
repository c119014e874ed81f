"""Kernels under load: threads, processes, cold caches and folders that cannot be written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numba
import numpy as np
import pytest
from rooms import SOURCE

import imgtech
from imgtech._core.jit import SERIAL_BELOW
from imgtech.geometry import ImageGrid, LinearArray, ParallelBeam, PlaneWaves
from imgtech.recon.ct import fbp
from imgtech.recon.ultrasound import delay_and_sum

# large enough for the parallel variants: SERIAL_BELOW updates in each half of the views
BEAM = ParallelBeam.half_turn(n_views=240, n_channels=150, channel_spacing_mm=0.7, detector_offset_mm=0.2)
GRID = ImageGrid(shape=(211, 190), spacing_mm=(0.5, 0.6), center_mm=(1.0, -2.0))

RUN = """
import numpy as np
from imgtech.geometry import ImageGrid, ParallelBeam
from imgtech.recon.ct import fbp
beam = ParallelBeam.half_turn(n_views=240, n_channels=150, channel_spacing_mm=0.7, detector_offset_mm=0.2)
grid = ImageGrid(shape=(211, 190), spacing_mm=(0.5, 0.6), center_mm=(1.0, -2.0))
sinogram = np.random.default_rng(5).normal(size=beam.shape).astype(np.float32)
print(repr(float(np.abs(fbp(sinogram, beam, grid)).sum(dtype=np.float64))))
"""


def _sinogram() -> np.ndarray:
    return np.random.default_rng(5).normal(size=BEAM.shape).astype(np.float32)


def _expected() -> float:
    return float(np.abs(fbp(_sinogram(), BEAM, GRID)).sum(dtype=np.float64))


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two threads")
def test_one_and_two_threads_give_the_same_bits():
    rng = np.random.default_rng(7)
    probe = LinearArray(n_elements=65, pitch_mm=0.3, center_mm=0.4)
    waves = PlaneWaves.from_degrees([-7, 0, 5], sampling_hz=20e6, start_s=2e-6)
    grid = ImageGrid(shape=(301, 101), spacing_mm=(0.05, 0.1), center_mm=(16.0, 0.3))
    rf = rng.normal(size=(3, 65, 700)).astype(np.float32)
    with imgtech.threads(1):
        ct_one, us_one = fbp(_sinogram(), BEAM, GRID), delay_and_sum(rf, probe, waves, grid)
    with imgtech.threads(2):
        ct_two, us_two = fbp(_sinogram(), BEAM, GRID), delay_and_sum(rf, probe, waves, grid)
    assert ct_one.tobytes() == ct_two.tobytes()
    assert us_one.tobytes() == us_two.tobytes()
    assert np.abs(us_one).max() > 0


def test_the_test_problem_is_large_enough_for_the_parallel_variants():
    assert BEAM.n_views / 3 * np.prod(GRID.shape) > SERIAL_BELOW


def test_thread_counts_outside_the_range_are_refused():
    with pytest.raises(ValueError, match=r"n_threads must lie between 1 and \d+, got 0"), imgtech.threads(0):
        pass


def test_two_python_threads_may_call_kernels_at_once():
    expected = _expected()
    found: list[float] = []

    def work():
        for _ in range(8):
            found.append(_expected())

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert found == [expected] * 16


def test_two_python_threads_survive_the_workqueue_layer():
    code = RUN + (
        "import threading\n"
        "workers = [threading.Thread(target=lambda: [fbp(sinogram, beam, grid) for _ in range(20)])"
        " for _ in range(2)]\n"
        "[w.start() for w in workers]\n[w.join() for w in workers]\n"
    )
    out = _python(code, NUMBA_THREADING_LAYER="workqueue")
    assert out.returncode == 0, out.stderr
    assert float(out.stdout) == _expected()


def test_four_processes_may_fill_a_cold_cache_at_once(tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "NUMBA_NUM_THREADS": "1"}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", RUN],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    results = [run.communicate(timeout=300) for run in runs]
    assert [run.returncode for run in runs] == [0] * 4, results
    assert {float(out) for out, _ in results} == {_expected()}
    assert list(cache.rglob("*.nbi"))


def test_second_process_starts_warm(tmp_path):
    code = (
        "from imgtech.recon.ct import _kernels_parallel as k\n"
        "from imgtech._core.jit import Kernel\n"
        "found = [v for v in vars(k).values() if isinstance(v, Kernel)]\n"
        "variants = [v for f in found for v in (f.serial, f.parallel) if v is not None]\n"
        "print(sum(sum(v.stats.cache_hits.values()) for v in variants),"
        " sum(sum(v.stats.cache_misses.values()) for v in variants))\n"
    )
    first = _python(RUN + code, NUMBA_CACHE_DIR=str(tmp_path)).stdout.splitlines()[-1].split()
    second = _python(RUN + code, NUMBA_CACHE_DIR=str(tmp_path)).stdout.splitlines()[-1].split()
    assert int(first[1]) > 0
    assert int(second[0]) == int(first[1])
    assert int(second[1]) == 0


@pytest.mark.parametrize("home_writable", [True, False])
def test_an_installation_that_cannot_be_written_works(tmp_path, home_writable):
    site, home = tmp_path / "site", tmp_path / "home"
    shutil.copytree(SOURCE, site / "imgtech", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [site / "imgtech", *(p for p in (site / "imgtech").rglob("*") if p.is_dir())]:
        (folder / "__pycache__").write_text("a file where the cache folder would go\n")
    if home_writable:
        home.mkdir()
    else:
        home.write_text("no folder\n")
    environment = {"PYTHONPATH": str(site), "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    code = "import imgtech; print(imgtech.__file__)\n" + RUN
    out = _python(code, PYTHONDONTWRITEBYTECODE="1", **environment)
    assert out.returncode == 0, out.stderr
    where, value = out.stdout.split()
    assert Path(where).is_relative_to(site)
    assert float(value) == _expected()
    assert bool(list(home.rglob("*.nbi"))) is home_writable


def _python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
