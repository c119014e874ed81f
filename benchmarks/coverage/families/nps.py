"""Noise power: regions cut out of one image of noise with a known spectrum."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from scipy import integrate
from simulate import Setting

from imgtech.qc import Measurement
from imgtech.qc.metrics import noise_power_spectrum


def settings() -> Iterator[Setting]:
    """Regions of 64 by 60 pixels cut out of one image of correlated noise."""
    spacing, shape = (0.6, 0.45), (256, 300)
    f = np.hypot(np.fft.fftfreq(256, spacing[0])[:, None], np.fft.fftfreq(300, spacing[1]))
    highest = 0.5 / spacing[0]
    spectra = {
        "white": lambda f: 3.0 + 0 * f,
        "low-pass": lambda f: 3 * np.exp(-((2 * math.pi * 0.4 * f) ** 2)),
        "ramp": lambda f: 7 * f * np.exp(-((f / 0.4) ** 2) / 2),
    }
    measures = {
        "noise variance": lambda nps: nps.variance(),
        "NPS at 0.4 per mm": lambda nps: nps.at(0.4),
        "NPS mean frequency": lambda nps: nps.mean_frequency(),
        "NPS peak frequency": lambda nps: nps.peak_frequency(),
    }
    for kind, detrend in (("white", "mean"), ("low-pass", "plane"), ("ramp", "mean")):
        spectrum = spectra[kind]
        gain = np.sqrt(spectrum(f) / math.prod(spacing))
        # rings are as wide as the larger frequency step, and the last one lies a ring below the edge
        step = max(1 / (64 * spacing[0]), 1 / (60 * spacing[1]))
        rings = noise_power_spectrum(np.eye(64, 60), spacing).radial_frequencies_per_mm
        assert highest - 2 * step < rings[-1] < highest
        area, moment = (integrate.quad(lambda f, k=k: f**k * spectrum(f), 0, rings[-1])[0] for k in (0, 1))  # noqa: B023
        truths = {
            "noise variance": float((gain**2).mean()),
            "NPS at 0.4 per mm": float(spectrum(0.4)),
            "NPS mean frequency": moment / area,
            "NPS peak frequency": 0.4,
        }
        for metric, measure in measures.items():
            if metric == "NPS peak frequency" and kind != "ramp":
                continue

            def once(
                rng: np.random.Generator,
                gain: np.ndarray = gain,
                detrend: str = detrend,
                measure: Callable = measure,
            ) -> Measurement:
                field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) * gain[:, :151], s=shape)
                blocks = field.reshape(4, 64, 5, 60).transpose(0, 2, 1, 3).reshape(20, 64, 60)
                return measure(noise_power_spectrum(blocks, spacing, detrend=detrend))

            method = {
                "noise variance": "variance",
                "NPS at 0.4 per mm": "at",
                "NPS mean frequency": "mean_frequency",
                "NPS peak frequency": "peak_frequency",
            }[metric]
            yield Setting(
                metric,
                f"{kind} noise, detrend {detrend}",
                truths[metric],
                once,
                of=("noise_power_spectrum", f"NPS.{method}"),
            )
    for peak, n_regions, detrend in ((0.45, 12, "plane"), (0.38, 20, "plane")):
        gain = np.sqrt(7 * f * np.exp(-((f / peak) ** 2) / 2) / math.prod(spacing))

        def top(
            rng: np.random.Generator,
            gain: np.ndarray = gain,
            detrend: str = detrend,
            n_regions: int = n_regions,
        ) -> Measurement:
            field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) * gain[:, :151], s=shape)
            blocks = field.reshape(4, 64, 5, 60).transpose(0, 2, 1, 3).reshape(20, 64, 60)[:n_regions]
            return noise_power_spectrum(blocks, spacing, detrend=detrend).peak_frequency()

        yield Setting(
            "NPS peak frequency",
            f"peak at {peak:g} per mm, {n_regions} regions, detrend {detrend}",
            peak,
            top,
            of=("noise_power_spectrum", "NPS.peak_frequency"),
        )
