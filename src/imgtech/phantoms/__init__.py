"""Closed-form truth: objects that give their own image, sinogram, k-space and echoes."""
