"""Labels of regions keep clear of one another and inside the picture."""

from __future__ import annotations

import numpy as np

from imgtech.qc import Outline, Picture
from imgtech.report.pictures import draw


def boxes(drawn):
    half = [len(o.label) * drawn.letter * 0.3 for o in drawn.outlines]
    return [
        (o.label_x - h, o.label_y - 0.8 * drawn.letter, o.label_x + h, o.label_y + 0.2 * drawn.letter)
        for o, h in zip(drawn.outlines, half, strict=True)
    ]


def test_labels_of_regions_in_one_place_do_not_cover_each_other():
    corners = ((40.0, 60.0), (40.0, 80.0), (55.0, 80.0), (55.0, 60.0))
    names = ("upper ramp", "lower ramp", "insert", "horizontal")
    outlines = tuple(Outline(points=corners, label=name) for name in names)
    drawn = draw(Picture(title="slice 1", pixels=np.eye(150), outlines=outlines))
    found = boxes(drawn)
    for i, a in enumerate(found):
        for b in found[i + 1 :]:
            assert a[2] <= b[0] + 1e-2 or b[2] <= a[0] + 1e-2 or a[3] <= b[1] + 1e-2 or b[3] <= a[1] + 1e-2


def test_labels_at_the_border_stay_in_the_picture():
    spots = ((0.0, 0.0), (0.0, 119.0), (89.0, 0.0), (89.0, 119.0))
    outlines = tuple(Outline(points=(spot, spot), label="ghost top", closed=False) for spot in spots)
    drawn = draw(Picture(title="slice 7", pixels=np.ones((90, 120)), outlines=outlines))
    for left, top, right, bottom in boxes(drawn):
        assert left >= -0.01
        assert right <= 120.01
        assert top >= 0
        assert bottom <= 90.01
