"""Counters for whoever watches, in Prometheus' terms; off unless PURSER_METRICS_TOKEN is set.

What a transaction did is noted within it (`note`) and counted once it is committed, by `db.writing`, so
that what was rolled back or begun again is not counted. Web server and worker count into files under
PURSER_HOME, and whichever process is asked adds them up. No label ever holds what somebody typed.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from sqlalchemy.orm import Session

from dashboard.config import settings

Event = Literal["entry", "refusal", "alert"]

_NOTED = "noted"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_FEW = 2
"""With more entries than a transfer has it was a bulk or an import, whose time is no latency."""
_FILE = re.compile(r"[a-z]+_(\d+)\.db")


def note(session: Session, event: Event, labels: Iterable[str]) -> None:
    """Have one counted for each label, repeats included, when the session's transaction is committed."""
    session.info.setdefault(_NOTED, []).extend((event, label) for label in labels)


def committed(session: Session, seconds: float) -> None:
    """Count what was noted in a transaction that took so long."""
    noted: list[tuple[Event, str]] = session.info.pop(_NOTED, [])
    meters = _meters()
    if meters is None or not noted:
        return
    for (event, label), count in Counter(noted).items():
        meters.events[event].labels(label).inc(count)
    entries = [label for event, label in noted if event == "entry"]
    if 0 < len(entries) <= _FEW:
        meters.change_seconds.labels(entries[0]).observe(seconds)


def answered(*, endpoint: str | None, method: str, status: int, seconds: float) -> None:
    """Count one HTTP request. Requests that no route took are one endpoint."""
    meters = _meters()
    if meters is not None:
        meters.requests.labels(endpoint or "none", method, str(status)).inc()
        meters.request_seconds.labels(endpoint or "none").observe(seconds)


@dataclass(frozen=True, slots=True)
class Gauge:
    """How something stands at the moment, looked up by whoever is asked."""

    name: str
    said: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def exposed(gauges: Iterable[Gauge]) -> tuple[bytes, str]:
    """All that the processes of this home have counted, and these gauges: the text, and its media type.

    Gauges of one name follow each other.
    """
    _meters()
    # Not at the top: the library chooses how to count when it is imported, and must know the folder then.
    from prometheus_client import CollectorRegistry, exposition  # noqa: PLC0415
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

    class Standing:
        def collect(self) -> Iterator[GaugeMetricFamily]:
            for name, several in groupby(gauges, key=lambda gauge: gauge.name):
                group = list(several)
                family = GaugeMetricFamily(name, group[0].said, labels=list(group[0].labels))
                for gauge in group:
                    family.add_metric(list(gauge.labels.values()), gauge.value)
                yield family

    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(_folder()))  # type: ignore[no-untyped-call]
    registry.register(Standing())
    return exposition.generate_latest(registry), exposition.CONTENT_TYPE_LATEST


def forget_ended() -> None:
    """Delete what processes have counted that are no more: to whoever watches, their counters begin anew."""
    for path in _folder().glob("*.db"):
        process = _FILE.fullmatch(path.name)
        if process and not Path(f"/proc/{process[1]}").exists():
            path.unlink(missing_ok=True)


class _Meters:
    """The counters of this process. The library must be imported after its folder is known."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # how the library is told, and no other way
        from prometheus_client import Counter as Count  # noqa: PLC0415
        from prometheus_client import Histogram  # noqa: PLC0415

        # Registered nowhere: `registry` reads the files, in which those of other processes stand too.
        def count(name: str, said: str, *labels: str) -> Any:
            return Count(name, said, labels, registry=None)

        def time(name: str, said: str, *labels: str) -> Any:
            return Histogram(name, said, labels, buckets=_BUCKETS, registry=None)

        self.events: dict[Event, Any] = {
            "entry": count("purser_entries_total", "Entries posted, by change type.", "type"),
            "refusal": count("purser_refusals_total", "Reasons for which changes were refused.", "reason"),
            "alert": count("purser_alerts_raised_total", "Alerts raised, by type.", "type"),
        }
        self.change_seconds = time(
            "purser_change_seconds", "From the begin of a change's transaction to its commit.", "type"
        )
        self.requests = count(
            "purser_http_requests_total", "Requests answered.", "endpoint", "method", "status"
        )
        self.request_seconds = time(
            "purser_http_request_seconds", "From a request to the begin of its answer.", "endpoint"
        )


@cache
def _meters() -> _Meters | None:
    return _Meters(_folder()) if settings().metrics_token else None


def _folder() -> Path:
    return settings().home / "metrics"
