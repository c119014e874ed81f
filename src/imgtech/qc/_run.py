"""A protocol by name on a file or folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from imgtech._core.validate import one_of
from imgtech.io import Series, SeriesInfo, list_series, read_series
from imgtech.qc.decision import DecisionRule
from imgtech.qc.decision import decision_rule as rule_by_name
from imgtech.qc.limits import read_baselines, with_limits
from imgtech.qc.protocols._acr_mri_limits import EDITIONS as ACR_MRI_EDITIONS
from imgtech.qc.protocols._acr_mri_scan import find_phantom
from imgtech.qc.protocols.acr_ct import ACR_CT_EDITIONS, acr_ct
from imgtech.qc.protocols.acr_mri_large import acr_mri_large
from imgtech.qc.protocols.acr_mri_medium import acr_mri_medium
from imgtech.qc.protocols.catphan import CATPHAN_EDITIONS, catphan
from imgtech.qc.protocols.ct_water import CT_WATER_EDITIONS, ct_water
from imgtech.qc.protocols.gamma_bars import GAMMA_BARS_EDITIONS, gamma_bars
from imgtech.qc.protocols.gamma_flood import GAMMA_FLOOD_EDITIONS, gamma_flood
from imgtech.qc.protocols.mr_epi_stability import MR_EPI_EDITIONS, mr_epi_stability
from imgtech.qc.protocols.mr_magnet import MR_MAGNET_EDITIONS, mr_magnet
from imgtech.qc.protocols.mr_snr_nema import MR_SNR_EDITIONS, mr_snr_nema
from imgtech.qc.protocols.pet_nema_iq import (
    JASZCZAK_EDITIONS,
    PET_EDITIONS,
    gamma_jaszczak,
    pet_nema_iq,
)
from imgtech.qc.protocols.planar_xray import PLANAR_EDITIONS, PLANAR_MODALITIES, planar_xray
from imgtech.qc.protocols.site import SITE_EDITIONS, site
from imgtech.qc.protocols.us_in_air import US_AIR_EDITIONS, us_in_air
from imgtech.qc.protocols.us_multipurpose import US_EDITIONS, us_multipurpose
from imgtech.qc.report import Report
from imgtech.qc.site_phantom import read_site_phantom


@dataclass(frozen=True, kw_only=True)
class _Protocol:
    """``measure`` is called with the scan, ``edition`` and, where it takes them, ``repeat`` and settings.

    ``find`` raises a ValueError where a series does not show the phantom; it chooses between several.
    """

    editions: tuple[str, ...]
    modalities: tuple[str, ...]
    n_images: tuple[int, int]
    measure: Callable[..., Report]
    takes_repeat: bool = False
    takes_localizer: bool = False
    find: Callable[[Series], object] | None = None
    in_time: bool = False
    settings: tuple[str, ...] = ()
    takes_phantom: bool = False


_STACK = (5, 10_000)
_FEWEST_SLICES = 4
_MOST_SAGITTAL = 60
_PROTOCOLS = {
    "acr-mri-large": _Protocol(
        editions=ACR_MRI_EDITIONS["large"],
        modalities=("MR",),
        n_images=(11, 11),
        measure=acr_mri_large,
        takes_repeat=True,
        takes_localizer=True,
        find=partial(find_phantom, model="large"),
    ),
    "acr-mri-medium": _Protocol(
        editions=ACR_MRI_EDITIONS["medium"],
        modalities=("MR",),
        n_images=(11, 11),
        measure=acr_mri_medium,
        takes_repeat=True,
        takes_localizer=True,
        find=partial(find_phantom, model="medium"),
    ),
    "mr-snr-nema": _Protocol(
        editions=MR_SNR_EDITIONS,
        modalities=("MR",),
        n_images=(1, 100),
        measure=mr_snr_nema,
        takes_repeat=True,
    ),
    "mr-magnet": _Protocol(
        editions=MR_MAGNET_EDITIONS,
        modalities=("MR",),
        n_images=(1, 100),
        measure=mr_magnet,
        takes_repeat=True,
    ),
    "mr-epi-stability": _Protocol(
        editions=MR_EPI_EDITIONS,
        modalities=("MR",),
        n_images=(14, 100_000),
        measure=mr_epi_stability,
        in_time=True,
    ),
    "acr-ct": _Protocol(
        editions=tuple(ACR_CT_EDITIONS),
        modalities=("CT",),
        n_images=_STACK,
        measure=acr_ct,
    ),
    "ct-water": _Protocol(
        editions=tuple(CT_WATER_EDITIONS),
        modalities=("CT",),
        n_images=(1, 10_000),
        measure=ct_water,
    ),
    "gamma-flood": _Protocol(
        editions=tuple(GAMMA_FLOOD_EDITIONS),
        modalities=("NM",),
        n_images=(1, 8),
        measure=gamma_flood,
    ),
    "gamma-bars": _Protocol(
        editions=GAMMA_BARS_EDITIONS,
        modalities=("NM",),
        n_images=(1, 1),
        measure=gamma_bars,
    ),
    "pet-nema-iq": _Protocol(
        editions=PET_EDITIONS,
        modalities=("PT",),
        n_images=(10, 10_000),
        measure=pet_nema_iq,
    ),
    "gamma-jaszczak": _Protocol(
        editions=JASZCZAK_EDITIONS,
        modalities=("NM",),
        n_images=(10, 10_000),
        measure=gamma_jaszczak,
    ),
    "planar-xray": _Protocol(
        editions=PLANAR_EDITIONS,
        modalities=PLANAR_MODALITIES,
        n_images=(1, 1),
        measure=planar_xray,
    ),
    "us-in-air": _Protocol(
        editions=US_AIR_EDITIONS,
        modalities=("US",),
        n_images=(1, 1),
        measure=us_in_air,
        settings=("n_elements", "weak_db", "dead_db", "db_per_level"),
    ),
    "site": _Protocol(
        editions=SITE_EDITIONS,
        modalities=(),
        n_images=(1, 10_000),
        measure=site,
        takes_repeat=True,
        takes_phantom=True,
    ),
    "us-multipurpose": _Protocol(
        editions=tuple(US_EDITIONS),
        modalities=("US",),
        n_images=(1, 1),
        measure=us_multipurpose,
        takes_repeat=True,
        settings=("db_per_level", "scanner_speed_m_s", "phantom_speed_m_s"),
    ),
    **{
        f"catphan-{model}": _Protocol(
            editions=tuple(CATPHAN_EDITIONS),
            modalities=("CT",),
            n_images=_STACK,
            measure=partial(catphan, model=model),
        )
        for model in ("504", "600", "604")
    },
}


def list_protocols() -> Mapping[str, tuple[str, ...]]:
    """Name the phantom protocols and their editions.

    Returns
    -------
    mapping of str to tuple of str
        Editions by protocol, oldest first; the last is the default.

    Examples
    --------
    >>> from imgtech import qc
    >>> qc.list_protocols()["acr-mri-large"]
    ('2015', '2022')
    """
    return {name: protocol.editions for name, protocol in _PROTOCOLS.items()}


def run(
    path: str | Path,
    *,
    protocol: str,
    edition: str | None = None,
    series: str | None = None,
    echo_time_ms: float | None = None,
    decision_rule: str | DecisionRule = "simple-acceptance",
    baselines: str | Path | None = None,
    repeat: str | Path | None = None,
    localizer: str | Path | None = None,
    settings: Mapping[str, float] | None = None,
    phantom: str | Path | None = None,
) -> Report:
    """Read a scan and measure it by a phantom protocol.

    Where a folder holds several stacks of images, also of one series, the one with the modality and the
    number of images that the protocol expects is taken. If several fit, or none, the ACR MRI protocols look
    into the stacks and take the one that shows the phantom; if there is more than one of those, ``series``
    (and ``echo_time_ms``, for a double echo) must choose. Where the protocol can use the same scan twice, the two
    only series that fit are taken for the scan and its repetition if they have the same description. Where
    it can use a sagittal localizer, that is taken from the same folder. The notes say what was chosen.

    Parameters
    ----------
    path : str or pathlib.Path
        A DICOM file or a folder of them.
    protocol : str
        One of :func:`list_protocols`.
    edition : str, optional
        Edition whose limits apply; the latest by default.
    series : str, optional
        Series number or UID.
    echo_time_ms : float, optional
        Echo time.
    decision_rule : str or DecisionRule, optional
        How uncertainty enters the verdicts: a name of :func:`list_decision_rules` or a rule of your own.
    baselines : str or pathlib.Path, optional
        A site's own limits, see :func:`imgtech.qc.limits.read_baselines`; they replace those of the edition.
    repeat : str or pathlib.Path, optional
        File or folder of the same scan once more, for protocols that take the noise from two scans.
    localizer : str or pathlib.Path, optional
        File or folder of the sagittal localizer, where it does not lie in the same folder, for protocols that
        measure a length on it.
    settings : mapping of str to float, optional
        Numbers that the files do not tell, by the name of the argument of the protocol's function, such as
        ``phantom_speed_m_s``.
    phantom : str or pathlib.Path, optional
        YAML file that describes a site's own phantom, for the protocol ``site``; see
        :func:`imgtech.qc.site_phantom.read_site_phantom`.

    Returns
    -------
    Report
        The measurements with their verdicts.

    Raises
    ------
    ValueError
        If the protocol, edition, decision rule or a setting is unknown, the files cannot be read, or they
        do not show the phantom.

    Examples
    --------
    >>> from imgtech import qc
    >>> qc.run("no-such-folder", protocol="acr-mri-large")
    Traceback (most recent call last):
        ...
    ValueError: no-such-folder does not exist
    """
    known = _PROTOCOLS[one_of("protocol", protocol, tuple(_PROTOCOLS))]
    rule = rule_by_name(decision_rule)
    own = read_baselines(baselines) if baselines is not None else None
    chosen = known.editions[-1] if edition is None else one_of("edition", edition, known.editions)
    if known.takes_phantom != (phantom is not None):
        must = "must be given with" if known.takes_phantom else "must not be given with"
        raise ValueError(f"phantom {must} the protocol {protocol}, got {phantom}")
    if phantom is not None:
        described = read_site_phantom(phantom)
        known = replace(
            known, modalities=(described.modality,), measure=partial(known.measure, phantom=described)
        )
    if repeat is not None and not known.takes_repeat:
        raise ValueError(f"repeat must not be given: {protocol} has no use for a second scan, got {repeat}")
    more: dict[str, Any] = dict(settings or {})
    for name in more:
        if name not in known.settings:
            takes = ", ".join(known.settings) or "no settings"
            raise ValueError(f"settings must not hold {name!r}: {protocol} takes {takes}")
    if localizer is not None and not known.takes_localizer:
        raise ValueError(
            f"localizer must not be given: {protocol} has no use for a sagittal localizer, got {localizer}"
        )
    found = list_series(path)
    asked = _asked_for(found, series, echo_time_ms)
    everything = series is None and echo_time_ms is None
    pair = _same_twice(found, known) if everything and repeat is None else ()
    wanted, said = _with_note(pair[0], found) if pair else _best(path, asked, known)
    if wanted is None:
        scan = read_series(
            path, series=series, echo_time_ms=echo_time_ms, allow_gaps=True, repeats=known.in_time
        )
    else:
        scan = read_series(path, series=wanted, allow_gaps=True, repeats=known.in_time)
    if pair:
        more["repeat"] = read_series(path, series=pair[1], allow_gaps=True, repeats=known.in_time)
    elif repeat is not None:
        again, _ = _best(repeat, _asked_for(list_series(repeat), None, None), known)
        more["repeat"] = read_series(repeat, series=again, allow_gaps=True, repeats=known.in_time)
    if known.takes_localizer:
        more["localizer"], passed_over = _localizers(path if localizer is None else localizer, scan, known)
        said = (*said, *passed_over)
        if localizer is not None and not more["localizer"]:
            raise ValueError(f"localizer must hold a sagittal MR image, got {localizer}")
    scan = replace(scan, notes=(*said, *scan.notes))
    report = known.measure(scan, edition=chosen, **more)
    return (report if own is None else with_limits(report, own)).decided_by(rule)


_Wanted = SeriesInfo | tuple[SeriesInfo, ...] | None


def _asked_for(
    found: tuple[SeriesInfo, ...], series: str | None, echo_time_ms: float | None
) -> tuple[SeriesInfo, ...]:
    """Stacks of images of the series and the echo that were asked for."""
    return tuple(
        s
        for s in found
        if s.n_images
        and (series is None or series in (s.tags.series_number, s.tags.series_uid))
        and (echo_time_ms is None or abs((s.tags.echo_time_ms or 0.0) - echo_time_ms) < 0.05)
    )


def _best(
    path: str | Path, found: tuple[SeriesInfo, ...], known: _Protocol
) -> tuple[_Wanted, tuple[str, ...]]:
    """The only stack that fits or shows the phantom, or the parts of one; nothing where several do."""
    if len(found) == 1:
        return found[0], ()
    fits = _fitting(found, known)
    parts = () if fits else _parts(found, known)
    if parts:
        numbers = ", ".join(p.tags.series_number or "without a number" for p in parts)
        return parts, (f"the slices of series {numbers} are taken as one scan",)
    right = tuple(s for s in found if s.modality in known.modalities)
    long = tuple(s for s in right if s.n_images >= _FEWEST_SLICES)
    if known.find is not None and (len(fits) != 1 or len(long) > 1):
        shown = tuple(s for s in long if _shows(path, s, known.find))
        fits = tuple(s for s in fits if s in shown) or shown
        if len(fits) > 1:
            names = "; ".join(_named(s) for s in fits)
            raise ValueError(f"{path} holds {len(fits)} stacks that show the phantom, choose one: {names}")
        if len({s.plane for s in right}) > 1 and not long:  # a three-plane localizer, refused by name
            return max(right, key=lambda s: s.n_images), ()
    return _with_note(fits[0], found) if len(fits) == 1 else (None, ())


def _shows(path: str | Path, info: SeriesInfo, find: Callable[[Series], object]) -> bool:
    try:
        find(read_series(path, series=info, allow_gaps=True))
    except ValueError:
        return False
    return True


def _localizers(place: str | Path, scan: Series, known: _Protocol) -> tuple[list[Series], tuple[str, ...]]:
    """Sagittal magnitude images beside the scan, and notes on those that cannot be read."""
    read, notes = [], []
    for info in list_series(place):
        fits = info.modality in known.modalities and 0 < info.n_images <= _MOST_SAGITTAL
        if not fits or info.plane != "sagittal" or info.component != "M":
            continue
        try:
            one = read_series(place, series=info, allow_gaps=True)
        except ValueError as error:
            notes.append(f"{info} is no localizer: {error}")
        else:
            if not (one.tags.series_uid == scan.tags.series_uid and one.orientation == scan.orientation):
                read.append(one)
    return read, tuple(notes)


def _named(info: SeriesInfo) -> str:
    return f"{info}, {info.plane}" if info.plane else str(info)


def _with_note(info: SeriesInfo, found: tuple[SeriesInfo, ...]) -> tuple[_Wanted, tuple[str, ...]]:
    note = f"of {len(found)} stacks of images, {_named(info)} is measured" if len(found) > 1 else ""
    return info, (note,) if note else ()


def _parts(found: tuple[SeriesInfo, ...], known: _Protocol) -> tuple[SeriesInfo, ...]:
    """Stacks that are too short, alike in all but their slices, and long enough together."""
    low, high = known.n_images
    short = [s for s in found if s.modality in known.modalities and 0 < s.n_images < low]
    if not short:
        return ()

    def kind(info: SeriesInfo) -> tuple[object, ...]:
        name = _without_number(info.tags.series_description or info.tags.protocol_name or "")
        turned = None if info.orientation is None else tuple(round(c, 3) + 0.0 for c in info.orientation)
        return info.shape, info.spacing_mm, info.tags.echo_time_ms, info.tags.sequence_name, name, turned

    groups: dict[tuple[object, ...], list[SeriesInfo]] = {}
    for info in short:
        groups.setdefault(kind(info), []).append(info)
    whole = [g for g in groups.values() if len(g) > 1 and low <= sum(s.n_images for s in g) <= high]
    return tuple(whole[0]) if len(whole) == 1 else ()


def _same_twice(found: tuple[SeriesInfo, ...], known: _Protocol) -> tuple[SeriesInfo, ...]:
    """The two only stacks that fit, if they are the same scan twice; nothing otherwise."""
    fits = _fitting(found, known)
    if not known.takes_repeat or len(fits) != 2:
        return ()
    one, two = fits
    alike = (one.n_images, one.shape, one.tags.sequence_name) == (
        two.n_images,
        two.shape,
        two.tags.sequence_name,
    )
    alike &= one.tags.echo_time_ms == two.tags.echo_time_ms and one.tags.series_uid != two.tags.series_uid
    names = [s.tags.series_description or s.tags.protocol_name or "" for s in fits]
    return fits if alike and _without_number(names[0]) == _without_number(names[1]) else ()


def _without_number(name: str) -> str:
    """A description without the number or letter that counts repetitions at its end."""
    return name.rstrip("0123456789 _-")


def _fitting(found: tuple[SeriesInfo, ...], known: _Protocol) -> tuple[SeriesInfo, ...]:
    low, high = known.n_images
    return tuple(s for s in found if s.modality in known.modalities and low <= s.n_images <= high)
