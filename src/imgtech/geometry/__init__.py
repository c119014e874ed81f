"""Where things are: image grids, CT beams, k-space trajectories, ultrasound probes and waves."""

from imgtech.geometry.cone import ConeBeam
from imgtech.geometry.cone_vectors import ConeVectors
from imgtech.geometry.ct import ParallelBeam
from imgtech.geometry.epi import delayed_positions, trapezoid_positions
from imgtech.geometry.fan import FanBeam
from imgtech.geometry.grid import ImageGrid, sample_positions
from imgtech.geometry.layers import LayeredMedium
from imgtech.geometry.mri import Trajectory
from imgtech.geometry.planes import SlicePlane
from imgtech.geometry.probes import ConvexArray, ElementArray, MatrixArray
from imgtech.geometry.scan_grids import PolarGrid, ScanLines
from imgtech.geometry.spirals import spiral
from imgtech.geometry.trajectories import echo_planar, kooshball, stacked
from imgtech.geometry.transmits import Photoacoustic, PointSources, SphericalWaves
from imgtech.geometry.ultrasound import LinearArray, PlaneWaves

__all__ = [
    "ConeBeam",
    "ConeVectors",
    "ConvexArray",
    "ElementArray",
    "FanBeam",
    "ImageGrid",
    "LayeredMedium",
    "LinearArray",
    "MatrixArray",
    "ParallelBeam",
    "Photoacoustic",
    "PlaneWaves",
    "PointSources",
    "PolarGrid",
    "ScanLines",
    "SlicePlane",
    "SphericalWaves",
    "Trajectory",
    "delayed_positions",
    "echo_planar",
    "kooshball",
    "sample_positions",
    "spiral",
    "stacked",
    "trapezoid_positions",
]
