"""Computed tomography: filtered back-projection, its filters and weights, and matched projectors."""

from imgtech.recon.ct.fbp import backproject, fbp, to_hounsfield
from imgtech.recon.ct.fdk import fdk
from imgtech.recon.ct.filters import WINDOWS, butterworth, ramp_response, window_response
from imgtech.recon.ct.projector import Projector
from imgtech.recon.ct.weights import angular_weights
from imgtech.recon.ct.wfbp import wfbp

__all__ = [
    "WINDOWS",
    "Projector",
    "angular_weights",
    "backproject",
    "butterworth",
    "fbp",
    "fdk",
    "ramp_response",
    "to_hounsfield",
    "wfbp",
    "window_response",
]
