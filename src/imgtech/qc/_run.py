"""A protocol by name on a file or folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from imgtech._core.validate import one_of
from imgtech.io import list_series, read_series
from imgtech.qc._choose_series import Known, asked_for, best_stack, localizers, same_twice, with_note
from imgtech.qc.decision import DecisionRule
from imgtech.qc.decision import decision_rule as rule_by_name
from imgtech.qc.limits import confirm_limits, name_of_confirmer, read_baselines, with_limits
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

_STACK = (5, 10_000)
_PROTOCOLS = {
    "acr-mri-large": Known(
        editions=ACR_MRI_EDITIONS["large"],
        modalities=("MR",),
        n_images=(11, 11),
        measure=acr_mri_large,
        takes_repeat=True,
        takes_localizer=True,
        find=partial(find_phantom, model="large"),
    ),
    "acr-mri-medium": Known(
        editions=ACR_MRI_EDITIONS["medium"],
        modalities=("MR",),
        n_images=(11, 11),
        measure=acr_mri_medium,
        takes_repeat=True,
        takes_localizer=True,
        find=partial(find_phantom, model="medium"),
    ),
    "mr-snr-nema": Known(
        editions=MR_SNR_EDITIONS,
        modalities=("MR",),
        n_images=(1, 100),
        measure=mr_snr_nema,
        takes_repeat=True,
    ),
    "mr-magnet": Known(
        editions=MR_MAGNET_EDITIONS,
        modalities=("MR",),
        n_images=(1, 100),
        measure=mr_magnet,
        takes_repeat=True,
    ),
    "mr-epi-stability": Known(
        editions=MR_EPI_EDITIONS,
        modalities=("MR",),
        n_images=(14, 100_000),
        measure=mr_epi_stability,
        in_time=True,
    ),
    "acr-ct": Known(
        editions=tuple(ACR_CT_EDITIONS),
        modalities=("CT",),
        n_images=_STACK,
        measure=acr_ct,
    ),
    "ct-water": Known(
        editions=tuple(CT_WATER_EDITIONS),
        modalities=("CT",),
        n_images=(1, 10_000),
        measure=ct_water,
    ),
    "gamma-flood": Known(
        editions=tuple(GAMMA_FLOOD_EDITIONS),
        modalities=("NM",),
        n_images=(1, 8),
        measure=gamma_flood,
    ),
    "gamma-bars": Known(
        editions=GAMMA_BARS_EDITIONS,
        modalities=("NM",),
        n_images=(1, 1),
        measure=gamma_bars,
    ),
    "pet-nema-iq": Known(
        editions=PET_EDITIONS,
        modalities=("PT",),
        n_images=(10, 10_000),
        measure=pet_nema_iq,
    ),
    "gamma-jaszczak": Known(
        editions=JASZCZAK_EDITIONS,
        modalities=("NM",),
        n_images=(10, 10_000),
        measure=gamma_jaszczak,
    ),
    "planar-xray": Known(
        editions=PLANAR_EDITIONS,
        modalities=PLANAR_MODALITIES,
        n_images=(1, 1),
        measure=planar_xray,
    ),
    "us-in-air": Known(
        editions=US_AIR_EDITIONS,
        modalities=("US",),
        n_images=(1, 1),
        measure=us_in_air,
        settings=("n_elements", "weak_db", "dead_db", "bright_db", "db_per_level", "frame"),
    ),
    "site": Known(
        editions=SITE_EDITIONS,
        modalities=(),
        n_images=(1, 10_000),
        measure=site,
        takes_repeat=True,
        takes_phantom=True,
    ),
    "us-multipurpose": Known(
        editions=tuple(US_EDITIONS),
        modalities=("US",),
        n_images=(1, 1),
        measure=us_multipurpose,
        takes_repeat=True,
        settings=("db_per_level", "scanner_speed_m_s", "phantom_speed_m_s", "frame"),
    ),
    **{
        f"catphan-{model}": Known(
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
    limits_confirmed_by: str | None = None,
    repeat: str | Path | None = None,
    localizer: str | Path | None = None,
    settings: Mapping[str, float] | None = None,
    phantom: str | Path | None = None,
) -> Report:
    """Read a scan and measure it by a phantom protocol.

    Where a folder holds several stacks of images, also of one series, the one with the modality and the
    number of images that the protocol expects is taken. If several fit, or none, the ACR MRI protocols look
    into the stacks and take the one that shows the phantom; if there is more than one of those, ``series``
    (and ``echo_time_ms``, for a double echo) must choose. Where the protocol can use the same scan twice, the
    two only series that fit are taken for scan and repetition if they have the same description. Where
    it can use a sagittal localizer, that is taken from the same folder. Notes say what was chosen.

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
    limits_confirmed_by : str, optional
        Name of who holds the documents of the unverified limits and has found these values there. They rate
        then, and the report names the person and the day at every one of them.
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
        If the protocol, edition, decision rule or a setting is unknown, the name of who confirms limits is
        empty, the files cannot be read, or they do not show the phantom.

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
    confirmer = None if limits_confirmed_by is None else name_of_confirmer(limits_confirmed_by)
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
    asked = asked_for(found, series, echo_time_ms)
    everything = series is None and echo_time_ms is None
    pair = same_twice(found, known) if everything and repeat is None else ()
    wanted, said = with_note(pair[0], found) if pair else best_stack(path, asked, known)
    if wanted is None:
        scan = read_series(
            path, series=series, echo_time_ms=echo_time_ms, allow_gaps=True, repeats=known.in_time
        )
    else:
        scan = read_series(path, series=wanted, allow_gaps=True, repeats=known.in_time)
    if pair:
        more["repeat"] = read_series(path, series=pair[1], allow_gaps=True, repeats=known.in_time)
    elif repeat is not None:
        again, _ = best_stack(repeat, asked_for(list_series(repeat), None, None), known)
        more["repeat"] = read_series(repeat, series=again, allow_gaps=True, repeats=known.in_time)
    if known.takes_localizer:
        place, there = (path, found) if localizer is None else (localizer, list_series(localizer))
        more["localizer"], passed_over = localizers(place, there, scan, known)
        said = (*said, *passed_over)
        if localizer is not None and not more["localizer"]:
            raise ValueError(f"localizer must hold a sagittal MR image, got {localizer}")
    scan = replace(scan, notes=(*said, *scan.notes))
    report = known.measure(scan, edition=chosen, **more)
    report = report if own is None else with_limits(report, own)
    return (report if confirmer is None else confirm_limits(report, confirmer)).decided_by(rule)
