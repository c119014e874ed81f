"""Ultrasound multi-purpose phantoms: wires, cysts and grey-scale targets in speckle."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from imgtech._core.validate import count, one_of, positive
from imgtech.io import Series
from imgtech.phantoms.twins import UsDrawing, us_drawing
from imgtech.qc.limits import read_limit_table, with_limits
from imgtech.qc.protocols._flat_pictures import path, ring
from imgtech.qc.protocols._items import measured
from imgtech.qc.protocols._us_items import LEAST_PLAIN, SHADOW_DB, UsScene, us_items
from imgtech.qc.protocols._us_pose import find_phantom
from imgtech.qc.protocols._us_scale import Envelopes, cropped, scaled_by, us_envelopes
from imgtech.qc.report import Outline, Picture, Report

Floats = npt.NDArray[np.float64]

US_EDITIONS = {"1998": "aapm-us-1998"}
_SHOWN_DB = 60.0


def us_multipurpose(
    series: Series,
    *,
    repeat: Series | None = None,
    noise: Series | None = None,
    edition: str = "1998",
    drawing: UsDrawing | None = None,
    db_per_level: float | None = None,
    scanner_speed_m_s: float = 1540.0,
    phantom_speed_m_s: float | None = None,
    frame: int | None = None,
) -> Report:
    """Measure an image of an ultrasound phantom of wires, cysts and grey-scale targets.

    The phantom is found by its wires, shifted, turned by up to 20 degrees, mirrored or not. A series of whole
    numbers from 0 to 255 holds grey levels of a logarithmic scale, any other an envelope, such as that of
    :func:`imgtech.recon.ultrasound.envelope` with :func:`imgtech.io.series_from_grid`.

    Parameters
    ----------
    series : Series
        One image, depth along y.
    repeat : Series, optional
        The same once more with nothing moved: depth of penetration from what repeats.
    noise : Series, optional
        The same settings without echoes (transmission off): depth of penetration from the noise.
    edition : {"1998"}, optional
        Whose levels are shown.
    drawing : UsDrawing, optional
        The phantom; :func:`imgtech.phantoms.twins.us_drawing` by default.
    db_per_level : float, optional
        Decibels of one grey level, 60/255 for a dynamic range of 60 dB. Found from the speckle where not
        given; speckle SNR and CNR are then refused.
    scanner_speed_m_s : float, optional
        Speed of sound that the scanner, or beamformer, reckons with.
    phantom_speed_m_s : float, optional
        Speed of sound in the phantom; that of the drawing by default.
    frame : int, optional
        Which frame of a cine, counted from 0; of ``repeat`` and ``noise`` as well.

    Returns
    -------
    Report
        Roll, distance errors, widths of the wires against depth, contrast, CNR and gCNR of every target,
        speckle SNR, lateral non-uniformity, shadows, depth of penetration; with a picture.

    Raises
    ------
    ValueError
        If the series is not ultrasound, the phantom is not found, images do not fit together, or an argument
        is out of range.

    Notes
    -----
    ``docs/protocols/us-multipurpose.md`` says what is allowed and how to read the numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from imgtech.geometry import ImageGrid
    >>> from imgtech.io import series_from_grid
    >>> from imgtech.phantoms.twins import Placement, UsTwin
    >>> from imgtech.qc.protocols import us_multipurpose
    >>> grid = ImageGrid(shape=(720, 240), spacing_mm=(0.1, 0.23), center_mm=(37.0, 0.0))
    >>> place = Placement(center_mm=(1.0, -5.0), roll_rad=0.03)
    >>> envelope = UsTwin().images(grid, placement=place, rng=np.random.default_rng(1))[0]
    >>> report = us_multipurpose(series_from_grid(envelope, grid, modality="US"))
    >>> abs(report["lateral width at 40 mm"].value - 0.9) < 0.1
    True
    """
    table = US_EDITIONS[one_of("edition", edition, tuple(US_EDITIONS))]
    plan = us_drawing() if drawing is None else drawing
    scanner = positive("scanner_speed_m_s", scanner_speed_m_s)
    inside = positive(
        "phantom_speed_m_s", plan.sound_speed_m_s if phantom_speed_m_s is None else phantom_speed_m_s
    )
    series = one_frame(series, frame)
    others = [one_frame(s, frame) for s in (repeat, noise) if s is not None]
    check_us(series, others)

    def found(envelopes: Envelopes) -> UsScene:
        return UsScene(
            envelopes=envelopes,
            pose=find_phantom(envelopes.images[0], envelopes.grid, envelopes.seen, plan, scanner / inside),
            drawing=plan,
            scanner_speed_m_s=scanner,
            phantom_speed_m_s=inside,
            has_repeat=repeat is not None,
            noise=None if noise is None else envelopes.images[-1],
        )

    scene = found(cropped(us_envelopes(series, others, db_per_level)))
    if scene.envelopes.from_speckle:
        scene = found(scaled_by(scene.envelopes, scene.plain))
    report = Report(
        protocol="us-multipurpose",
        edition=edition,
        measurements=measured(us_items(scene)),
        subject={
            "phantom": plan.name,
            **{key.replace("_", " "): str(value) for key, value in series.tags.known().items()},
        },
        pictures=(_picture(scene),),
        notes=(*series.notes, *_notes(scene)),
    )
    limits = read_limit_table(table)
    items = {m.name for m in report.measurements}
    rows = {name: limits["horizontal distance error"] for name in items if name.startswith("horizontal")}
    return with_limits(report, {**{n: v for n, v in limits.items() if n in items}, **rows})


def one_frame(series: Series, frame: int | None) -> Series:
    """One frame of a cine, or the series as it is where none is named or it holds but one."""
    if frame is None:
        return series
    k = count("frame", frame, 0)
    n = len(series.pixels)
    if n == 1:
        return series
    if k >= n:
        raise ValueError(f"frame must be one of 0 to {n - 1}, got {k}")
    return dataclasses.replace(
        series, pixels=series.pixels[k : k + 1], positions_mm=series.positions_mm[k : k + 1]
    )


def check_us(series: Series, others: list[Series]) -> None:
    """Refuse what is not one ultrasound image, or images that differ in size or place."""
    for one in (series, *others):
        if one.modality != "US":
            raise ValueError(f"series must be ultrasound (US), got modality {one.modality!r}")
        if len(one.pixels) != 1:
            raise ValueError(
                f"series must hold one image, got {len(one.pixels)}; of a cine say which frame is meant"
            )
        if one.pixels.shape != series.pixels.shape or one.spacing_mm != series.spacing_mm:
            raise ValueError(
                f"images must have one size and spacing, got {one.pixels.shape[1:]} of {one.spacing_mm} mm "
                f"and {series.pixels.shape[1:]} of {series.spacing_mm} mm"
            )


def _notes(scene: UsScene) -> list[str]:
    envelopes, drawing, notes = scene.envelopes, scene.drawing, []
    if envelopes.db_per_level is None:
        notes.append("the series holds an envelope")
    elif envelopes.from_speckle:
        notes.append(
            f"grey scale from the speckle: {envelopes.db_per_level:.4f} dB a level within "
            f"{100 * envelopes.relative_uncertainty:.1f} %, {255 * envelopes.db_per_level:.0f} dB in all"
        )
    else:
        notes.append(f"grey scale as told: {envelopes.db_per_level:.4f} dB a level")
    notes.append(
        f"speed of sound: scanner {scene.scanner_speed_m_s:g} m/s, phantom {scene.phantom_speed_m_s:g} m/s"
    )
    if scene.sector:
        notes.append(
            "the picture is a sector: widths are those along rows and columns, across and along the beams "
            "only near its middle; what is counted along columns is refused"
        )
    if scene.pose.mirrored:
        notes.append("left and right are exchanged against the drawing")
    wires = [drawing.wires_mm[i] for i in np.flatnonzero(~scene.wires_shown)]
    targets = [t.center_mm for t, shown in zip(drawing.targets, scene.shown, strict=True) if not shown]
    for what, places in (("wires", wires), ("targets", targets)):
        if places:
            named = ", ".join(f"({v:g}, {u:g})" for v, u in places)
            notes.append(f"{what} outside the picture, left out: {named} mm deep and across")
    if scene.uniform_shown < LEAST_PLAIN:
        notes.append("the plain part of the phantom lies outside the picture: speckle SNR left out")
    return notes


def _picture(scene: UsScene) -> Picture:
    grid, pose = scene.grid, scene.pose
    shown = 20 * np.log10(np.maximum(scene.image / scene.image.max(), 10 ** (-_SHOWN_DB / 20)))
    outlines: list[Outline] = []
    for index, wire in sorted(pose.wires.items()):
        y, x = wire.axial_position.value or 0.0, wire.lateral_position.value or 0.0
        v = scene.drawing.wires_mm[index][0]
        corners = [(y - 2.0, x - 2.5), (y - 2.0, x + 2.5), (y + 2.0, x + 2.5), (y + 2.0, x - 2.5)]
        outlines.append(path(grid, corners, f"{v:g}"))
    for target, inside in zip(scene.drawing.targets, scene.shown, strict=True):
        if inside:
            y, x = (float(c) for c in pose.to_image([target.center_mm])[0])
            outlines.append(ring(grid, (y, x), 0.7 * target.radius_mm, target.kind))
    return Picture(
        title=f"envelope in dB; shadows are strips below {SHADOW_DB:g} dB",
        pixels=shown.astype(np.float32),
        outlines=tuple(outlines),
        window=(-_SHOWN_DB, 0.0),
    )
