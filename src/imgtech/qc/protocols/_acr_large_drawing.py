"""What the ACR large MRI phantom looks like: nominal sizes and the drawing of slice 1."""

from __future__ import annotations

from imgtech.qc.pose import Box, Ring

DIAMETER_MM = 190.0
RADIUS_RANGE_MM = (85.0, 105.0)
ROLES_MM = {1: 0.0, 5: 40.0, 7: 60.0, 11: 100.0}

RAMP_BLOCK = Box(center_mm=(0.0, 0.0), size_mm=(11.5, 178.6))
SLICE_1 = (
    RAMP_BLOCK,
    Box(center_mm=(38.2, -0.5), size_mm=(38.0, 113.8)),
    Ring(center_mm=(-45.1, -45.2), inner_mm=12.5, outer_mm=19.0),
    Box(center_mm=(-82.5, 0.0), size_mm=(25.0, 11.0)),
)
RAMP_ROWS_MM = (0.6, 4.6)
RAMP_REACH_MM = 80.0
RAMP_LENGTH_MM = 50.0

WEDGE_ROWS_MM = (-84.0, -76.0)
WEDGE_REACH_MM = (-82.0, -53.0)
WEDGE_OFFSET_MM = 2.9
WEDGE_WIDTH_MM = 2.4

UNIFORM_AREA_MM2 = 20_000.0
UNIFORM_SHIFT_MM = 5.0
AIR_RADIUS_MM = 10.0
AIR_GAP_MM = 18.0
GHOST_SMALLEST_MM2 = 200.0
