"""Closed-form truth: objects that give their own image, sinogram, k-space and echoes."""

from imgtech.phantoms.blurred import BlurredBars, BlurredPoint
from imgtech.phantoms.blurred_disk import BlurredDisk
from imgtech.phantoms.coils import CoilSensitivities
from imgtech.phantoms.diffuse import speckle
from imgtech.phantoms.echoes import GaussianPulse, Scatterers, wires
from imgtech.phantoms.edge import BlurredEdge
from imgtech.phantoms.head import shepp_logan
from imgtech.phantoms.library import contrast_rods, slanted_edge, uniform_disk, wire
from imgtech.phantoms.noise import complex_gaussian, poisson_transmission
from imgtech.phantoms.phantom import Phantom
from imgtech.phantoms.placed import Shape2D
from imgtech.phantoms.polygons import Polygon, Rectangle
from imgtech.phantoms.rayleigh import speckle_field
from imgtech.phantoms.shapes_2d import Ellipse, Gaussian
from imgtech.phantoms.shapes_3d import Cylinder, Ellipsoid, Shape3D

__all__ = [
    "BlurredBars",
    "BlurredDisk",
    "BlurredEdge",
    "BlurredPoint",
    "CoilSensitivities",
    "Cylinder",
    "Ellipse",
    "Ellipsoid",
    "Gaussian",
    "GaussianPulse",
    "Phantom",
    "Polygon",
    "Rectangle",
    "Scatterers",
    "Shape2D",
    "Shape3D",
    "complex_gaussian",
    "contrast_rods",
    "poisson_transmission",
    "shepp_logan",
    "slanted_edge",
    "speckle",
    "speckle_field",
    "uniform_disk",
    "wire",
    "wires",
]
