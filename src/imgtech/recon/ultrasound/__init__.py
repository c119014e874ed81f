"""Ultrasound: channel data to beamformed images, B-mode pictures, flow and the speed of sound.

The way of the data: :func:`rf_to_iq`, :func:`delay_and_sum`, :func:`envelope`, :func:`log_compress`,
and :func:`scan_convert` for sectors.
"""

from imgtech.recon.ultrasound.adaptive import capon, coherence_factor, delay_multiply_and_sum, slsc
from imgtech.recon.ultrasound.apodization import aperture_weights
from imgtech.recon.ultrasound.chain import compress_pulse, pulse_inversion, time_gain, unalias
from imgtech.recon.ultrasound.clutter import fir_filter, polynomial_filter, svd_filter
from imgtech.recon.ultrasound.das import delay_and_sum
from imgtech.recon.ultrasound.delays import receive_delays, transmit_delays
from imgtech.recon.ultrasound.doppler import (
    DopplerMap,
    color_doppler,
    power_doppler,
    spectral_doppler,
    vector_doppler,
)
from imgtech.recon.ultrasound.envelope import envelope, log_compress
from imgtech.recon.ultrasound.iq import rf_to_iq
from imgtech.recon.ultrasound.scan_conversion import scan_convert
from imgtech.recon.ultrasound.sound_speed import SoundSpeed, estimate_sound_speed
from imgtech.recon.ultrasound.stolt import stolt_migration
from imgtech.recon.ultrasound.strain import axial_displacement, axial_strain

__all__ = [
    "DopplerMap",
    "SoundSpeed",
    "aperture_weights",
    "axial_displacement",
    "axial_strain",
    "capon",
    "coherence_factor",
    "color_doppler",
    "compress_pulse",
    "delay_and_sum",
    "delay_multiply_and_sum",
    "envelope",
    "estimate_sound_speed",
    "fir_filter",
    "log_compress",
    "polynomial_filter",
    "power_doppler",
    "pulse_inversion",
    "receive_delays",
    "rf_to_iq",
    "scan_convert",
    "slsc",
    "spectral_doppler",
    "stolt_migration",
    "svd_filter",
    "time_gain",
    "transmit_delays",
    "unalias",
    "vector_doppler",
]
