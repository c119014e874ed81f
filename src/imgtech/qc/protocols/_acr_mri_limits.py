"""Action limits of the ACR large MRI phantom, by edition, with the place where each was read."""

from __future__ import annotations

from imgtech.qc.measurement import Limit, Source

EDITIONS = ("2015", "2022")

_GUIDE_2015 = "ACR Phantom Test Guidance for the MRI Accreditation Program"
_GUIDE_2022 = "ACR Large and Medium Phantom Test Guidance"
_TABLE = "table 3 of doi:10.1002/acm2.13730, which lists the ACR tolerances"


def _read_2015(clause: str) -> Source:
    return Source(document=_GUIDE_2015, edition="2015", clause=f"{clause}; {_TABLE}")


def _read_2022(clause: str) -> Source:
    return Source(document=_GUIDE_2022, edition="2022", clause=f"{clause}, as cited by pylinac 3.49 (acr.py)")


def _unread(edition: str, clause: str) -> Source:
    document = _GUIDE_2015 if edition == "2015" else _GUIDE_2022
    return Source(document=document, edition=edition, clause=clause, verified=False)


def acr_large_limits(edition: str, field_strength_t: float | None) -> dict[str, Limit]:
    """Limits by test; uniformity has none where the field strength is unknown or above 3 T."""
    old = edition == "2015"
    half = 2.0 if old else 3.0
    limits = {
        "geometry": Limit(
            lower=190.0 - half,
            upper=190.0 + half,
            source=_read_2015("1.4") if old else _unread(edition, "1.4"),
        ),
        "thickness": Limit(lower=4.3, upper=5.7, source=_unread(edition, "3.4")),
        "position": Limit(lower=-5.0, upper=5.0, source=_unread(edition, "4.4")),
        "ghosting": Limit(upper=2.5 if old else 3.0, source=_read_2015("6.4") if old else _read_2022("6.4")),
    }
    if field_strength_t is not None and field_strength_t <= 3.1:
        weak = field_strength_t < 2.9
        lower = (87.5 if weak else 82.0) if old else (85.0 if weak else 80.0)
        limits["uniformity"] = Limit(lower=lower, source=_read_2015("5.4") if old else _read_2022("5.4"))
    return limits
