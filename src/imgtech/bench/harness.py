"""Timing two programs side by side: the answer is checked first, then both run in turn."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from imgtech._core.validate import count
from imgtech.io.atomic import write_text

_SHORT_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a side-by-side run found.

    Parameters
    ----------
    name : str
        What was done.
    peer : str
        The other program.
    ours_s, peer_s : tuple of float
        Wall time of one call in each round, in seconds.
    check : mapping of str to float
        Figures of the check that both answers passed before anything was timed.
    excluded : str
        What the times leave out.
    work : float
        Elementary updates of one call, 0 if not counted.
    work_unit : str
        What an update is.
    """

    name: str
    peer: str
    ours_s: tuple[float, ...]
    peer_s: tuple[float, ...]
    check: Mapping[str, float]
    excluded: str
    work: float = 0.0
    work_unit: str = ""

    @property
    def medians(self) -> tuple[float, float]:
        """Median time of imgtech and of the peer, in seconds."""
        return statistics.median(self.ours_s), statistics.median(self.peer_s)

    @property
    def ratio(self) -> float:
        """Median time of the peer over median time of imgtech: above 1, imgtech is faster."""
        ours, theirs = self.medians
        return theirs / ours

    @property
    def ratio_range(self) -> tuple[float, float]:
        """Smallest and largest ratio found in one round."""
        ratios = [p / o for o, p in zip(self.ours_s, self.peer_s, strict=True)]
        return min(ratios), max(ratios)

    @property
    def rate(self) -> float:
        """Updates of imgtech a second, 0 if the work is not counted."""
        return self.work / self.medians[0]

    def to_dict(self) -> dict[str, Any]:
        """All fields and the ratios, in plain types."""
        low, high = self.ratio_range
        return asdict(self) | {
            "ratio": self.ratio,
            "ratio_min": low,
            "ratio_max": high,
            "rate_per_s": self.rate,
        }


def compare(
    name: str,
    *,
    ours: Callable[[], Any],
    peer: Callable[[], Any],
    peer_name: str,
    check: Callable[[Any, Any], Mapping[str, float]],
    excluded: str,
    rounds: int = 7,
    calls: int = 3,
    work: float = 0.0,
    work_unit: str = "",
) -> Comparison:
    """Time ``ours`` and ``peer`` in turn, after checking both answers.

    Parameters
    ----------
    name : str
        What is compared.
    ours, peer : callable
        One complete call each, without arguments, returning the answer.
    peer_name : str
        Name and version of the peer.
    check : callable
        Gets both answers, returns the figures it looked at, and raises AssertionError when an answer
        is wrong: a wrong answer is never timed.
    excluded : str
        What happens outside the calls (compilation, set-up, transfer).
    rounds : int, optional
        Number of rounds.
    calls : int, optional
        Calls of imgtech in a round, of which the median counts; the same for a peer that takes less than
        half a second, once for a slower one, which no longer gains from warm caches.
    work : float, optional
        Elementary updates of one call.
    work_unit : str, optional
        What an update is.

    Returns
    -------
    Comparison
        The times of every round, with the figures of the check.

    Raises
    ------
    AssertionError
        If the check refuses an answer.

    Examples
    --------
    >>> from imgtech.bench import compare
    >>> c = compare("sum", ours=lambda: sum(range(9)), peer=lambda: 36, peer_name="constant",
    ...             check=lambda a, b: {"difference": a - b}, excluded="nothing", rounds=2)
    >>> c.check["difference"], len(c.ours_s)
    (0, 2)
    """
    count("rounds", rounds)
    count("calls", calls)
    figures = dict(check(ours(), peer()))
    ours()
    peer_calls = calls if _time(peer) < _SHORT_S else 1
    ours_s, peer_s = [], []
    for _ in range(rounds):
        ours_s.append(statistics.median(_time(ours) for _ in range(calls)))
        peer_s.append(statistics.median(_time(peer) for _ in range(peer_calls)))
    return Comparison(
        name=name,
        peer=peer_name,
        ours_s=tuple(ours_s),
        peer_s=tuple(peer_s),
        check=figures,
        excluded=excluded,
        work=work,
        work_unit=work_unit,
    )


def save_comparisons(comparisons: Sequence[Comparison], path: str | os.PathLike[str]) -> None:
    """Write comparisons with the machine and the versions they ran on as JSON.

    Parameters
    ----------
    comparisons : sequence of Comparison
        What to write.
    path : path
        The file; replaced in one step, so an interrupted run leaves no half file.

    Examples
    --------
    >>> import json, tempfile
    >>> from imgtech.bench import compare, save_comparisons
    >>> c = compare("sum", ours=lambda: 36, peer=lambda: 36, peer_name="constant",
    ...             check=lambda a, b: {"difference": a - b}, excluded="nothing", rounds=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_comparisons([c], f"{folder}/times.json")
    ...     record = json.load(open(f"{folder}/times.json", encoding="utf-8"))
    >>> record["comparisons"][0]["name"]
    'sum'
    """
    packages = ("imgtech", "numba", "numpy", "scipy", "scikit-image", "astra-toolbox", "pymust")
    record = {
        "machine": {
            "processor": _processor(),
            "threads": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "versions": {name: found for name in packages if (found := _version(name))},
        "comparisons": [c.to_dict() for c in comparisons],
    }
    write_text(Path(path), json.dumps(record, indent=1) + "\n")


def _time(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
