"""Cine pictures: frames of grey levels as an animated GIF."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from imgtech._core.validate import count, each, positive, real_image, two
from imgtech.io.atomic import write_bytes

_LEVELS = 255
_LARGEST = 65535  # sides and times are stored in 16 bits


def write_gif(
    frames: npt.ArrayLike,
    path: str | Path,
    *,
    frame_rate_hz: float = 10.0,
    window: tuple[float, float] | None = None,
    zoom: tuple[int, int] = (1, 1),
) -> Path:
    """Write frames as an animated GIF of 256 grey levels that runs for ever.

    A GIF counts time in hundredths of a second: the rate is rounded to 100 Hz over a whole number, and many
    viewers play anything above 50 Hz slowly.

    Parameters
    ----------
    frames : array_like
        Real values ``(frame, y, x)``.
    path : str or pathlib.Path
        The file.
    frame_rate_hz : float, optional
        Frames a second.
    window : (float, float), optional
        The values shown as black and as white; the range of all frames by default.
    zoom : (int, int), optional
        How often each row and each column is repeated, for pixels that are not square.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        If the frames are not real and finite with three axes, or a number is out of range.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from imgtech.io import write_gif
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_gif(np.random.default_rng(1).random((3, 8, 9)), f"{folder}/a.gif").name
    'a.gif'
    """
    values = real_image("frames", frames, 3)
    down, across = (count("zoom", n) for n in two("zoom", zoom))
    low, high = (float(values.min()), float(values.max())) if window is None else each("window", window, 2)
    if window is not None and high <= low:
        raise ValueError(f"window must have black below white, got {window}")
    hundredths = max(1, round(100 / positive("frame_rate_hz", frame_rate_hz)))
    if hundredths > _LARGEST:
        raise ValueError(f"frame_rate_hz must be at least {100 / _LARGEST:.4g}, got {frame_rate_hz}")
    if max(values.shape[1] * down, values.shape[2] * across) > _LARGEST:
        raise ValueError(f"zoom must leave {_LARGEST} rows and columns at most, got {zoom}")
    span = high - low if high > low else 1.0
    grey = np.rint(np.clip((values - low) / span, 0, 1) * _LEVELS).astype(np.uint8)
    pictures = [Image.fromarray(f) for f in grey.repeat(down, axis=1).repeat(across, axis=2)]
    stream = io.BytesIO()
    pictures[0].save(
        stream,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=10 * hundredths,
        loop=0,
        optimize=False,
    )
    file = Path(path)
    write_bytes(file, stream.getvalue())
    return file
