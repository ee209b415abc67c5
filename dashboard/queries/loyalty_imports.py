"""What moving in from other loyalty programmes brought: reports, and what members had there and here."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import LegacyMember, Player
from dashboard.queries import paging
from dashboard.queries.paging import Page, Place


@dataclass(frozen=True, slots=True)
class Figures:
    """How the old balance became ours; points. All who moved in, or one of them."""

    loaded: int
    redeemed: int
    inactive: int
    """Loads that were switched off there."""
    deleted: int
    """Loads less redemptions that were deleted there."""
    expired: int
    """Before they moved in."""
    short: int
    """Redeemed there where there were no points."""
    balance: int

    @property
    def old_balance(self) -> int:
        """Loads less redemptions."""
        return self.loaded - self.redeemed

    @property
    def unexplained(self) -> int:
        """What of the difference no cause explains: 0."""
        return self.balance - (self.old_balance - self.inactive - self.deleted - self.expired + self.short)


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One run in the list."""

    id: int
    command: str
    folder: str
    finished_at: dt.datetime
    members: int
    """Whom it moved in."""
    refused: int
    """Rows that did not move in; at most those that the report names."""
    figures: Figures


@dataclass(frozen=True, slots=True)
class Report:
    """One run with all that it had to say."""

    row: ReportRow
    run_id: int
    told: Mapping[str, Any]
    """As the command printed it, each list cut to its first thousand."""


@dataclass(frozen=True, slots=True)
class MovedMember:
    """A member of a run, and how the old figures became ours."""

    player_id: int
    name: str
    external_id: str
    is_new: bool
    figures: Figures


def page_of_reports(session: Session, *, operator_id: int, after: str = "") -> Page[ReportRow]:
    """The reports, the latest first."""

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[ReportRow]:
        given = {"operator": operator_id, "after": after[0] if after else None, "limit": limit}
        return [_row(found) for found in session.execute(_REPORTS, given)]

    return paging.gather(fetch, lambda row: paging.write(row.id), after=paging.read(after, int))


def get_report(session: Session, *, operator_id: int, report_id: int) -> Report:
    """One report. Raises NotFound."""
    found = session.execute(_REPORT, {"operator": operator_id, "report": report_id}).one_or_none()
    if found is None:
        raise NotFound("There is no such report.")
    return Report(_row(found), found.run_id, json.loads(found.report))


def page_of_members(
    session: Session, *, operator_id: int, run_id: int, only_short: bool, after: str = ""
) -> Page[MovedMember]:
    """Whom a run moved in, or only those who had redeemed more than there was."""
    wanted = (
        select(
            LegacyMember.player_id,
            Player.name,
            Player.external_id,
            LegacyMember.is_new,
            *(getattr(LegacyMember, name) for name in _FIGURES),
        )
        .join(Player, Player.id == LegacyMember.player_id)
        .where(LegacyMember.operator_id == operator_id, LegacyMember.run_id == run_id)
        .order_by(LegacyMember.player_id)
    )
    if only_short:
        wanted = wanted.where(LegacyMember.short > 0)

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[MovedMember]:
        some = wanted if after is None else wanted.where(LegacyMember.player_id > after[0])
        return [_moved(*found) for found in session.execute(some.limit(limit))]

    return paging.gather(fetch, lambda row: paging.write(row.player_id), after=paging.read(after, int))


_FIGURES = tuple(Figures.__dataclass_fields__)
_COLUMNS = """
r.id, r.run_id, r.command, u.folder, r.finished_at, t.told ->> 'figures' AS figures,
coalesce((t.told ->> 'patients')::int, 0) AS members,
coalesce(jsonb_array_length(t.told -> 'refused'), 0) AS refused
"""
_FROM = """
FROM legacy_reports r JOIN legacy_runs u ON u.id = r.run_id
CROSS JOIN LATERAL (SELECT r.report::jsonb AS told) AS t
WHERE r.operator_id = :operator
"""
_REPORTS = text(f"""
SELECT {_COLUMNS} {_FROM} AND (CAST(:after AS bigint) IS NULL OR r.id < :after)
ORDER BY r.id DESC LIMIT :limit
""")
_REPORT = text(f"SELECT {_COLUMNS}, r.report {_FROM} AND r.id = :report")


def _row(found: Any) -> ReportRow:
    told = json.loads(found.figures or "{}")
    figures = Figures(*(int(told.get(name, 0)) for name in _FIGURES))
    return ReportRow(
        found.id, found.command, found.folder, found.finished_at, found.members, found.refused, figures
    )


def _moved(player_id: int, name: str, external_id: str, is_new: bool, *figures: int) -> MovedMember:
    return MovedMember(player_id, name, external_id, is_new, Figures(*figures))
