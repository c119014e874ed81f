"""Coverage of the ultrasound protocols at random poses.

``python benchmarks/protocols/poses_us.py [--only ...]``: turned by up to 5 degrees, up to 20 mm to either
side (what leaves the picture is left out of the report), mirrored or not, scales off by up to 2 %, sound
speeds of 1500 to 1560 m/s. Directly as envelopes at two noise levels, as grey levels whose scale is told
or found, and through channel data and the beamformer at two more. Truth: the closed form of the twin;
through channel data the width of one wire alone and the power that the response to one point gives. Probes in
air: lines of drawn distance and fall with weak and dead elements, a dead cable or a loose side of the lens.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests")]

from study import Case, main  # noqa: E402

from reference import us_air, us_channels, us_twins  # noqa: E402


def _case(about: str, draw: partial, protocol: str = "us-multipurpose") -> Case:
    return Case(protocol=protocol, about=about, draw=draw, measure=lambda scan: scan.measured())


def cases() -> Iterator[Case]:
    """Two depths of penetration; grey levels; channel data; a probe in air."""
    for depth in (66.0, 56.0):
        yield _case(f"noise at {depth:g} mm", partial(us_twins.drawn_us, noise_depth_mm=depth))
    for told in (True, False):
        scale = "told" if told else "found"
        draw = partial(us_twins.drawn_us_grey, noise_depth_mm=66.0, told=told)
        yield _case(f"grey levels, scale {scale}", draw)
    for depth in (60.0, 52.0):
        draw = partial(us_channels.drawn_us_channels, noise_depth_mm=depth)
        yield _case(f"channel data, noise at {depth:g} mm", draw)
    for about, draw in (("", us_air.drawn_air), ("channel data, ", us_air.drawn_air_channels)):
        for level in (62.0, 50.0):
            yield _case(f"{about}lines of {level:g} dB", partial(draw, level_db=level), "us-in-air")


if __name__ == "__main__":
    main(tuple(cases()), "poses_us")
