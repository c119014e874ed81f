"""Answers for peers.py; runs in an environment with pylinac and needs nothing of imgtech."""

import json
import sys
import warnings

import numpy as np
import pylinac
from pylinac.core.mtf import EdgeSpreadFunctionMTF
from pylinac.core.nps import noise_power_spectrum_1d, noise_power_spectrum_2d

warnings.filterwarnings("ignore")
ARRAYS = np.load(sys.argv[1])
HELD = {name: ARRAYS[name] for name in ARRAYS.files}


def version():
    return f"pylinac {pylinac.__version__}"


def mtf_rows(image, spacing_mm):
    """Every row is one edge spread function, as the class takes them."""
    mtf = EdgeSpreadFunctionMTF(list(HELD[image]), sample_spacing=spacing_mm)
    return [mtf.relative_resolution(50), mtf.relative_resolution(10)]


def mtf_projected(image, spacing_mm, degrees, position_mm):
    """One edge spread function in bins of a quarter of a pixel, made with the true line."""
    pixels = HELD[image]
    y, x = ((np.arange(n) - (n - 1) / 2) * spacing_mm for n in pixels.shape)
    angle = np.deg2rad(degrees)
    distance = (x * np.cos(angle) + y[:, None] * np.sin(angle) - position_mm) / spacing_mm
    near = np.abs(distance) < 40
    bins = np.round(distance[near] * 4).astype(int)
    bins -= bins.min()
    esf = np.bincount(bins, pixels[near]) / np.bincount(bins)
    mtf = EdgeSpreadFunctionMTF([esf], sample_spacing=spacing_mm / 4)
    return [mtf.relative_resolution(50), mtf.relative_resolution(10)]


def nps(regions, spacing_mm):
    plane = noise_power_spectrum_2d(spacing_mm, list(HELD[regions]))
    ring = noise_power_spectrum_1d(plane)
    step = 1 / (plane.shape[0] * spacing_mm)
    return {"variance": float(plane.sum() * step**2), "peak": float(np.argmax(ring) * step)}


for line in sys.stdin:
    task, arguments = json.loads(line)
    print(json.dumps(globals()[task](**arguments)), flush=True)
