"""After a backup was brought back: how far behind it is, and what must not be carried on as if nothing was.

What happened after the backup is gone from the database, but anchors that were taken since stand in
their folder outside of it: they know how many entries there were.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from dashboard.errors import PurserError
from dashboard.models import Anchor, Balance, Operator
from dashboard.models.login import OneTimeLink, SignInSession
from dashboard.models.loyalty import LoyaltyWallet
from dashboard.services import anchors, staff_log
from dashboard.services.actors import SYSTEM

ASIDE = "set-aside-"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the restored database holds, and what the anchors' files know beyond it."""

    entries: int
    """In the database, of money and of points: anchors count both."""
    last_anchor: int
    """Its number in the database; 0 where there is none."""
    newer: tuple[str, ...]
    """Names of files with a higher number, in their order."""
    entries_known: int
    """What the latest of them that carries our seal counts; `entries` where there is none."""
    known_at: dt.datetime | None
    """When that one was taken."""
    not_ours: tuple[str, ...]
    """Names of newer files that do not carry our seal: nothing they say is believed."""

    @property
    def entries_missing(self) -> int:
        """How many entries the anchors know more."""
        return max(0, self.entries_known - self.entries)


def compare(session: Session, *, folder: Path, key: bytes) -> Standing:
    """Hold the database against the anchors' files."""
    of_money, of_points = (
        int(session.scalar(select(func.coalesce(func.sum(version), 0))) or 0)
        for version in (Balance.version, LoyaltyWallet.version)
    )
    entries = of_money + of_points
    last = session.scalar(select(func.max(Anchor.id))) or 0
    newer = {
        name: document
        for name, document in sorted(anchors.read_files(folder).items())
        if anchors.number_of(name) > last
    }
    sealed = {name: document for name, document in newer.items() if anchors.is_sealed(document, key=key)}
    latest: Any = sealed[max(sealed)] if sealed else {}
    return Standing(
        entries=entries,
        last_anchor=last,
        newer=tuple(newer),
        entries_known=int(latest.get("entries", entries)),
        known_at=dt.datetime.fromisoformat(latest["taken_at"]) if latest else None,
        not_ours=tuple(name for name in newer if name not in sealed),
    )


def set_aside(folder: Path, names: tuple[str, ...], *, now: dt.datetime) -> Path:
    """Move files of anchors that the database does not have any more into a folder of their own.

    They are kept as evidence; left where they are, the next anchor would take the number of one of
    them. Raises PurserError when the folder cannot be changed.
    """
    aside = folder / f"{ASIDE}{now.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}"
    try:
        aside.mkdir(mode=0o700)
        for name in names:
            (folder / name).rename(aside / name)
    except OSError as error:
        raise PurserError(
            f"The anchors in {folder} that this database does not have cannot be set aside"
            f" ({error.strerror}): keep that folder as it is, set PURSER_ANCHOR_DIR to a new one, which"
            " gets all anchors of this database, and run `verify`."
        ) from error
    return aside


def folders_set_aside(folder: Path) -> list[Path]:
    """Where anchors of states lie that a restored backup took the place of."""
    return sorted(path for path in folder.glob(f"{ASIDE}*") if path.is_dir())


def conclude(session: Session, *, head: Mapping[str, Any], standing: Standing, now: dt.datetime) -> None:
    """Write into every operator's log that a backup was restored, and let nobody go on unasked.

    Sessions and links that were ended or used since the backup would live again: all end.
    """
    session.execute(delete(SignInSession))
    session.execute(update(OneTimeLink).where(OneTimeLink.used_at.is_(None)).values(used_at=now))
    for operator_id in session.scalars(select(Operator.id).order_by(Operator.id)):
        staff_log.record(
            session,
            SYSTEM,
            "database.restored",
            operator_id=operator_id,
            details={
                "backup_made_at": str(head.get("made_at")),
                "entries": standing.entries,
                "entries_missing": standing.entries_missing,
                "known_at": standing.known_at.isoformat() if standing.known_at else None,
            },
            now=now,
        )


def told(standing: Standing) -> str:
    """How far behind it is, in words."""
    if not standing.newer:
        last = f"anchor {standing.last_anchor}" if standing.last_anchor else "there is none"
        return (
            f"The anchors know nothing that was not restored (the last: {last})."
            " What was done after it they cannot tell."
        )
    if standing.known_at is None:
        return (
            f"{len(standing.newer)} newer anchors do not carry our seal: nothing they say is believed."
            " Is the anchor key the one that they were sealed with?"
        )
    return (
        f"The anchors know {standing.entries_missing:,} entries more, the last of"
        f" {standing.known_at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC: these have to be brought in again."
    )
