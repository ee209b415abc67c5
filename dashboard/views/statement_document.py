"""What a partner's statement says as a document: every figure and word of it, ready to be typeset."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard import clock, money
from dashboard.models.operator import MoneyMode
from dashboard.models.partner import LossPolicy
from dashboard.models.partner_money import StatementState
from dashboard.queries.statements import DayRow, EarningRow, LineRow, Signatures, Statement, Sums
from dashboard.services.sessions import OperatorFacts

ROUNDS_MOST = 500
"""A statement with more of them has one line a day: nobody reads on, and the file has them one by one."""
BASIS = "Figures are calculated on the agreed share basis."
_STATES = {
    StatementState.CLOSED: "Closed, waits for a second person",
    StatementState.DECLINED: "Declined: the month is open again",
    StatementState.PAYABLE: "Payable",
    StatementState.PAID: "Paid",
    StatementState.ROLLED_OVER: "Carried over to the next statement",
}
_LOSSES = {
    LossPolicy.PER_ROUND: "never count",
    LossPolicy.PERIOD: "count within the month",
    LossPolicy.CARRY: "are carried on",
}

Rows = list[list[str]]


@dataclass(frozen=True, slots=True)
class Content:
    """What the document is made from."""

    operator: OperatorFacts
    partner_name: str
    statement: Statement
    terms: Mapping[int, tuple[int, int]]
    """Share and rate, in hundredths of a percent, of the contract versions that name them to the partner."""
    rounds: Sequence[EarningRow]
    """Those that may be seen by themselves; none where there are more than ROUNDS_MOST."""
    days: Sequence[DayRow]
    """The same by day, where they are too many."""
    few: Sums
    """What the statement holds beside them."""
    games: Mapping[int, str]
    signatures: Signatures | None = None
    """Who closed and decided it; None for the partner, who is told when."""

    @property
    def made_at(self) -> dt.datetime:
        """When the statement came to what it is, so that the same statement is the same file."""
        head = self.statement.head
        return head.paid_at or head.decided_at or head.closed_at


def data_of(content: Content) -> dict[str, Any]:
    """All that the layout asks for."""
    head = content.statement.head
    show = _shower(head.currency)
    month = f"{head.month:%B %Y}"
    return {
        "title": f"Statement for {month}",
        "running": f"{content.partner_name} · {month} · {head.currency}",
        "operator": content.operator.name,
        "number": f"Statement {head.id}",
        "partner": content.partner_name,
        "currency": head.currency,
        "notice": "Play money" if content.operator.money == MoneyMode.PLAY else "",
        "basis": BASIS,
        "facts": _facts(content),
        "result": _result(content, show),
        "sums": _sums(content, show),
        "notes": _notes(content, show),
        "lines": _lines(content, show),
        "rounds": _rounds(content, show),
    }


def _facts(content: Content) -> Rows:
    head, signed = content.statement.head, content.signatures
    zone = content.operator.timezone

    def when(at: dt.datetime, who: str | None) -> str:
        wall = clock.local(at, zone)
        return f"{wall.day} {wall:%b %Y, %H:%M}" + (f", {who}" if who else "")

    last = (head.month + dt.timedelta(days=32)).replace(day=1) - dt.timedelta(days=1)
    facts = [
        ["Period", f"{head.month.day} to {last.day} {last:%B %Y}, {zone}"],
        ["State", _STATES[StatementState(head.state)]],
        ["Closed", when(head.closed_at, signed.closed_by if signed else None)],
    ]
    if head.decided_at:
        word = "Declined" if head.state == StatementState.DECLINED else "Approved"
        facts.append([word, when(head.decided_at, signed.decided_by if signed else None)])
    if head.paid_at:
        facts.append(["Paid", when(head.paid_at, None)])
    return facts


def _result(content: Content, show: Callable[[int], str]) -> dict[str, str]:
    head = content.statement.head
    if not head.payable:
        return {"label": "Carried over", "amount": show(head.carried)}
    labels = {StatementState.CLOSED: "Payable once approved", StatementState.PAID: "Paid"}
    return {"label": labels.get(StatementState(head.state), "Payable"), "amount": show(head.payable)}


def _sums(content: Content, show: Callable[[int], str]) -> dict[str, Any]:
    head = content.statement.head
    corrected = sum(line.corrected for line in content.statement.lines)
    rows = [
        ["Opening, carried over from the statement before", show(head.opening)],
        ["Earned by rounds", show(head.earned - corrected)],
    ]
    if corrected:
        rows.append(["Corrections of rounds that had been settled before", show(corrected)])
    if head.written_off:
        rows.append(["Losses written off", show(head.written_off)])
    return {"rows": rows, "total": ["Closing", show(head.closing)]}


def _notes(content: Content, show: Callable[[int], str]) -> list[str]:
    head = content.statement.head
    least = f"A statement is payable from {show(head.minimum)} {head.currency} on."
    if head.payable:
        return [least]
    return [f"{least} The next one begins with {show(head.carried)} {head.currency}."]


def _lines(content: Content, show: Callable[[int], str]) -> dict[str, Any]:
    """One row per contract version; share and rate stand there as soon as one of them names them."""
    lines, terms = content.statement.lines, content.terms
    names_terms = any(line.contract_version in terms for line in lines)
    heads = ["Version", "Losses", "Rows", "Bets", "Payouts", "Profit", "Earned", "Corrected", "Written off"]

    def named(line: LineRow) -> list[str]:
        if not names_terms:
            return []
        return (
            [percent(part) for part in terms[line.contract_version]]
            if line.contract_version in terms
            else ["–", "–"]
        )

    rows = [
        [
            str(line.contract_version),
            _LOSSES[LossPolicy(line.loss_policy)],
            *named(line),
            f"{line.rows:,}",
            *(
                show(figure)
                for figure in (
                    line.bets,
                    line.payouts,
                    line.profit,
                    line.earned,
                    line.corrected,
                    line.written_off,
                )
            ),
        ]
        for line in lines
    ]
    head = content.statement.head
    corrected = sum(line.corrected for line in lines)
    return {
        "heads": [*heads[:2], *(["Share", "Rate"] if names_terms else []), *heads[2:]],
        "rows": rows,
        "total": [
            "All",
            "",
            *(["", ""] if names_terms else []),
            f"{head.rows:,}",
            *map(show, (head.bets, head.payouts, head.profit, head.earned, corrected, head.written_off)),
        ],
    }


def _rounds(content: Content, show: Callable[[int], str]) -> dict[str, Any]:
    """The rounds, or the days that stand for them; with those of few players they add up to the statement."""
    head, few = content.statement.head, content.few
    if head.state == StatementState.DECLINED:
        return {"title": "", "kinds": [], "heads": [], "rows": [], "total": [], "note": ""}

    def figures(row: EarningRow | DayRow | Sums | Any) -> list[str]:
        return [show(figure) for figure in (row.bets, row.payouts, row.profit, row.earned)]

    sums = ["Bets", "Payouts", "Profit", "Earned"]
    if content.days:
        table = {
            "title": "Rounds by day",
            "kinds": ["wide", "number", *["number"] * 4],
            "heads": ["Day", "Rows", *sums],
            "rows": [[_day(row.day), f"{row.rows:,}", *figures(row)] for row in content.days],
            "note": "The rounds one by one are in the statement's CSV.",
        }
        rest = ["Rounds with few players", f"{few.rows:,}", *figures(few)]
        total = ["All", f"{head.rows:,}", *figures(head)]
    else:
        table = {
            "title": "Rounds",
            "kinds": ["text", "number", "wide", *["number"] * 5],
            "heads": ["Day", "Round", "Game", "Players", *sums],
            "rows": [
                [
                    _day(row.day),
                    str(row.round_number),
                    _game(row, content.games),
                    _players(row),
                    *figures(row),
                ]
                for row in content.rounds
            ],
            "note": "",
        }
        rest = ["", "", f"Rounds with few players: {few.rows:,}", "", *figures(few)]
        total = ["All", "", "", "", *figures(head)]
    rows = [*table["rows"], rest] if few.rows else table["rows"]
    return {**table, "rows": rows, "total": total}


def _game(row: EarningRow, games: Mapping[int, str]) -> str:
    name = games.get(row.game_id, f"Game {row.game_id}")
    return f"{name}, correction" if row.settlement_version > 1 else name


def _players(row: EarningRow) -> str:
    """A correction tells who came or went: seldom anybody."""
    return str(row.players) if row.settlement_version == 1 else ""


def _day(day: dt.date) -> str:
    return f"{day.day} {day:%b}"


def percent(hundredths: int) -> str:
    """`50 %`, `12.5 %`, from hundredths of a percent."""
    text = f"{hundredths // 100}.{hundredths % 100:02d}".rstrip("0").rstrip(".")
    return f"{text} %"


def _shower(currency: str) -> Callable[[int], str]:
    return lambda minor: money.show(minor, currency)
