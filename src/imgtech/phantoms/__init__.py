"""Closed-form truth: objects that give their own image, sinogram, k-space and echoes."""

from imgtech.phantoms.coils import CoilSensitivities
from imgtech.phantoms.library import shepp_logan, uniform_disk
from imgtech.phantoms.phantom import Phantom
from imgtech.phantoms.shapes_2d import Ellipse, Gaussian

__all__ = ["CoilSensitivities", "Ellipse", "Gaussian", "Phantom", "shepp_logan", "uniform_disk"]
