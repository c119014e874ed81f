"""Answers for beside_hazen.py; runs in an environment with hazen and needs nothing of imgtech."""

import importlib
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
warnings.filterwarnings("ignore")
answers, sys.stdout = sys.stdout, sys.stderr
os.chdir(tempfile.mkdtemp())  # the peer writes a log where it is

from hazenlib.logger import logger  # noqa: E402

logger.setLevel(logging.CRITICAL)
TASKS = {
    "acr_slice_thickness": "ACRSliceThickness",
    "acr_slice_position": "ACRSlicePosition",
    "acr_geometric_accuracy": "ACRGeometricAccuracy",
    "acr_uniformity": "ACRUniformity",
    "acr_ghosting": "ACRGhosting",
    "acr_snr": "ACRSNR",
    "acr_spatial_resolution": "ACRSpatialResolution",
    "acr_low_contrast_object_detectability": "ACRLowContrastObjectDetectability",
}


def answer(path):
    """What every task finds in a folder, with its seconds; the words of those that end in an error."""
    found = {}
    files = [str(file) for file in sorted(Path(path).iterdir())]
    with tempfile.TemporaryDirectory() as folder:
        for module, name in TASKS.items():
            start = time.perf_counter()
            try:
                task = getattr(importlib.import_module(f"hazenlib.tasks.{module}"), name)
                result = task(input_data=files, report=False, report_dir=folder).run()
                whole = [m for m in result.measurements if "spoke" not in m.subtype]
                values = [[m.subtype, m.description, m.value] for m in whole]
            except Exception as error:  # the benchmark writes down what the peer says
                values = f"{type(error).__name__}: {error}"
            found[module] = {"values": values, "seconds": time.perf_counter() - start}
    return found


for line in sys.stdin:
    kind, path = json.loads(line)
    print(json.dumps(answer(path) if kind else version("hazen"), default=str), file=answers, flush=True)
