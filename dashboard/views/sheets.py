"""What each list holds as a file: its columns, from the rows that the list itself shows."""

import json
from collections.abc import Sequence, Set

from dashboard.models.alert import AlertType
from dashboard.queries import staff
from dashboard.queries.alerts import AlertRow
from dashboard.queries.audit import LogRow
from dashboard.queries.bulk import Line
from dashboard.queries.desk import RecentRow
from dashboard.queries.journal import EntryRow
from dashboard.queries.player_list import PlayerRow
from dashboard.queries.rounds import RoundRow
from dashboard.services import andar_bahar
from dashboard.services.bulk_rows import COLUMNS
from dashboard.services.exports import Amount, Column

Names = dict[int, str]


def players(names: Names, currency: str) -> Sequence[Column]:
    """Of the list of players; `currency` is the one that their balances are shown in."""

    def agent(row: PlayerRow) -> str:
        return names.get(row.agent_id, "") if row.agent_id else ""

    return [
        Column("Player id", "number", lambda row: row.id),
        Column("Player", "text", lambda row: row.name),
        Column("External id", "text", lambda row: row.external_id),
        Column("E-mail", "text", lambda row: row.email),
        Column("Status", "text", lambda row: row.status),
        Column("VIP level", "text", lambda row: row.level),
        Column("Agent", "text", agent),
        Column("Currency", "text", lambda _row: currency),
        Column("Real", "amount", lambda row: Amount(row.real, currency)),
        Column("Bonus", "amount", lambda row: Amount(row.bonus, currency)),
        Column("Last change", "time", lambda row: row.last_activity_at),
        Column("Alerts", "number", lambda row: row.alerts),
    ]


def journal() -> Sequence[Column]:
    """Of one balance's journal."""

    def amount(label: str, field: str) -> Column:
        def value(row: EntryRow) -> Amount:
            return Amount(getattr(row, field), row.currency)

        return Column(label, "amount", value)

    return [
        Column("Entry", "number", lambda row: row.sequence),
        Column("Time", "time", lambda row: row.created_at),
        Column("Type", "text", lambda row: row.change_type),
        Column("Currency", "text", lambda row: row.currency),
        amount("Real change", "real_delta"),
        amount("Bonus change", "bonus_delta"),
        amount("Real after", "real_after"),
        amount("Bonus after", "bonus_after"),
        Column("Reason", "text", lambda row: row.reason),
        Column("Reference", "text", lambda row: row.reference),
        Column("By", "text", lambda row: row.by),
        Column("Risk", "number", lambda row: row.risk_score),
        Column("Reverses", "number", lambda row: row.reverses),
        Column("Reversed by", "number", lambda row: row.reversed_by),
    ]


def recent_changes(names: Names) -> Sequence[Column]:
    """Of the changes over all players."""

    def who(row: RecentRow) -> str:
        return staff.name_of(row.performed_by, names)

    return [
        Column("Time", "time", lambda row: row.created_at),
        Column("Player id", "number", lambda row: row.player_id),
        Column("Player", "text", lambda row: row.player_name),
        Column("External id", "text", lambda row: row.external_id),
        Column("Entry", "number", lambda row: row.sequence),
        Column("Type", "text", lambda row: row.change_type),
        Column("Currency", "text", lambda row: row.currency),
        Column("Real change", "amount", lambda row: Amount(row.real_delta, row.currency)),
        Column("Bonus change", "amount", lambda row: Amount(row.bonus_delta, row.currency)),
        Column("Real after", "amount", lambda row: Amount(row.real_after, row.currency)),
        Column("Reason", "text", lambda row: row.reason),
        Column("By", "text", who),
        Column("Risk", "number", lambda row: row.risk_score),
    ]


_LINES_IN_MONEY = {
    AlertType.WARNING,
    AlertType.CRITICAL,
    AlertType.NEGATIVE,
    AlertType.LIMIT_EXCEEDED,
    AlertType.HELD_REFUSED,
}
# What is missing is money, and the line so many days.
_IN_MONEY = _LINES_IN_MONEY | {AlertType.TIER_ENDING}


def rounds() -> Sequence[Column]:
    """Of the history of rounds. The seed stands there as soon as it may be known."""

    def amount(label: str, field: str) -> Column:
        return Column(label, "amount", lambda row: Amount(getattr(row, field), row.currency))

    def settled(label: str, field: str) -> Column:
        def value(row: RoundRow) -> Amount | None:
            return Amount(getattr(row, field), row.currency) if row.version else None

        return Column(label, "amount", value)

    return [
        Column("Round id", "number", lambda row: row.id),
        Column("Game", "text", lambda row: row.game_name),
        Column("Number", "number", lambda row: row.number),
        Column("Dealing", "text", lambda row: row.dealing),
        Column("Rules", "text", lambda row: f"{row.rules_name} {row.rules_version}"),
        Column("State", "text", lambda row: row.state),
        Column("Opened", "time", lambda row: row.opened_at),
        Column("Ended", "time", lambda row: row.ended_at),
        Column("Joker", "text", lambda row: "" if row.joker is None else andar_bahar.name(row.joker)),
        Column("Cards", "text", lambda row: " ".join(map(andar_bahar.name, row.cards))),
        Column("Winner", "text", lambda row: row.winner),
        Column("Bets", "number", lambda row: row.bets),
        Column("Players", "number", lambda row: row.players),
        Column("Currency", "text", lambda row: row.currency),
        amount("Staked", "staked"),
        settled("Paid", "paid"),
        settled("House kept", "profit"),
        Column("Settlement version", "number", lambda row: row.version or None),
        Column("Commitment", "text", lambda row: row.commitment.hex() if row.commitment else ""),
        Column("Seed", "text", lambda row: row.seed.hex() if row.seed else ""),
        Column("Public salt", "text", lambda row: row.public_salt),
        Column("Void because", "text", lambda row: row.void_reason),
    ]


def alerts() -> Sequence[Column]:
    """Of the inbox of alerts. What an alert has seen is money for some types, and a number for others."""

    def money(label: str, field: str, of: Set[str]) -> Column:
        def value(row: AlertRow) -> Amount | None:
            return Amount(getattr(row, field), row.currency) if row.type in of else None

        return Column(label, "amount", value)

    def number(label: str, field: str, but_of: Set[str]) -> Column:
        def value(row: AlertRow) -> int | None:
            return None if row.type in but_of else getattr(row, field)

        return Column(label, "number", value)

    return [
        Column("Alert id", "number", lambda row: row.id),
        Column("Type", "text", lambda row: row.type),
        Column("Severity", "text", lambda row: row.severity),
        Column("State", "text", lambda row: row.state),
        Column("Player id", "number", lambda row: row.player_id),
        Column("Player", "text", lambda row: row.player_name),
        Column("External id", "text", lambda row: row.external_id),
        Column("Agent", "text", lambda row: row.agent),
        Column("Currency", "text", lambda row: row.currency),
        money("Peak", "peak", _IN_MONEY),
        money("Line", "threshold", _LINES_IN_MONEY),
        number("Peak, %, score or points", "peak", _IN_MONEY),
        number("Line, %, score or days", "threshold", _LINES_IN_MONEY),
        Column("Entry", "number", lambda row: row.sequence),
        Column("Times", "number", lambda row: row.hits),
        Column("Raised", "time", lambda row: row.raised_at),
        Column("Last hit", "time", lambda row: row.last_hit_at),
        Column("Assigned to", "text", lambda row: row.assigned_to),
        Column("Acknowledged by", "text", lambda row: row.acknowledged_by),
        Column("Acknowledged", "time", lambda row: row.acknowledged_at),
        Column("Note", "text", lambda row: row.note),
        Column("Snoozed until", "time", lambda row: row.snoozed_until),
        Column("Resolved by", "text", lambda row: row.resolved_by),
        Column("Resolved", "time", lambda row: row.resolved_at),
        Column("Resolution", "text", lambda row: row.resolution),
    ]


def staff_log(names: Names) -> Sequence[Column]:
    """Of the staff log."""

    def who(row: LogRow) -> str:
        return staff.name_of(row.performed_by, names)

    def details(row: LogRow) -> str:
        return json.dumps(row.details, ensure_ascii=False) if row.details else ""

    return [
        Column("Line", "number", lambda row: row.id),
        Column("Time", "time", lambda row: row.logged_at),
        Column("Who", "text", who),
        Column("Action", "text", lambda row: row.action),
        Column("Player id", "number", lambda row: row.player_id),
        Column("Player", "text", lambda row: row.player_name),
        Column("Details", "text", details),
        Column("From", "text", lambda row: row.address),
        Column("Request", "text", lambda row: row.request_id),
    ]


def bulk_lines() -> Sequence[Column]:
    """Of a list of changes, as it was typed, so that it can be mended and sent again."""

    def typed(name: str) -> Column:
        def value(row: Line) -> str:
            return row.cells[name]

        return Column(name.capitalize(), "text", value)

    return [
        *(typed(name) for name in COLUMNS),
        Column("Line", "number", lambda row: row.line),
        Column("Refused because", "text", lambda row: row.message),
    ]
