"""Bring in the old tables of loyalty: patients become members, by replaying their history.

Patients move in batches that are each a transaction: a run that is stopped leaves whole batches of whole
patients, and the next one goes on. Every old row is kept with a digest of its content, so no run moves a
row twice, and one that has changed since is told. `legacy_loyalty_undo` takes it all back.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import LegacyReport, LegacyRun, Operator
from dashboard.services import loyalty_tiers, points_standing, staff_log
from dashboard.services.actors import SYSTEM
from dashboard.services.imports import (
    legacy_loyalty_files,
    legacy_loyalty_plan,
    legacy_loyalty_replay,
    legacy_loyalty_writing,
)
from dashboard.services.imports.legacy_files import Row, Tables
from dashboard.services.imports.legacy_loyalty_plan import Card, House, Moving, Plan, old_id
from dashboard.services.imports.legacy_loyalty_replay import Played
from dashboard.services.imports.legacy_loyalty_report import Figures, Report, Short
from dashboard.services.imports.legacy_report import Note, RefusedRow, TableCount
from dashboard.services.loyalty_tiers import Tier
from dashboard.services.transact import Transact

BATCH = 500
"""Patients a transaction."""
COMMAND = "legacy-loyalty"
KEPT = 1_000
"""So many lines of each list are kept with a run's report."""

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Is told how many patients are done, and of how many."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A player who is there already."""

    player_id: int
    has_wallet: bool
    moved_in: bool
    digests: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """Of the old rows that moved in, by table and old id."""


@dataclass(slots=True)
class _Sorted:
    """Who of a plan is to be written, and who has moved in before."""

    new: list[tuple[Moving, int | None]] = field(default_factory=list)
    """With the id of the player, where there is one."""
    known: list[tuple[int, Moving]] = field(default_factory=list)
    refused: list[RefusedRow] = field(default_factory=list)


@dataclass(slots=True)
class _Outcome:
    """What was replayed."""

    figures: Figures = field(default_factory=Figures)
    short: list[tuple[Row, int]] = field(default_factory=list)
    notes: list[tuple[Row, str]] = field(default_factory=list)
    cards: int = 0

    def add(self, played: Played) -> None:
        moving = played.moving
        self.figures += Figures(
            moving.loaded,
            moving.redeemed,
            moving.inactive,
            moving.deleted,
            played.expired,
            played.short,
            played.replay.member.balance,
        )
        rows = {id(row): row for row in moving.rows}
        self.short += [(rows[place], points) for place, points in played.shorts.items()]
        self.notes += played.notes
        self.cards += sum(bool(card.number) for card in moving.cards)


def run(
    transact: Transact,
    *,
    folder: Path,
    operator: str,
    now: dt.datetime,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Bring in the old tables of `folder` for the operator of that slug. A dry run writes nothing.

    Raises NotFound for the operator, Unreadable for the folder, and Conflict when somebody else registers
    the same players at the same time.
    """
    house = transact(partial(find_house, slug=operator))
    tables = legacy_loyalty_files.read(folder)
    plan = legacy_loyalty_plan.make(tables, house, now=now)
    found = _sort(transact, tables, plan, house)
    outcome = _Outcome()
    if dry_run:
        tiers = _by_code(house, {code: one.tier for code, one in plan.types.items()})
        for moving, player_id in found.new:
            digest = tables.digest
            outcome.add(
                legacy_loyalty_replay.play(moving, player_id or 0, house, tiers, digest=digest, now=now)
            )
    elif found.new:
        run_id = transact(partial(begin, tables=tables, operator_id=house.operator_id, now=now))
        _move(
            transact,
            tables,
            plan,
            found,
            house=house,
            outcome=outcome,
            run_id=run_id,
            now=now,
            progress=progress,
        )
        transact(partial(log, tables=tables, operator_id=house.operator_id, players=len(found.new), now=now))
    report = _report(transact, tables, plan, found, outcome, dry_run=dry_run)
    if found.new and not dry_run:
        # Kept is what this run moved, so that its members add up to it.
        told = {**report.as_json(most=KEPT), "figures": outcome.figures.as_json()}
        transact(
            partial(keep, told=told, command=COMMAND, run_id=run_id, operator_id=house.operator_id, now=now)
        )
    return report


def find_house(session: Session, slug: str) -> House:
    """Where patients are to move in. Raises NotFound."""
    operator_id = session.scalar(select(Operator.id).where(Operator.slug == slug))
    if operator_id is None:
        raise NotFound(f"There is no operator “{slug}”.")
    programme = points_standing.programme_of(session, operator_id)
    return House(operator_id, programme, tuple(loyalty_tiers.tiers_of(session, operator_id)))


_PLAYERS = text("""
SELECT g.external_id, h.player_id, w.player_id IS NOT NULL AS has_wallet, m.player_id IS NOT NULL AS moved_in
FROM unnest(CAST(:external_ids AS text[])) AS g(external_id)
JOIN player_handles h
  ON h.operator_id = :operator AND h.kind = 'external_id' AND h.handle = lower(g.external_id)
LEFT JOIN loyalty_wallets w ON w.player_id = h.player_id
LEFT JOIN legacy_members m ON m.player_id = h.player_id
""")
_ROWS = text("""
SELECT player_id, old_table, old_id, digest FROM legacy_loyalty_rows WHERE player_id = ANY(:players)
""")
_NUMBERS = text("""
SELECT number FROM loyalty_cards WHERE operator_id = :operator AND number = ANY(:numbers)
""")
_FIND_RUN = text("SELECT id FROM legacy_runs WHERE operator_id = :operator AND digest = :digest")
_FIGURES = text("""
SELECT coalesce(sum(loaded), 0)::bigint, coalesce(sum(redeemed), 0)::bigint,
       coalesce(sum(inactive), 0)::bigint, coalesce(sum(deleted), 0)::bigint,
       coalesce(sum(expired), 0)::bigint, coalesce(sum(short), 0)::bigint, coalesce(sum(balance), 0)::bigint
FROM legacy_members WHERE player_id = ANY(:players)
""")
_SHORT = text("""
SELECT player_id, old_table, old_id, short FROM legacy_loyalty_rows
WHERE player_id = ANY(:players) AND short > 0
""")


def _sort(transact: Transact, tables: Tables, plan: Plan, house: House) -> _Sorted:
    """Hold the plan against who is there already."""
    found = _Sorted()
    for some in in_sets(plan.moving):
        known = transact(partial(_look_up, operator_id=house.operator_id, moving=some))
        for one in some:
            there = known.get(one.old_id)
            if there is None:
                found.new.append((one, None))
            elif not there.has_wallet:
                found.new.append((one, there.player_id))
            elif reasons := _against(one, there):
                found.refused += [
                    RefusedRow(row.table, tables.file(row.table), row.line, reasons.get(id(row), "held back"))
                    for row in one.rows
                ]
            else:
                found.known.append((there.player_id, one))
    for some_new in in_sets(found.new):
        plan.notes += transact(
            partial(_without_taken, tables=tables, moving=[one for one, _ in some_new], house=house)
        )
    return found


def _look_up(session: Session, operator_id: int, moving: Sequence[Moving]) -> dict[str, _Known]:
    rows = session.execute(
        _PLAYERS, {"operator": operator_id, "external_ids": [one.old_id for one in moving]}
    ).all()
    known = {row.external_id: _Known(row.player_id, row.has_wallet, row.moved_in) for row in rows}
    by_id = {one.player_id: one for one in known.values()}
    for row in session.execute(_ROWS, {"players": list(by_id)}):
        by_id[row.player_id].digests[row.old_table, row.old_id] = bytes(row.digest)
    return known


def _against(one: Moving, there: _Known) -> dict[int, str]:
    """What speaks against a member who is there already, by row; nothing where each row moved in as it is."""
    if not there.moved_in:
        reason = f"player {one.old_id} has a loyalty wallet already, and did not move in with it"
        return {id(row): reason for row in one.rows}
    wrong: dict[int, str] = {}
    for row in one.rows:
        digest = there.digests.get((row.table, old_id(row)))
        if digest is None:
            wrong[id(row)] = f"patient {one.old_id} moved in without this row: take that back first"
        elif digest != row.digest():
            wrong[id(row)] = "it has changed since it moved in"
    if wrong:
        return {id(row): wrong.get(id(row), "held back with another row of this patient") for row in one.rows}
    return {}


def _without_taken(session: Session, tables: Tables, moving: Sequence[Moving], house: House) -> list[Note]:
    """Leave out cards whose numbers the operator has given already; a note on each."""
    numbers = [card.number for one in moving for card in one.cards if card.number]
    taken = set(session.scalars(_NUMBERS, {"operator": house.operator_id, "numbers": numbers}))
    notes = []
    for one in moving:
        for place, card in enumerate(one.cards):
            if card.number in taken:
                text_ = f"{card.number} is already another card here: left out, its tier counts"
                notes.append(Note(tables.file(card.row.table), card.row.line, one.old_id, text_))
                one.outcomes[id(card.row)] = "left_out"
                one.cards[place] = Card(
                    card.row, "", card.code, card.issued_on, card.expires_on, card.is_active
                )
    return notes


def begin(session: Session, tables: Tables, operator_id: int, now: dt.datetime) -> int:
    """The run of these files: a new one, or the one that was stopped."""
    found = session.scalar(_FIND_RUN, {"operator": operator_id, "digest": tables.digest})
    if found is not None:
        return int(found)
    run = {"operator_id": operator_id, "folder": tables.folder, "digest": tables.digest, "begun_at": now}
    return session.execute(insert(LegacyRun).values(**run).returning(LegacyRun.id)).scalar_one()


def _move(
    transact: Transact,
    tables: Tables,
    plan: Plan,
    found: _Sorted,
    *,
    house: House,
    outcome: _Outcome,
    run_id: int,
    now: dt.datetime,
    progress: Progress | None,
) -> None:
    made = transact(
        partial(
            legacy_loyalty_writing.make_tiers, types=plan.types, operator_id=house.operator_id, run_id=run_id
        )
    )
    write = partial(
        _write, house=house, tiers=_by_code(house, made), digest=tables.digest, run_id=run_id, now=now
    )
    done = 0
    for some in in_sets(found.new):
        for played in transact(partial(write, moving=some)):
            outcome.add(played)
        done += len(some)
        if progress:
            progress(done, len(found.new))


def _write(
    session: Session,
    moving: Sequence[tuple[Moving, int | None]],
    *,
    house: House,
    tiers: Mapping[str, Tier],
    digest: str,
    run_id: int,
    now: dt.datetime,
) -> list[Played]:
    new = {one.old_id: f"Player {one.old_id}" for one, player_id in moving if player_id is None}
    ids = legacy_loyalty_writing.register(session, new, operator_id=house.operator_id, now=now)
    played = [
        (
            legacy_loyalty_replay.play(
                one, player_id or ids[one.old_id], house, tiers, digest=digest, now=now
            ),
            player_id is None,
        )
        for one, player_id in moving
    ]
    legacy_loyalty_writing.write(session, played, house, run_id=run_id, now=now)
    return [one for one, _ in played]


def log(session: Session, tables: Tables, operator_id: int, players: int, now: dt.datetime) -> None:
    """A line in the staff log: whose points moved in from where."""
    details: staff_log.Details = {"folder": tables.folder, "import": tables.digest, "players": players}
    staff_log.record(session, SYSTEM, "points.moved_in", operator_id=operator_id, details=details, now=now)


def keep(
    session: Session,
    *,
    told: Mapping[str, object],
    command: str,
    run_id: int,
    operator_id: int,
    now: dt.datetime,
) -> None:
    """Keep what the report of a run tells."""
    row = {"operator_id": operator_id, "run_id": run_id, "command": command, "finished_at": now}
    session.execute(insert(LegacyReport).values(**row, report=json.dumps(told, ensure_ascii=False)))


def _report(
    transact: Transact, tables: Tables, plan: Plan, found: _Sorted, outcome: _Outcome, *, dry_run: bool
) -> Report:
    figures, short = outcome.figures, list(outcome.short)
    for some in in_sets(found.known):
        known, lacking = transact(partial(_known_figures, known=some))
        figures += known
        short += lacking
    refused = [*plan.refused, *found.refused]
    written = Counter(row.table for one, _ in found.new for row in one.rows)
    known_rows = Counter(row.table for _, one in found.known for row in one.rows)
    barred = Counter(row.table for row in refused)
    counts = [
        TableCount(
            file=table.file,
            rows_read=len(table.rows),
            rows_written=written[name],
            rows_known=known_rows[name],
            rows_refused=barred[name],
            ignored_columns=table.ignored,
        )
        for name in tables.moving
        if (table := tables.by_name.get(name))
    ]
    notes = [Note(tables.file(row.table), row.line, row["player_id"], said) for row, said in outcome.notes]
    return Report(
        tables=counts,
        patients=len(found.new),
        known=len(found.known),
        figures=figures,
        cards=outcome.cards,
        tiers_made=[one.tier.name for one in plan.types.values() if not one.is_there] if found.new else [],
        refused=refused,
        short=[_told(tables, row, points) for row, points in short],
        notes=[*plan.notes, *notes],
        ignored_files=tables.ignored,
        dry_run=dry_run,
    )


def _known_figures(
    session: Session, known: Sequence[tuple[int, Moving]]
) -> tuple[Figures, list[tuple[Row, int]]]:
    """What was written of those who moved in earlier."""
    players = [player_id for player_id, _ in known]
    rows = {(player_id, row.table, old_id(row)): row for player_id, one in known for row in one.rows}
    figures = Figures(*session.execute(_FIGURES, {"players": players}).one())
    lacking = session.execute(_SHORT, {"players": players})
    return figures, [(rows[one.player_id, one.old_table, one.old_id], one.short) for one in lacking]


def _told(tables: Tables, row: Row, points: int) -> Short:
    asked = abs(int(row["points_redeemed"] or row["points"]))
    return Short(tables.file(row.table), row.line, row["player_id"], asked, asked - points)


def _by_code(house: House, tiers: Mapping[str, Tier]) -> dict[str, Tier]:
    """All tiers by code: those of the operator and those of the old types of card."""
    return {**{tier.code: tier for tier in house.tiers}, **tiers}


def in_sets(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Some at a time, as many as a transaction takes."""
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
