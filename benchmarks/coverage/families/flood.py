"""Uniformity of gamma cameras: counts of a field with known waves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage
from simulate import Setting

from imgtech.qc import Measurement
from imgtech.qc.metrics import flood_uniformity


def settings() -> Iterator[Setting]:
    """The rule of the standard, written out, on the field without noise or on many fields with noise.

    Without noise it is the truth of the noise-corrected index; its mean over fields with noise that are not
    those of the study is the truth of the index at these counts.
    """
    for shape, counts, height, period in (((44, 50), 10000.0, 0.0, 20.0), ((52, 46), 4000.0, 0.03, 26.0),
                                          ((40, 60), 20000.0, 0.05, 34.0)):  # fmt: skip
        y, x = np.arange(shape[0])[:, None], np.arange(shape[1])
        level = counts * (1 + height * np.cos(2 * np.pi * y / period) * np.cos(2 * np.pi * x / period + 0.4))
        region = np.zeros(shape)
        region[4:-4, 5:-5] = 1
        # the standard drops pixels with one outside of the field at their side
        inside = np.zeros(shape, dtype=bool)
        inside[5:-5, 6:-6] = True
        rng = np.random.default_rng(20261126)
        fields = rng.poisson(level, (400, *shape)).astype(float)
        corrected = written_out(level[None], inside)[0]
        raw = np.mean(written_out(fields, inside), axis=0)
        about = f"{shape[0] - 10} x {shape[1] - 12} px, {counts:g} counts, waves of {100 * height:g} %"
        for kind, truth in (("noise-corrected", corrected), ("at these counts", raw)):

            def once(
                rng: np.random.Generator,
                level: np.ndarray = level,
                region: np.ndarray = region,
                kind: str = kind,
            ) -> dict[str, Measurement]:
                found = flood_uniformity(
                    rng.poisson(level).astype(float),
                    (6.4, 6.4),
                    region=region,
                    noise_corrected=kind == "noise-corrected",
                    rng=rng,
                )
                return dict(zip(("integral", "differential"), found, strict=True))

            yield Setting(
                f"flood uniformity {kind}",
                about,
                {"integral": float(truth[0]), "differential": float(truth[1])},
                once,
                of=("flood_uniformity",),
            )


def written_out(fields: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Integral and differential uniformity of smoothed fields, shape ``(n, 2)``."""
    kernel = np.outer([1, 2, 1], [1, 2, 1])[None].astype(float)
    cover = ndimage.convolve(inside[None].astype(float), kernel, mode="constant")
    smooth = ndimage.convolve(fields * inside, kernel, mode="constant") / np.maximum(cover, 1)
    found = []
    for image in smooth:
        values = image[inside]
        worst = 0.0
        for lines, where in ((image, inside), (image.T, inside.T)):
            for line, seen in zip(lines, where, strict=True):
                for i in range(len(line) - 4):
                    five = line[i : i + 5]
                    if seen[i : i + 5].all():
                        worst = max(worst, (five.max() - five.min()) / (five.max() + five.min()))
        found.append((100 * (values.max() - values.min()) / (values.max() + values.min()), 100 * worst))
    return np.array(found)
