"""Ultrasound: channel data to beamformed images and B-mode pictures.

The way of the data: :func:`rf_to_iq`, :func:`delay_and_sum`, :func:`envelope`, :func:`log_compress`.
"""

from imgtech.recon.ultrasound.apodization import aperture_weights
from imgtech.recon.ultrasound.das import delay_and_sum
from imgtech.recon.ultrasound.delays import receive_delays, transmit_delays
from imgtech.recon.ultrasound.envelope import envelope, log_compress
from imgtech.recon.ultrasound.iq import rf_to_iq

__all__ = [
    "aperture_weights",
    "delay_and_sum",
    "envelope",
    "log_compress",
    "receive_delays",
    "rf_to_iq",
    "transmit_delays",
]
