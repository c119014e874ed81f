"""Pictures inside a page: grey values as PNG, regions as vector outlines over them."""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import real_image
from imgtech.qc import Picture

_Box = tuple[float, float, float, float]
_SHOWN_PX = 320.0  # width on the page that line widths and letters are chosen for


@dataclass(frozen=True, kw_only=True)
class DrawnOutline:
    """An outline in the coordinates of an SVG view box, with the place of its label."""

    points: str
    closed: bool
    label: str
    label_x: float
    label_y: float


@dataclass(frozen=True, kw_only=True)
class DrawnPicture:
    """Everything the page template needs to show a picture."""

    title: str
    uri: str
    width: int
    height: int
    letter: float
    outlines: tuple[DrawnOutline, ...]


def png_bytes(pixels: npt.NDArray[Any], window: tuple[float, float] | None = None) -> bytes:
    """Encode an image as an 8-bit grey PNG file.

    Parameters
    ----------
    pixels : numpy.ndarray
        Real grey values ``(y, x)``.
    window : tuple of float, optional
        The values shown as black and as white; the range of the image by default.

    Returns
    -------
    bytes
        The file's content.

    Raises
    ------
    ValueError
        If the pixels are not a finite real image or the window is empty.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.report import png_bytes
    >>> png_bytes(np.eye(4))[:4]
    b'\\x89PNG'
    """
    image = real_image("pixels", pixels, 2).astype(np.float64)
    black, white = (float(image.min()), float(image.max())) if window is None else window
    if window is not None and not black < white:
        raise ValueError(f"window must go from a lower to a higher value, got {window}")
    scale = 255 / (white - black) if white > black else 0.0
    grey = np.clip(np.rint((image - black) * scale), 0, 255).astype(np.uint8)
    rows = np.zeros((grey.shape[0], grey.shape[1] + 1), np.uint8)  # each row starts with its filter, 0
    rows[:, 1:] = grey
    header = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def draw(picture: Picture) -> DrawnPicture:
    """Turn a picture of a report into what the page shows."""
    encoded = base64.b64encode(png_bytes(picture.pixels, picture.window)).decode("ascii")
    height, width = picture.pixels.shape
    letter = 11 * max(width, height) / _SHOWN_PX
    outlines, taken = [], list[_Box]()
    for outline in picture.outlines:
        corners = np.asarray(outline.points, dtype=float) + 0.5  # pixel centres lie at half in the view box
        x, y = _free_place(corners, outline.label, letter, (height, width), taken)
        outlines.append(
            DrawnOutline(
                points=" ".join(f"{column:.2f},{row:.2f}" for row, column in corners),
                closed=outline.closed,
                label=outline.label,
                label_x=round(x, 2),
                label_y=round(y, 2),
            )
        )
    return DrawnPicture(
        title=picture.title,
        uri=f"data:image/png;base64,{encoded}",
        width=width,
        height=height,
        letter=round(letter, 2),
        outlines=tuple(outlines),
    )


def _free_place(
    corners: npt.NDArray[np.float64], label: str, letter: float, shape: tuple[int, int], taken: list[_Box]
) -> tuple[float, float]:
    """Middle of the base line of a label: above its region if that is free, else below, else further down."""
    half = len(label) * letter * 0.3
    x = float(np.clip(corners[:, 1].mean(), half, max(half, shape[1] - half)))
    top, bottom = float(corners[:, 0].min()), float(corners[:, 0].max())
    wanted = [top - 0.35 * letter, bottom + letter]
    wanted += [y + step * letter for step in range(1, 12) for y in wanted[:2]]
    places = [y for y in wanted if letter <= y <= shape[0] - 0.2 * letter] or [letter]
    boxes = [(x - half, y - 0.8 * letter, x + half, y + 0.2 * letter) for y in places]
    free = [i for i, box in enumerate(boxes) if not any(_overlap(box, other) for other in taken)]
    chosen = free[0] if free else 0
    if label:
        taken.append(boxes[chosen])
    return x, places[chosen]


def _overlap(a: _Box, b: _Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
