"""Foundations: kernels, checks, frozen values, optional packages, progress."""
