"""Digital twins of phantoms, from the makers' drawings: every quantity known, at any pose."""

from imgtech.phantoms.twins.acr_ct import AcrCtDrawing, acr_ct, acr_ct_drawing, water_phantom
from imgtech.phantoms.twins.acr_mri import (
    AcrMriDrawing,
    acr_mri,
    acr_mri_drawing,
    array_holes,
    spoke_centers,
)
from imgtech.phantoms.twins.catphan import CatPhanDrawing, catphan, catphan_drawing
from imgtech.phantoms.twins.drawings import BarGroup, ContrastRod, Insert, Module
from imgtech.phantoms.twins.emission import blurred_ball, jaszczak, nema_body
from imgtech.phantoms.twins.flat import FlatBar, FlatDisk, FlatTwin
from imgtech.phantoms.twins.gamma import four_slits, gamma_counts, gamma_field, quadrant_bars
from imgtech.phantoms.twins.mr_planes import ScanPlane, plane_image, plane_section
from imgtech.phantoms.twins.mr_solids import Cylinder, MrSolid, RampSlot, Slab, WedgeBar
from imgtech.phantoms.twins.mr_twin import MrTwin, cosine_shading
from imgtech.phantoms.twins.noise import ct_noise_images, ct_noise_spectrum, disk_mean_deviation
from imgtech.phantoms.twins.placement import Placement, SlicePlace
from imgtech.phantoms.twins.planar import (
    LineGroup,
    Patch,
    PlanarDrawing,
    edge_plate,
    leeds_tor18,
    planar_drawing,
    qc3,
)
from imgtech.phantoms.twins.solids import Bead, Block, Rod, Solid, Wire, blurred_disk
from imgtech.phantoms.twins.twin import Twin, with_ring
from imgtech.phantoms.twins.us_air import UsAirTwin
from imgtech.phantoms.twins.us_drawing import UsDrawing, UsTarget, us_drawing
from imgtech.phantoms.twins.us_twin import UsTwin

__all__ = [
    "AcrCtDrawing",
    "AcrMriDrawing",
    "BarGroup",
    "Bead",
    "Block",
    "CatPhanDrawing",
    "ContrastRod",
    "Cylinder",
    "FlatBar",
    "FlatDisk",
    "FlatTwin",
    "Insert",
    "LineGroup",
    "Module",
    "MrSolid",
    "MrTwin",
    "Patch",
    "Placement",
    "PlanarDrawing",
    "RampSlot",
    "Rod",
    "ScanPlane",
    "Slab",
    "SlicePlace",
    "Solid",
    "Twin",
    "UsAirTwin",
    "UsDrawing",
    "UsTarget",
    "UsTwin",
    "WedgeBar",
    "Wire",
    "acr_ct",
    "acr_ct_drawing",
    "acr_mri",
    "acr_mri_drawing",
    "array_holes",
    "blurred_ball",
    "blurred_disk",
    "catphan",
    "catphan_drawing",
    "cosine_shading",
    "ct_noise_images",
    "ct_noise_spectrum",
    "disk_mean_deviation",
    "edge_plate",
    "four_slits",
    "gamma_counts",
    "gamma_field",
    "jaszczak",
    "leeds_tor18",
    "nema_body",
    "planar_drawing",
    "plane_image",
    "plane_section",
    "qc3",
    "quadrant_bars",
    "spoke_centers",
    "us_drawing",
    "water_phantom",
    "with_ring",
]
