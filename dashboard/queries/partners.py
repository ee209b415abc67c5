"""Partners as the desk sees them: the list with its totals, one partner, what was agreed, who signs in."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, or_, select, text, tuple_
from sqlalchemy.orm import Session, aliased

from dashboard.errors import NotFound
from dashboard.models import Partner, PartnerAccount
from dashboard.queries import paging
from dashboard.queries.paging import Page, Place

FOUND_MAX = 6
SPARK_DAYS = 90
SPARK_STEP = 3
"""Days that one point of a sparkline stands for."""


class Order(StrEnum):
    """In which order the list comes, the id deciding between equals."""

    NAME = "name"
    NEWEST = "-added"
    LARGEST = "-total"
    """By what was earned in the shown currency."""


@dataclass(frozen=True, slots=True)
class PartnerFilter:
    """Which partners are wanted; what is empty does not matter."""

    search: str = ""
    """The beginning of a word of the name, or of the code."""
    status: str = ""
    currency: str = ""
    """Only those who earned in it, and only what they earned in it."""
    order: Order = Order.NAME


@dataclass(frozen=True, slots=True)
class AccountRow:
    """What a partner earned in one currency, in minor units."""

    partner_id: int
    currency: str
    total: int
    pending: int
    approved: int
    reserved: int
    paid: int
    closed_through: dt.date | None

    @property
    def available(self) -> int:
        """What can be asked to be paid out."""
        return self.approved - self.reserved - self.paid


@dataclass(frozen=True, slots=True)
class Line:
    """One currency of a partner in the list: the account, and what the last days earned."""

    account: AccountRow
    spark: tuple[int, ...]
    """Earned in SPARK_STEP days each, the oldest first."""

    @property
    def earned_lately(self) -> int:
        """What all of these days earned."""
        return sum(self.spark)


@dataclass(frozen=True, slots=True)
class PartnerRow:
    """A partner in the list."""

    id: int
    name: str
    code: str
    status: str
    rank: Any
    """What the list is ordered by."""
    players: int = 0
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Header:
    """Who a partner is. `referral_link` is None where the operator has no address for it."""

    id: int
    operator_id: int
    name: str
    code: str
    status: str
    payout_details: str
    created_by: str
    created_at: dt.datetime
    referral_url: str | None
    players: int
    waiting: int
    """Statements and payouts that are not decided yet."""
    accounts: tuple[AccountRow, ...] = field(default=())

    @property
    def referral_link(self) -> str | None:
        """The address that brings players."""
        return self.referral_url.replace("{code}", self.code) if self.referral_url else None


@dataclass(frozen=True, slots=True)
class ContractRow:
    """A version of what was agreed, the newest first. `minimums` by currency, in minor units."""

    version: int
    share_bp: int
    rate_bp: int
    loss_policy: str
    counts: str
    disclosure: str
    hold_days: int
    valid_from: dt.date
    made_by: str
    made_at: dt.datetime
    accepted_at: dt.datetime | None
    accepted_by: str | None
    """Name of the partner's user who took it for all players."""
    minimums: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class StatusRow:
    """A change of what a partner can do."""

    status: str
    since: dt.datetime
    reason: str
    made_by: str


@dataclass(frozen=True, slots=True)
class UserRow:
    """Somebody who signs in for a partner."""

    id: int
    name: str
    email: str
    active: bool
    last_seen_at: dt.datetime | None
    link_until: dt.datetime | None
    """How long the one-time link can be used that is out."""


@dataclass(frozen=True, slots=True)
class ReferredRow:
    """A player who is the partner's now."""

    player_id: int
    name: str
    external_id: str
    since: dt.datetime
    set_by: str


def page_of_partners(
    session: Session, *, operator_id: int, home: str, wanted: PartnerFilter, today: dt.date, after: str = ""
) -> Page[PartnerRow]:
    """The partners that fit, with their accounts and the last SPARK_DAYS days until `today`."""
    ranked = _ranked(operator_id, wanted.currency or home, wanted)

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[PartnerRow]:
        rows = _behind(ranked, wanted.order, after).limit(limit)
        return [PartnerRow(*row) for row in session.execute(rows)]

    kinds = (int,) if wanted.order is Order.NAME else (int, int)
    page = paging.gather(fetch, lambda row: _place(row, wanted.order), after=paging.read(after, *kinds))
    return Page(_filled(session, page.rows, home, wanted.currency, today), page.last, page.has_more)


def count_partners(session: Session, *, operator_id: int, wanted: PartnerFilter) -> int:
    """How many fit."""
    fitting = select(func.count()).select_from(Partner).where(*_fits(operator_id, wanted))
    return session.scalar(fitting) or 0


def sum_accounts(session: Session, *, operator_id: int) -> list[AccountRow]:
    """What all partners of the operator earned, by currency; `partner_id` is 0."""
    rows = session.execute(_SUMS, {"operator": operator_id})
    return [AccountRow(*row) for row in rows]


def get_partner(session: Session, *, operator_id: int, partner_id: int) -> Header:
    """One partner. Raises NotFound for another operator's."""
    row = session.execute(_HEADER, {"p": partner_id, "operator": operator_id}).mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such partner.")
    home = row["home"]
    accounts = _accounts(session, [partner_id], home, "")
    return Header(**{name: row[name] for name in row if name != "home"}, accounts=tuple(accounts))


def list_contracts(session: Session, *, partner_id: int) -> list[ContractRow]:
    """Every version, the newest first."""
    rows = session.execute(_CONTRACTS, {"p": partner_id}).mappings()
    return [ContractRow(**{**row, "minimums": row["minimums"] or {}}) for row in rows]


def list_status_changes(session: Session, *, partner_id: int) -> list[StatusRow]:
    """What the partner could do, the latest first."""
    return [StatusRow(*row) for row in session.execute(_STATUSES, {"p": partner_id})]


def list_users(session: Session, *, partner_id: int, now: dt.datetime) -> list[UserRow]:
    """Who signs in for the partner, by name."""
    return [UserRow(*row) for row in session.execute(_USERS, {"p": partner_id, "now": now})]


def page_of_referred(session: Session, *, partner_id: int, after: str = "") -> Page[ReferredRow]:
    """The players who are the partner's now, the latest first."""

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[ReferredRow]:
        since, player_id = after or (None, None)
        scope = {"p": partner_id, "since": since, "player": player_id, "limit": limit}
        return [ReferredRow(*row) for row in session.execute(_REFERRED, scope)]

    return paging.gather(
        fetch,
        lambda row: paging.write(row.since, row.player_id),
        after=paging.read(after, dt.datetime, int),
    )


def find_partners(session: Session, *, operator_id: int, typed: str) -> list[PartnerRow]:
    """Up to FOUND_MAX partners that the typed text fits, by name."""
    wanted = PartnerFilter(search=typed)
    rows = _ranked(operator_id, "", wanted).limit(FOUND_MAX)
    return [PartnerRow(*row) for row in session.execute(rows)]


def names_of_partners(session: Session, *, operator_id: int) -> dict[int, str]:
    """Every partner that is not blocked, by id, in the order of their names."""
    wanted = select(Partner.id, Partner.name).where(
        Partner.operator_id == operator_id, Partner.status != "blocked"
    )
    rows = session.execute(wanted.order_by(func.lower(Partner.name), Partner.id))
    return {row.id: row.name for row in rows}


_SUMS = text("""
SELECT 0, currency, sum(total)::bigint, sum(pending)::bigint, sum(approved)::bigint, sum(reserved)::bigint,
       sum(paid)::bigint, NULL::date
FROM partner_accounts WHERE operator_id = :operator GROUP BY currency ORDER BY currency
""")
_HEADER = text("""
SELECT p.id, p.operator_id, p.name, p.code, p.status, p.payout_details, p.created_by, p.created_at,
       o.referral_url, o.currency AS home,
       (SELECT count(*) FROM referrals r WHERE r.partner_id = p.id AND NOT EXISTS (
          SELECT FROM referrals n WHERE n.player_id = r.player_id AND n.since > r.since)) AS players,
       (SELECT count(*) FROM partner_statements s
        WHERE s.operator_id = p.operator_id AND s.state = 'closed' AND s.partner_id = p.id)
       + (SELECT count(*) FROM partner_payouts y
          WHERE y.operator_id = p.operator_id AND y.state IN ('requested', 'approved')
            AND y.partner_id = p.id) AS waiting
FROM partners p JOIN operators o ON o.id = p.operator_id
WHERE p.id = :p AND p.operator_id = :operator
""")
_CONTRACTS = text("""
SELECT k.version, k.share_bp, k.rate_bp, k.loss_policy, k.counts, k.disclosure, k.hold_days, k.valid_from,
       k.made_by, k.made_at, k.accepted_at, l.name AS accepted_by,
       (SELECT json_object_agg(m.currency, m.amount ORDER BY m.currency) FROM partner_minimums m
        WHERE m.contract_id = k.id) AS minimums
FROM partner_contracts k LEFT JOIN logins l ON l.id = k.accepted_by
WHERE k.partner_id = :p ORDER BY k.version DESC
""")
_STATUSES = text("""
SELECT status, since, reason, made_by FROM partner_status_changes
WHERE partner_id = :p ORDER BY since DESC, id DESC
""")
_USERS = text("""
SELECT l.id, l.name, l.email, l.active, l.last_seen_at,
       (SELECT max(k.expires_at) FROM one_time_links k
        WHERE k.login_id = l.id AND k.used_at IS NULL AND k.expires_at > :now)
FROM logins l WHERE l.partner_id = :p ORDER BY l.active DESC, lower(l.name), l.id
""")
_REFERRED = text("""
SELECT r.player_id, p.name, p.external_id, r.since, r.set_by
FROM referrals r JOIN players p ON p.id = r.player_id
WHERE r.partner_id = :p
  AND NOT EXISTS (SELECT FROM referrals n WHERE n.player_id = r.player_id AND n.since > r.since)
  AND (CAST(:since AS timestamptz) IS NULL
       OR (r.since, r.player_id) < (CAST(:since AS timestamptz), CAST(:player AS bigint)))
ORDER BY r.since DESC, r.player_id DESC LIMIT :limit
""")
_PLAYERS = text("""
SELECT r.partner_id, count(*) AS players FROM referrals r
WHERE r.partner_id = ANY(:ids)
  AND NOT EXISTS (SELECT FROM referrals n WHERE n.player_id = r.player_id AND n.since > r.since)
GROUP BY r.partner_id
""")
_SPARKS = text("""
SELECT partner_id, currency, (starts - CAST(:first AS date)) / :step AS place, sum(earned)::bigint
FROM partner_shown_periods
WHERE partner_id = ANY(:ids) AND kind = 'day' AND starts >= :first AND starts <= :today
GROUP BY 1, 2, 3
""")


def _fits(operator_id: int, wanted: PartnerFilter) -> Iterable[ColumnElement[bool]]:
    yield Partner.operator_id == operator_id
    if wanted.status:
        yield Partner.status == wanted.status
    if wanted.currency:
        yield exists().where(
            PartnerAccount.partner_id == Partner.id, PartnerAccount.currency == wanted.currency
        )
    for word in wanted.search.lower().split():
        beginning = re.sub(r"([\\%_])", r"\\\1", word)
        yield or_(
            (literal(" ") + func.lower(Partner.name)).like(f"% {beginning}%"),
            Partner.code.like(f"{beginning}%"),
        )


def _ranked(operator_id: int, currency: str, wanted: PartnerFilter) -> Select[*tuple[Any, ...]]:
    rank: ColumnElement[Any] = func.lower(Partner.name)
    account = aliased(PartnerAccount)
    if wanted.order is Order.NEWEST:
        rank = literal(0)
    elif wanted.order is Order.LARGEST:
        rank = func.coalesce(account.total, 0)
    rows: Any = select(Partner.id, Partner.name, Partner.code, Partner.status, rank.label("rank"))
    if wanted.order is Order.LARGEST:
        rows = rows.outerjoin(account, and_(account.partner_id == Partner.id, account.currency == currency))
    key = [rank, Partner.id]
    if wanted.order is not Order.NAME:
        key = [column.desc() for column in key]
    ordered: Select[*tuple[Any, ...]] = rows.where(*_fits(operator_id, wanted)).order_by(*key)
    return ordered


def _behind(ranked: Select[*tuple[Any, ...]], order: Order, after: Place | None) -> Select[*tuple[Any, ...]]:
    """Only what comes after a place; of a name the id alone stands in the URL."""
    if after is None:
        return ranked
    number, _name, _code, _status, rank = ranked.selected_columns
    if order is Order.NAME:
        name = select(func.lower(Partner.name)).where(Partner.id == after[0]).scalar_subquery()
        return ranked.where(tuple_(rank, number) > tuple_(name, literal(after[0])))
    return ranked.where(tuple_(rank, number) < tuple_(*map(literal, after)))


def _place(row: PartnerRow, order: Order) -> str:
    return paging.write(row.id) if order is Order.NAME else paging.write(row.rank, row.id)


def _filled(
    session: Session, rows: list[PartnerRow], home: str, currency: str, today: dt.date
) -> list[PartnerRow]:
    """The rows with their accounts, players and sparklines: three statements, however many rows."""
    ids = [row.id for row in rows]
    if not ids:
        return rows
    first = today - dt.timedelta(days=SPARK_DAYS - 1)
    sparks: dict[tuple[int, str], list[int]] = {}
    scope = {"ids": ids, "first": first, "today": today, "step": SPARK_STEP}
    for partner_id, code, place, earned in session.execute(_SPARKS, scope):
        sparks.setdefault((partner_id, code), [0] * (SPARK_DAYS // SPARK_STEP))[place] = earned
    players = {row.partner_id: row.players for row in session.execute(_PLAYERS, {"ids": ids})}
    lines: dict[int, list[Line]] = {}
    for account in _accounts(session, ids, home, currency):
        spark = sparks.get((account.partner_id, account.currency), [])
        lines.setdefault(account.partner_id, []).append(Line(account, tuple(spark)))
    return [
        PartnerRow(
            row.id,
            row.name,
            row.code,
            row.status,
            row.rank,
            players.get(row.id, 0),
            tuple(lines.get(row.id, ())),
        )
        for row in rows
    ]


def _accounts(session: Session, ids: Sequence[int], home: str, currency: str) -> list[AccountRow]:
    """The accounts of these partners, the home currency first; only one currency where one is named."""
    wanted = select(
        PartnerAccount.partner_id,
        PartnerAccount.currency,
        PartnerAccount.total,
        PartnerAccount.pending,
        PartnerAccount.approved,
        PartnerAccount.reserved,
        PartnerAccount.paid,
        PartnerAccount.closed_through,
    ).where(PartnerAccount.partner_id.in_(ids))
    if currency:
        wanted = wanted.where(PartnerAccount.currency == currency)
    wanted = wanted.order_by(
        PartnerAccount.partner_id, PartnerAccount.currency != home, PartnerAccount.currency
    )
    return [AccountRow(*row) for row in session.execute(wanted)]
