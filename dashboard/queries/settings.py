"""Settings as pages show them: of the operator, allowances, and changes that wait for another admin."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, select, text
from sqlalchemy.orm import Session, aliased

from dashboard.errors import NotFound
from dashboard.models import Login, Operator, SettingRequest, VipRuleVersion
from dashboard.models.change_request import SettingKind
from dashboard.services.operators import SETTINGS, Settings
from dashboard.services.vip_rules import Figures

LATEST = 50
_AMOUNTS = {name for name in Figures.__dataclass_fields__ if name != "drop_percent"} | {
    "per_change",
    "per_day",
}


@dataclass(frozen=True, slots=True)
class AllowanceRow:
    """What one person may move in one currency. Minor units."""

    currency: str
    per_change: int
    per_day: int


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that a request changes; `currency` where it is an amount in minor units."""

    name: str
    before: Any
    after: Any
    currency: str | None


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A change of a setting that somebody asked for."""

    id: int
    kind: str
    what: str
    """The kind in words."""
    about: str
    """What it is about, in words: `Gold in USD`, a name."""
    figures: list[Figure]
    reason: str
    state: str
    requested_by: int
    requester: str
    requested_at: dt.datetime
    lapses_at: dt.datetime
    decider: str | None
    decision_reason: str | None
    ended_at: dt.datetime | None


def get_settings(session: Session, *, operator_id: int) -> Settings:
    """The operator's settings."""
    wanted = select(*(getattr(Operator, name) for name in SETTINGS)).filter_by(id=operator_id)
    return Settings(*session.execute(wanted).one())


def list_allowances(session: Session, *, operator_id: int, login_id: int) -> list[AllowanceRow]:
    """One row for each currency that the operator has rules in, the home currency first."""
    rows = session.execute(_ALLOWANCES, {"operator": operator_id, "login": login_id})
    return [AllowanceRow(*row) for row in rows]


_ALLOWANCES = text("""
SELECT c.currency, coalesce(a.per_change, 0), coalesce(a.per_day, 0)
FROM (SELECT DISTINCT r.currency, r.currency <> o.currency AS is_further
      FROM vip_rules r JOIN operators o ON o.id = r.operator_id WHERE r.operator_id = :operator) AS c
LEFT JOIN allowances a ON a.login_id = :login AND a.currency = c.currency
ORDER BY c.is_further, c.currency
""")
_WHAT = {
    SettingKind.VIP_RULE: "VIP rule",
    SettingKind.ALLOWANCE: "Allowance",
    SettingKind.ROLE: "Role",
    SettingKind.OPERATOR: "Settings",
}
_Maker, _Decider = aliased(Login), aliased(Login)


def list_requests(session: Session, *, operator_id: int) -> list[SettingRow]:
    """What waits, the longest first, and then what ended last; at most LATEST in all."""
    wanted = (
        _rows(operator_id)
        .order_by(
            (SettingRequest.state != "waiting"), SettingRequest.ended_at.desc(), SettingRequest.requested_at
        )
        .limit(LATEST)
    )
    return _read(session, operator_id, list(session.execute(wanted)))


def get_request(session: Session, *, operator_id: int, request_id: int) -> SettingRow:
    """One request. Raises NotFound."""
    rows = _read(
        session, operator_id, list(session.execute(_rows(operator_id).where(SettingRequest.id == request_id)))
    )
    if not rows:
        raise NotFound("There is no such request.")
    return rows[0]


def _rows(operator_id: int) -> Select[*tuple[Any, ...]]:
    return (
        select(
            SettingRequest.id,
            SettingRequest.kind,
            SettingRequest.subject,
            SettingRequest.before,
            SettingRequest.after,
            SettingRequest.reason,
            SettingRequest.state,
            SettingRequest.requested_by,
            _Maker.name.label("requester"),
            SettingRequest.requested_at,
            SettingRequest.lapses_at,
            _Decider.name.label("decider"),
            SettingRequest.decision_reason,
            SettingRequest.ended_at,
        )
        .join(_Maker, _Maker.id == SettingRequest.requested_by)
        .outerjoin(_Decider, _Decider.id == SettingRequest.decided_by)
        .where(SettingRequest.operator_id == operator_id)
    )


def _read(session: Session, operator_id: int, rows: list[Row[Any]]) -> list[SettingRow]:
    """With what each is about in words, and its figures; two statements at most."""
    names: dict[str, str] = {}
    if any(row.kind in {SettingKind.ALLOWANCE, SettingKind.ROLE} for row in rows):
        people = session.execute(select(Login.id, Login.name).filter_by(operator_id=operator_id))
        names = {str(person.id): person.name for person in people}
    versions: dict[tuple[str, int], VipRuleVersion] = {}
    if any(row.kind == SettingKind.VIP_RULE for row in rows):
        found = session.scalars(select(VipRuleVersion).filter_by(operator_id=operator_id))
        versions = {(f"{rule.level}:{rule.currency}", rule.version): rule for rule in found}
    return [_row(row, names, versions) for row in rows]


def _row(row: Row[Any], names: dict[str, str], versions: dict[tuple[str, int], VipRuleVersion]) -> SettingRow:
    before, after = json.loads(row.before), json.loads(row.after)
    first, _, currency = row.subject.partition(":")
    about = {
        SettingKind.VIP_RULE: f"{'No level' if first == 'default' else first.capitalize()} in {currency}",
        SettingKind.ALLOWANCE: f"{names.get(first, first)} in {currency}",
        SettingKind.ROLE: names.get(first, first),
        SettingKind.OPERATOR: "The operator",
    }[SettingKind(row.kind)]
    if row.kind == SettingKind.VIP_RULE:
        rule = versions.get((row.subject, before["version"]))
        before = {name: getattr(rule, name, None) for name in after}
    figures = [
        Figure(name, before.get(name), value, currency if name in _AMOUNTS else None)
        for name, value in after.items()
        if before.get(name) != value
    ]
    return SettingRow(
        row.id,
        row.kind,
        _WHAT[SettingKind(row.kind)],
        about,
        figures,
        row.reason,
        row.state,
        row.requested_by,
        row.requester,
        row.requested_at,
        row.lapses_at,
        row.decider,
        row.decision_reason,
        row.ended_at,
    )
