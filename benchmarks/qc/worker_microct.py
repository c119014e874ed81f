"""Answers for peers.py; runs where micro-ct-image-quality-toolbox is installed, needs nothing of imgtech."""

import contextlib
import io
import json
import os
import sys
import warnings
from importlib.metadata import version as version_of

os.environ.setdefault("MPLBACKEND", "Agg")

import microct_iq_toolbox as toolbox
import numpy as np

warnings.filterwarnings("ignore")
ARRAYS = np.load(sys.argv[1])
HELD = {name: ARRAYS[name] for name in ARRAYS.files}


def version():
    return f"micro-ct-image-quality-toolbox {version_of('micro-ct-image-quality-toolbox')}"


def mtf(image, spacing_mm, degrees, crop):
    """With the true angle, which it needs, on an edge that gets brighter along x."""
    with contextlib.redirect_stdout(io.StringIO()):
        found = toolbox.mtf(HELD[image], crop, spacing_mm, edge_angle=degrees, high_to_low=False)
    return [float(found.summary["mtf50"]), float(found.summary["mtf10"])]


def nps(regions, spacing_mm):
    stack = HELD[regions]
    n = stack.shape[1]
    with contextlib.redirect_stdout(io.StringIO()):
        found = toolbox.nps(stack, [[0, n, 0, n]], spacing_mm)
    f, ring = np.asarray(found.x), np.asarray(found.y)
    return {"peak": float(f[np.argmax(ring)]), "level": float(np.median(ring))}


for line in sys.stdin:
    task, arguments = json.loads(line)
    print(json.dumps(globals()[task](**arguments)), flush=True)
