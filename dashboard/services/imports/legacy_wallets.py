"""Bring in the old tables of wallets, balances, VIP and bonuses: players with openings and grants.

Players move in batches that are each a transaction: a run that is stopped leaves whole batches of whole
players, and the next one goes on. Every old row is kept with a digest of its content, so no run moves a
row twice, and one that has changed since is told. `legacy_undo` takes it all back.

VIP limits are not applied to openings, as each entry says, and they raise no alerts.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import LegacyRun, Operator, VipLevel, VipRule
from dashboard.services import staff_log
from dashboard.services.actors import SYSTEM
from dashboard.services.imports import legacy_files, legacy_plan, legacy_writing
from dashboard.services.imports.legacy_files import MOVED, Tables
from dashboard.services.imports.legacy_plan import House, Moving, Plan
from dashboard.services.imports.legacy_report import Note, RefusedRow, Report, Sums, TableCount
from dashboard.services.transact import Transact

BATCH = 500
"""Players a transaction."""

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Is told how many players are done, and of how many."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A player who is there already."""

    player_id: int
    moved_in: bool
    digests: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """Of the old rows that moved in with the player, by table and old id."""


@dataclass(frozen=True, slots=True)
class _Money:
    """Real and bonus of one currency, in minor units."""

    real: int = 0
    bonus: int = 0

    def __add__(self, other: "_Money") -> "_Money":
        return _Money(self.real + other.real, self.bonus + other.bonus)


@dataclass(slots=True)
class _Sorted:
    """Who of a plan is new, and who has moved in before."""

    new: list[Moving] = field(default_factory=list)
    known: list[tuple[int, Moving]] = field(default_factory=list)
    refused: list[RefusedRow] = field(default_factory=list)


def run(
    transact: Transact,
    *,
    folder: Path,
    operator: str,
    now: dt.datetime,
    minor_units: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Bring in the old tables of `folder` for the operator of that slug. A dry run writes nothing.

    `minor_units` says that amounts stand there in cents. Raises NotFound for the operator, Unreadable
    for the folder, and Conflict when somebody else registers the same players at the same time.
    """
    house = transact(partial(find_house, slug=operator))
    tables = legacy_files.read(folder)
    plan = legacy_plan.make(tables, house, minor_units=minor_units, now=now)
    sorted_ = _sort(transact, tables, plan, house)
    moving = [*sorted_.new, *(one for _, one in sorted_.known)]
    if dry_run:
        ours = _planned(moving)
    else:
        _move(transact, tables, sorted_.new, house, now=now, progress=progress)
        # What was read from the journals, not what we meant to write.
        ours = _in_journals(transact, sorted_, house)
    return _report(tables, plan, sorted_, _both_sides(plan, moving, ours), dry_run=dry_run)


def find_house(session: Session, slug: str) -> House:
    """Where players are to move in. Raises NotFound."""
    found = session.execute(select(Operator.id, Operator.currency).where(Operator.slug == slug)).one_or_none()
    if found is None:
        raise NotFound(f"There is no operator “{slug}”.")
    currencies = session.scalars(select(VipRule.currency).filter_by(operator_id=found.id).distinct())
    levels = session.execute(select(VipLevel.level, VipLevel.xp_from).filter_by(operator_id=found.id))
    xp_from = {row.level: row.xp_from for row in levels if row.xp_from is not None}
    return House(found.id, found.currency, frozenset(currencies), xp_from)


_PLAYERS = text("""
SELECT g.external_id, h.player_id, m.player_id IS NOT NULL AS moved_in
FROM unnest(CAST(:external_ids AS text[])) AS g(external_id)
JOIN player_handles h
  ON h.operator_id = :operator AND h.kind = 'external_id' AND h.handle = lower(g.external_id)
LEFT JOIN legacy_players m ON m.player_id = h.player_id
""")
_ROWS = text("SELECT player_id, old_table, old_id, digest FROM legacy_rows WHERE player_id = ANY(:players)")
_EMAILS = text("""
SELECT handle FROM player_handles WHERE operator_id = :operator AND kind = 'email' AND handle = ANY(:emails)
""")
_FIND_RUN = text("SELECT id FROM legacy_runs WHERE operator_id = :operator AND digest = :digest")
_OPENINGS = text("""
SELECT currency, sum(real_delta)::bigint AS real, sum(bonus_delta)::bigint AS bonus
FROM wallet_entries
WHERE player_id = ANY(:players) AND sequence = 1 AND change_type = 'opening'
GROUP BY currency
""")


def _sort(transact: Transact, tables: Tables, plan: Plan, house: House) -> _Sorted:
    """Hold the plan against who is there already."""
    found = _Sorted()
    for some in _in_sets(plan.moving):
        known = transact(partial(_look_up, operator_id=house.operator_id, moving=some))
        new: list[Moving] = []
        for one in some:
            there = known.get(one.old_id)
            if there is None:
                new.append(one)
            elif reasons := _against(one, there):
                found.refused += [
                    RefusedRow(row.table, tables.file(row.table), row.line, reasons.get(id(row), "held back"))
                    for row in one.rows
                ]
            else:
                found.known.append((there.player_id, one))
        plan.notes += transact(partial(_without_taken, tables=tables, moving=new, house=house))
        found.new += new
    return found


def _look_up(session: Session, operator_id: int, moving: Sequence[Moving]) -> dict[str, _Known]:
    rows = session.execute(
        _PLAYERS, {"operator": operator_id, "external_ids": [one.old_id for one in moving]}
    ).all()
    known = {row.external_id: _Known(row.player_id, row.moved_in) for row in rows}
    by_id = {one.player_id: one for one in known.values()}
    for row in session.execute(_ROWS, {"players": list(by_id)}):
        by_id[row.player_id].digests[row.old_table, row.old_id] = bytes(row.digest)
    return known


def _against(one: Moving, there: _Known) -> dict[int, str]:
    """What speaks against a player who is there already, by row; nothing where each row moved in as it is."""
    if not there.moved_in:
        reason = f"player {one.old_id} is there already, and did not move in from old tables"
        return {id(row): reason for row in one.rows}
    wrong: dict[int, str] = {}
    for row in one.rows:
        digest = there.digests.get((row.table, row.old_id))
        if digest is None:
            wrong[id(row)] = f"player {one.old_id} moved in without this row: take that back first"
        elif digest != row.digest():
            wrong[id(row)] = "it has changed since it moved in"
    if wrong:
        return {id(row): wrong.get(id(row), "held back with another row of this player") for row in one.rows}
    return {}


def _without_taken(session: Session, tables: Tables, moving: Sequence[Moving], house: House) -> list[Note]:
    """Leave out e-mails that players of the operator have already; a note on each."""
    emails = [one.email for one in moving if one.email]
    taken = set(session.scalars(_EMAILS, {"operator": house.operator_id, "emails": emails}))
    notes = []
    for one in moving:
        if one.email in taken:
            line = one.rows[0].line
            text_ = f"{one.email} is already another player's: left out"
            notes.append(Note(tables.file("users"), line, one.old_id, text_))
            one.email = None
    return notes


def _move(
    transact: Transact,
    tables: Tables,
    new: Sequence[Moving],
    house: House,
    *,
    now: dt.datetime,
    progress: Progress | None,
) -> None:
    if not new:
        return
    run_id = transact(partial(_begin, tables=tables, operator_id=house.operator_id, now=now))
    done = 0
    for some in _in_sets(new):
        transact(
            partial(
                legacy_writing.write,
                moving=some,
                operator_id=house.operator_id,
                run_id=run_id,
                digest=tables.digest,
                now=now,
            )
        )
        done += len(some)
        if progress:
            progress(done, len(new))
    transact(partial(_log, tables=tables, operator_id=house.operator_id, players=done, now=now))


def _begin(session: Session, tables: Tables, operator_id: int, now: dt.datetime) -> int:
    """The run of these files: a new one, or the one that was stopped."""
    found = session.scalar(_FIND_RUN, {"operator": operator_id, "digest": tables.digest})
    if found is not None:
        return int(found)
    run = {"operator_id": operator_id, "folder": tables.folder, "digest": tables.digest, "begun_at": now}
    return session.execute(insert(LegacyRun).values(**run).returning(LegacyRun.id)).scalar_one()


def _log(session: Session, tables: Tables, operator_id: int, players: int, now: dt.datetime) -> None:
    details: staff_log.Details = {"folder": tables.folder, "import": tables.digest, "players": players}
    staff_log.record(session, SYSTEM, "wallets.moved_in", operator_id=operator_id, details=details, now=now)


def _in_journals(transact: Transact, sorted_: _Sorted, house: House) -> dict[str, _Money]:
    """What the openings add up to as they stand, of all players of the plan who are there."""
    ids = [player_id for player_id, _ in sorted_.known]
    for some in _in_sets(sorted_.new):
        made = transact(partial(_look_up, operator_id=house.operator_id, moving=some))
        ids += [known.player_id for known in made.values()]
    together: dict[str, _Money] = defaultdict(_Money)
    for some_ids in _in_sets(ids):
        for currency, found in transact(partial(_openings, player_ids=some_ids)).items():
            together[currency] += found
    return together


def _openings(session: Session, player_ids: Sequence[int]) -> dict[str, _Money]:
    rows = session.execute(_OPENINGS, {"players": list(player_ids)})
    return {row.currency: _Money(row.real, row.bonus) for row in rows}


def _planned(moving: Iterable[Moving]) -> dict[str, _Money]:
    """What these players' openings add up to."""
    together: dict[str, _Money] = defaultdict(_Money)
    for one in moving:
        for opening in one.openings.values():
            together[opening.currency] += _Money(opening.real, opening.bonus)
    return together


def _both_sides(plan: Plan, moving: Sequence[Moving], ours: Mapping[str, _Money]) -> list[Sums]:
    planned, remaining = _planned(moving), Counter[str]()
    for one in moving:
        for grant in one.grants:
            remaining[grant.currency] += grant.remaining
    return [
        Sums(
            currency=currency,
            recorded_real_minor=real,
            recorded_bonus_minor=bonus,
            refused_real_minor=real - planned[currency].real,
            refused_bonus_minor=bonus - planned[currency].bonus,
            ours_real_minor=ours.get(currency, _Money()).real,
            ours_bonus_minor=ours.get(currency, _Money()).bonus,
            grants_minor=remaining[currency],
        )
        for currency, (real, bonus) in sorted(plan.recorded.items())
    ]


def _report(tables: Tables, plan: Plan, sorted_: _Sorted, sums: list[Sums], *, dry_run: bool) -> Report:
    refused = [*plan.refused, *sorted_.refused]
    written = Counter(row.table for one in sorted_.new for row in one.rows)
    known = Counter(row.table for _, one in sorted_.known for row in one.rows)
    barred = Counter(row.table for row in refused)
    counts = [
        TableCount(
            file=table.file,
            rows_read=len(table.rows),
            rows_written=written[name],
            rows_known=known[name],
            rows_refused=barred[name],
            ignored_columns=table.ignored,
        )
        for name in MOVED
        if (table := tables.by_name.get(name))
    ]
    return Report(
        tables=counts,
        players=len(sorted_.new),
        openings=sum(
            bool(opening.real or opening.bonus) for one in sorted_.new for opening in one.openings.values()
        ),
        grants=sum(len(one.grants) for one in sorted_.new),
        sums=sums,
        refused=refused,
        differences=plan.differences,
        notes=plan.notes,
        ignored_files=tables.ignored,
        dry_run=dry_run,
    )


def _in_sets(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
