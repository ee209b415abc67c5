"""Bring in purchases and coupons of households as points of members (docs/moving-in-loyalty.md).

Households come in sets that are each a transaction: a run that is stopped leaves whole households, and the
next one goes on. A household that is there already is passed over; one whose rows have changed is refused.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.services import points_replay
from dashboard.services.imports import legacy_loyalty, legacy_loyalty_writing, loyalty_coupons_replay
from dashboard.services.imports.legacy_files import Tables
from dashboard.services.imports.legacy_loyalty import Progress, in_sets
from dashboard.services.imports.legacy_loyalty_plan import House
from dashboard.services.imports.legacy_loyalty_report import Figures
from dashboard.services.imports.legacy_loyalty_writing import NewMember
from dashboard.services.imports.legacy_report import RefusedRow
from dashboard.services.imports.loyalty_coupons_replay import (
    COUPON_POINTS,
    Counts,
    History,
    Household,
    Played,
    Rule,
    Window,
)
from dashboard.services.imports.reading import Unreadable
from dashboard.services.transact import Transact

COMMAND = "loyalty-coupons"
_SHOWN = 20


@dataclass(slots=True)
class Report:
    """The outcome of a run, or of its dry run."""

    households: int = 0
    """Moved in by this run; in a dry run: that would."""
    known: int = 0
    counts: Counts = field(default_factory=Counts)
    """Of those households."""
    refused: list[RefusedRow] = field(default_factory=list)
    unmoved: list[str] = field(default_factory=list)
    """Households that stay outside, and why."""
    dry_run: bool = False

    @property
    def is_fine(self) -> bool:
        """Whether every coupon was redeemed, and nobody stays outside."""
        return not self.refused and not self.unmoved

    def as_json(self) -> dict[str, object]:
        """For machines."""
        counts = self.counts
        figures = Figures(
            loaded=counts.purchased + counts.given,
            redeemed=counts.redemptions * COUPON_POINTS,
            expired=counts.expired,
            short=counts.refused * COUPON_POINTS,
            balance=counts.balance,
        )
        return {
            "patients": self.households,
            "known": self.known,
            "counts": asdict(counts),
            "figures": figures.as_json(),
            "refused": [asdict(row) for row in self.refused],
            "unmoved": self.unmoved,
            "dry_run": self.dry_run,
        }

    def as_text(self) -> str:
        """For people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        counts = self.counts
        for what, figure in (
            ("Would move in" if self.dry_run else "Households", self.households),
            ("Households there already", self.known),
            ("Baskets", counts.baskets),
            ("  of less than one unit", counts.too_small),
            ("Campaigns of households", counts.campaign_loads),
            ("Coupons redeemed or refused", counts.redemptions),
            ("  on the first day", counts.on_first_day),
            ("  on the last day", counts.on_last_day),
            ("  refused", counts.refused),
            ("Points for purchases", counts.purchased),
            ("Points from campaigns", counts.given),
            ("Points redeemed", counts.redeemed),
            ("Points expired", counts.expired),
            ("Points here", counts.balance),
        ):
            yield f"{what:<30}{figure:>14,}"
        for row in self.refused[:_SHOWN]:
            yield f"Refused, {row.file} line {row.line}: {row.reason}"
        yield from self.unmoved[:_SHOWN]


def run(
    transact: Transact,
    *,
    folder: Path,
    operator: str,
    rule: Rule,
    now: dt.datetime,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Bring in the households of `folder` for the operator of that slug. A dry run writes nothing.

    Raises NotFound for the operator, Unreadable for the folder, Conflict when somebody else registers the
    same players at the same time.
    """
    house = transact(partial(legacy_loyalty.find_house, slug=operator))
    tables = loyalty_coupons_replay.read(folder)
    try:
        windows = loyalty_coupons_replay.windows(tables)
    except ValueError as error:
        raise Unreadable(f"{folder}: {error}.") from None
    report = Report(dry_run=dry_run)
    found = loyalty_coupons_replay.households(tables)
    new: list[tuple[Household, int | None]] = []
    for some in in_sets(found):
        new += transact(partial(_sort, some=some, house=house, rule=rule, report=report))
    histories = _read(new, tables, house, windows, rule=rule, report=report)
    if dry_run:
        for history, player_id in histories:
            _count(report, history.play(player_id or 0, now))
    elif histories:
        _move(transact, tables, histories, house, report=report, rule=rule, now=now, progress=progress)
    return report


_KNOWN = text("""
SELECT g.external_id, h.player_id, w.player_id IS NOT NULL AS has_wallet, m.digest
FROM unnest(CAST(:external_ids AS text[])) AS g(external_id)
JOIN player_handles h
  ON h.operator_id = :operator AND h.kind = 'external_id' AND h.handle = g.external_id
LEFT JOIN loyalty_wallets w ON w.player_id = h.player_id
LEFT JOIN legacy_members m ON m.player_id = h.player_id
""")


def external_id(old_id: str) -> str:
    """What a household is called as a player: its number alone would be anybody's."""
    return f"household-{old_id}".lower()


def _sort(
    session: Session, some: Sequence[Household], *, house: House, rule: Rule, report: Report
) -> list[tuple[Household, int | None]]:
    """Who is new, each with the id of the player where there is one; the others are counted or told."""
    ids = [external_id(one.old_id) for one in some]
    rows = session.execute(_KNOWN, {"operator": house.operator_id, "external_ids": ids})
    known = {row.external_id: row for row in rows}
    new: list[tuple[Household, int | None]] = []
    for one in some:
        there = known.get(external_id(one.old_id))
        if there is None or not there.has_wallet:
            new.append((one, there.player_id if there else None))
        elif there.digest is None:
            report.unmoved.append(f"Household {one.old_id} has a loyalty wallet already, from elsewhere.")
        elif bytes(there.digest) != _digest(one, rule):
            report.unmoved.append(f"Household {one.old_id} moved in with other rows, or by another rule.")
        else:
            report.known += 1
    return new


def _digest(household: Household, rule: Rule) -> bytes:
    """SHA-256 over all rows of a household, and over the rule."""
    rows = sorted(row.digest() for row in household.rows)
    return hashlib.sha256(b"".join(rows) + repr(rule).encode()).digest()


def _read(
    new: Sequence[tuple[Household, int | None]],
    tables: Tables,
    house: House,
    windows: Mapping[str, Window],
    *,
    rule: Rule,
    report: Report,
) -> list[tuple[History, int | None]]:
    """What each household did; one of which a row cannot be read stays outside, and is told."""
    found = []
    for household, player_id in new:
        try:
            history = History(household, house, windows, rule, digest=tables.digest, file=tables.file)
        except ValueError as error:
            report.unmoved.append(f"Household {household.old_id}: {error}")
        else:
            found.append((history, player_id))
    return found


def _count(report: Report, played: Played) -> None:
    report.households += 1
    report.counts.add(played.counts)
    report.refused += played.refused


def _move(
    transact: Transact,
    tables: Tables,
    new: Sequence[tuple[History, int | None]],
    house: House,
    *,
    report: Report,
    rule: Rule,
    now: dt.datetime,
    progress: Progress | None,
) -> None:
    run_id = transact(partial(legacy_loyalty.begin, tables=tables, operator_id=house.operator_id, now=now))
    write = partial(_write, house=house, rule=rule, run_id=run_id, now=now)
    done = 0
    for some in in_sets(new):
        for played in transact(partial(write, some=some)):
            _count(report, played)
        done += len(some)
        if progress:
            progress(done, len(new))
    log = partial(legacy_loyalty.log, tables=tables, players=report.households)
    keep = partial(legacy_loyalty.keep, told=report.as_json(), command=COMMAND, run_id=run_id)
    for told in (log, keep):
        transact(partial(told, operator_id=house.operator_id, now=now))


def _write(
    session: Session,
    some: Sequence[tuple[History, int | None]],
    *,
    house: House,
    rule: Rule,
    run_id: int,
    now: dt.datetime,
) -> list[Played]:
    old_ids = [history.household.old_id for history, player_id in some if player_id is None]
    names = {external_id(old_id): f"Household {old_id}" for old_id in old_ids}
    ids = legacy_loyalty_writing.register(session, names, operator_id=house.operator_id, now=now)
    played = [
        (history.play(player_id or ids[external_id(history.household.old_id)], now), player_id is None)
        for history, player_id in some
    ]
    points_replay.write(session, [one.replay for one, _ in played])
    members = [
        NewMember(
            replay=one.replay,
            is_new=is_new,
            digest=_digest(one.household, rule),
            loaded=one.counts.purchased + one.counts.given,
            redeemed=one.counts.redemptions * COUPON_POINTS,
            short=one.counts.refused * COUPON_POINTS,
        )
        for one, is_new in played
    ]
    legacy_loyalty_writing.record(session, members, run_id=run_id)
    return [one for one, _ in played]
