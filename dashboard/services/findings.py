"""What a proof has to say: each thing that differs, in words, and the outcome as a whole."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Row

CAP = 20
"""So many findings of each check are told one by one; the rest is counted."""
LIFETIME = ("deposited", "withdrawn", "wagered", "turnover", "won", "real_losses", "bonus_losses", "largest")
"""The sums, and the largest amount, that a balance keeps over its journal."""


class Check(StrEnum):
    """What is proved. In this order the first is taken for the cause where several fail together."""

    SEQUENCE = "sequence"
    HASH = "hash"
    CONTINUITY = "continuity"
    REVERSAL = "reversal"
    ANCHORED = "anchored"
    BALANCE = "balance"
    LIFETIME = "lifetime"
    PENDING = "pending"
    REQUEST = "request"
    BONUS = "bonus"
    BET = "bet"
    PAYOUT = "payout"
    ROUND = "round"
    AMENDMENT = "amendment"
    EARNING = "earning"
    ROUND_EARNINGS = "round_earnings"
    PARTNER_ACCOUNT = "partner_account"
    SHOWN_PERIOD = "shown_period"
    STATEMENT_LINE = "statement_line"
    STATEMENT = "statement"
    STATEMENT_PAID = "statement_paid"
    POINTS_ENTRY = "points_entry"
    POINTS_TAKEN = "points_taken"
    POINTS_REFUND = "points_refund"
    POINTS_BATCH = "points_batch"
    POINTS_MONTH = "points_month"
    POINTS_DAY = "points_day"
    TIER = "tier"
    TIER_MEMBERS = "tier_members"
    CONVERSION = "conversion"
    POINTS_REQUEST = "points_request"
    DAILY_BALANCES = "daily_balances"
    DAILY_TOTALS = "daily_totals"
    HOURLY_TOTALS = "hourly_totals"
    DAILY_ACTIVITY = "daily_activity"
    TRIAL_BALANCE = "trial_balance"
    ANCHOR = "anchor"


_RANK = {check: rank for rank, check in enumerate(Check)}
_OF_AN_ENTRY = (Check.SEQUENCE, Check.HASH, Check.CONTINUITY, Check.REVERSAL)
_OVER_JOURNALS = (
    *(Check.TRIAL_BALANCE, Check.DAILY_TOTALS, Check.HOURLY_TOTALS, Check.DAILY_ACTIVITY),
    *(Check.POINTS_DAY, Check.TIER_MEMBERS),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that differs from what it must be."""

    check: Check
    message: str
    operator_id: int | None = None
    player_id: int | None = None
    external_id: str | None = None
    currency: str | None = None
    sequence: int | None = None
    """Of the entry at which it shows; None where it is about a balance, a sum or an anchor."""
    consequences: tuple[str, ...] = ()
    """What else differs, most likely because of this."""

    def as_json(self) -> dict[str, object]:
        """Its fields, for machines and for the record."""
        return {
            "check": str(self.check),
            "message": self.message,
            "operator_id": self.operator_id,
            "player_id": self.player_id,
            "external_id": self.external_id,
            "currency": self.currency,
            "sequence": self.sequence,
            "consequences": list(self.consequences),
        }


Words = Mapping[Check, Callable[[Row[Any]], Finding]]
"""What a row says that differs, by the check that it fails."""


class Found:
    """What the checks have found so far: all of it counted, the first of each check kept."""

    def __init__(self) -> None:
        self.totals: dict[Check, int] = defaultdict(int)
        self._kept: dict[Check, list[Finding]] = defaultdict(list)

    def add(self, finding: Finding) -> None:
        """Count one, and keep it unless CAP of its check are kept already."""
        self.totals[finding.check] += 1
        if len(self._kept[finding.check]) < CAP:
            self._kept[finding.check].append(finding)

    def merge(self, findings: Iterable[Finding], totals: Mapping[Check, int]) -> None:
        """Take over what a statement found: its first ones, and how many there are in all."""
        for finding in findings:
            self._kept[finding.check].append(finding)
        for check, total in totals.items():
            self.totals[check] += total

    def take(self, rows: Sequence[Row[Any]], words: Words) -> None:
        """Put into words what a statement returned: rows with `failed`, and the `total` of their check.

        The total counts also what the statement has cut off.
        """
        totals = {Check(row.failed): int(row.total) for row in rows}
        self.merge([words[Check(row.failed)](row) for row in rows], totals)

    def first(self) -> list[Finding]:
        """The first CAP of each check, by player, currency and sequence."""
        return [finding for kept in self._kept.values() for finding in sorted(kept, key=_place)[:CAP]]


@dataclass(frozen=True, slots=True)
class Covered:
    """How much there is that a proof went over."""

    entries: int
    """Of money."""
    balances: int
    points_entries: int
    loyalty_wallets: int


@dataclass(frozen=True, slots=True)
class Proof:
    """The outcome of one proof of everything."""

    started_at: dt.datetime
    seconds: float
    covered: Covered
    anchors: int
    findings: tuple[Finding, ...]
    """Causes first, with their consequences; at most about CAP of each check."""
    totals: Mapping[Check, int]
    """How many differ, by check: the whole count, where `findings` may be cut short."""

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.findings

    @property
    def entries_per_second(self) -> int:
        """How fast it went, everything included."""
        entries = self.covered.entries + self.covered.points_entries
        return round(entries / self.seconds) if self.seconds else 0

    def as_json(self) -> dict[str, object]:
        """The outcome for machines."""
        return {
            "ok": self.ok,
            **asdict(self.covered),
            "anchors": self.anchors,
            "seconds": round(self.seconds, 3),
            "entries_per_second": self.entries_per_second,
            "totals": {str(check): total for check, total in self.totals.items()},
            "findings": [finding.as_json() for finding in self.findings],
        }


def fold(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Put what one edit has caused under its likely cause; every message stays.

    Of one entry the first check that fails is the cause, and it also explains the break at the
    entry after it. What differs about a whole journal (balance, lifetime sums, anchored heads)
    follows from its first entry that differs, and a trial balance or a day's totals from any journal of
    their currency.
    """
    chains: dict[tuple[int | None, str | None], list[Finding]] = defaultdict(list)
    sums: list[Finding] = []
    others: list[Finding] = []
    for finding in findings:
        if finding.player_id is not None:
            chains[finding.player_id, finding.currency].append(finding)
        elif finding.check in _OVER_JOURNALS:
            sums.append(finding)
        else:
            others.append(finding)
    causes = sorted((cause for chain in chains.values() for cause in _of_one_chain(chain)), key=_place)
    for finding in sums:
        likely = [at for at, cause in enumerate(causes) if _explains(cause, finding)]
        if likely:
            # Rather one that moved money: something else differs because of it, too.
            at = next((at for at in likely if _moves_money(causes[at])), likely[0])
            causes[at] = _with(causes[at], [finding])
        else:
            causes.append(finding)
    return tuple(sorted(causes + others, key=lambda finding: _RANK[finding.check]))


def _of_one_chain(chain: list[Finding]) -> list[Finding]:
    entries = [finding for finding in chain if finding.check in _OF_AN_ENTRY]
    rest = [finding for finding in chain if finding.check not in _OF_AN_ENTRY]
    entries.sort(key=lambda finding: (finding.sequence or 0, _RANK[finding.check]))
    causes: list[Finding] = []
    for finding in entries:
        last = causes[-1] if causes else None
        same = last is not None and last.sequence == finding.sequence
        after = (
            last is not None
            and finding.check == Check.CONTINUITY
            and finding.sequence == (last.sequence or 0) + 1
        )
        if last is not None and (same or after):
            causes[-1] = _with(last, [finding])
        else:
            causes.append(finding)
    rest.sort(key=lambda finding: _RANK[finding.check])
    if not causes and rest:
        causes.append(rest.pop(0))
    if causes:
        causes[0] = _with(causes[0], rest)
    return causes


def _explains(cause: Finding, finding: Finding) -> bool:
    return (
        cause.player_id is not None
        and cause.currency == finding.currency
        and cause.operator_id in {None, finding.operator_id}
    )


def _moves_money(cause: Finding) -> bool:
    return bool(cause.consequences) or cause.check in {Check.BALANCE, Check.SEQUENCE}


def _place(finding: Finding) -> tuple[int, str, int]:
    return finding.player_id or 0, finding.currency or "", finding.sequence or 0


def _with(cause: Finding, consequences: Iterable[Finding]) -> Finding:
    told = [message for finding in consequences for message in (finding.message, *finding.consequences)]
    return replace(cause, consequences=(*cause.consequences, *told))
