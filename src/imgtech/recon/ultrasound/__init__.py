"""Ultrasound beamforming."""
