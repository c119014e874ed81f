"""Computed tomography: analytic and iterative reconstruction, and matched projectors."""

from imgtech.recon.ct.algebraic import cgls, os_sart, sirt
from imgtech.recon.ct.expectation import mlem, osem
from imgtech.recon.ct.fbp import backproject, fbp, to_hounsfield
from imgtech.recon.ct.fdk import fdk
from imgtech.recon.ct.filters import WINDOWS, butterworth, ramp_response, window_response
from imgtech.recon.ct.penalized import pwls, tv
from imgtech.recon.ct.projector import Projector
from imgtech.recon.ct.weights import angular_weights
from imgtech.recon.ct.wfbp import wfbp

__all__ = [
    "WINDOWS",
    "Projector",
    "angular_weights",
    "backproject",
    "butterworth",
    "cgls",
    "fbp",
    "fdk",
    "mlem",
    "os_sart",
    "osem",
    "pwls",
    "ramp_response",
    "sirt",
    "to_hounsfield",
    "tv",
    "wfbp",
    "window_response",
]
