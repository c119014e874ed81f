"""Answers for beside_pylinac.py; runs in an environment with pylinac and needs nothing of imgtech."""

import json
import os
import sys
import warnings

os.environ.setdefault("MPLBACKEND", "Agg")

import pylinac

warnings.filterwarnings("ignore")


def analysed(kind, path):
    """All that the analysis of a folder finds, as plain types."""
    phantom = getattr(pylinac, kind)(path)
    phantom.analyze()
    return json.loads(json.dumps(phantom.results_data(as_dict=True), default=str))


for line in sys.stdin:
    kind, path = json.loads(line)
    try:
        answer = analysed(kind, path) if kind else pylinac.__version__
    except Exception as error:  # the benchmark writes down what the peer says
        answer = {"refused": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
