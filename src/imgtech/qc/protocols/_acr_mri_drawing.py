"""Where the ACR MRI protocols look, from the drawing of the phantom."""

from __future__ import annotations

from imgtech.phantoms.twins import AcrMriDrawing
from imgtech.qc.pose import Box, Ring

RADIUS_MARGIN_MM = 10.0
RAMP_ROWS_MM = (0.6, 4.6)
RAMP_LENGTH_MM = 50.0
_BLOCK_END_MM = 9.3
_NOTCH_MM = (25.0, 11.0)

WEDGE_OFFSET_MM = 2.9
WEDGE_WIDTH_MM = 2.4

UNIFORM_SHIFT_MM = 5.0
AIR_RADIUS_MM = 10.0
AIR_GAP_MM = 10.0
AIR_EDGE_MM = 3.0
GHOST_SMALLEST_MM2 = 200.0


def slice_1(drawing: AcrMriDrawing) -> tuple[Box | Ring, ...]:
    """What is dark in slice 1."""
    inner, outer = drawing.ring_radii_mm
    return (
        Box(center_mm=drawing.block_center_mm, size_mm=drawing.block_size_mm),
        Box(center_mm=drawing.insert_center_mm, size_mm=drawing.insert_size_mm),
        Ring(center_mm=drawing.ring_center_mm, inner_mm=inner, outer_mm=outer),
        Box(center_mm=(-drawing.radius_mm + _NOTCH_MM[0] / 2, 0.0), size_mm=_NOTCH_MM),
    )


def radius_range_mm(drawing: AcrMriDrawing) -> tuple[float, float]:
    """Radii of a disk that can be this phantom, halfway to the other model or 10 mm."""
    margin = RADIUS_MARGIN_MM if drawing.model == "large" else 0.55 * RADIUS_MARGIN_MM
    return drawing.radius_mm - RADIUS_MARGIN_MM, drawing.radius_mm + margin


def ramp_reach_mm(drawing: AcrMriDrawing) -> float:
    """How far from the middle the ramps are read."""
    return drawing.block_size_mm[1] / 2 - _BLOCK_END_MM


def wedge_rows_mm(drawing: AcrMriDrawing) -> tuple[float, float]:
    """Where the bars are dark whatever the position of the slice."""
    top, length = drawing.bars_top_mm, drawing.bars_length_mm
    return top + 0.32 * length, top + 0.58 * length


def wedge_reach_mm(drawing: AcrMriDrawing) -> tuple[float, float]:
    """Where the end of a bar is looked for."""
    top, length = drawing.bars_top_mm, drawing.bars_length_mm
    return top + 0.39 * length, top + length + 10.0
