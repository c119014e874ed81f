"""Readers of raw scanner data."""
