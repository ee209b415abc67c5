"""What a partner is told about itself: name and link, accounts, terms, payouts, how many players.

For a partner's own transaction (`db.partner_reading`): the views asked here know whose it is.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, func, select, text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.models import PartnerAccount, PartnerPayout, PartnerStatement
from dashboard.models.partner_money import StatementState
from dashboard.queries import paging
from dashboard.queries.paging import Page, Place
from dashboard.services.partner_terms import DEFAULT_MINIMUM


@dataclass(frozen=True, slots=True)
class Self:
    """The partner who asks, and for whom it refers players."""

    id: int
    name: str
    code: str
    payout_details: str
    operator_name: str
    home_currency: str
    timezone: str
    referral_url: str | None
    """With `{code}` where the partner's code goes; None until the operator has written one."""

    @property
    def link(self) -> str | None:
        """What the partner hands out."""
        return self.referral_url.replace("{code}", self.code) if self.referral_url else None


@dataclass(frozen=True, slots=True)
class Account:
    """What was earned in one currency, in its minor units."""

    currency: str
    total: int
    pending: int
    approved: int
    """What approved statements made payable, also what has been paid since."""
    reserved: int
    paid: int
    stated: int
    """Earned in statements: with `pending`, all of `total` but what waits for its statement."""

    @property
    def available(self) -> int:
        """What can be asked for."""
        return self.approved - self.reserved - self.paid

    @property
    def unstated(self) -> int:
        """Approved, and part of the next statement."""
        return self.total - self.pending - self.stated


@dataclass(frozen=True, slots=True)
class TermsRow:
    """A version of the contract, as far as the partner is told."""

    version: int
    valid_from: dt.date
    loss_policy: str
    counts: str
    disclosure: str
    hold_days: int
    accepted_at: dt.datetime | None
    share_bp: int | None
    """Hundredths of a percent; None where it is not disclosed."""
    rate_bp: int | None
    minimums: Mapping[str, int]
    """By currency, in minor units."""


@dataclass(frozen=True, slots=True)
class PayoutRow:
    """Money that was asked for."""

    id: int
    currency: str
    amount: int
    payout_details: str
    state: str
    requested_at: dt.datetime
    approved_at: dt.datetime | None
    ended_at: dt.datetime | None
    reference: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Referred:
    """How many players are the partner's, and since when."""

    count: int
    since: int
    """Of these, how many came since the instant that was asked for."""


def in_force(terms: Sequence[TermsRow], today: dt.date) -> TermsRow:
    """Which of the versions, the newest first, holds for a player who comes today."""
    return next((each for each in terms if each.valid_from <= today), terms[-1])


def acceptable(terms: Sequence[TermsRow]) -> set[int]:
    """The versions that could be taken for earlier players too: those after the last one that was."""
    known = max((each.version for each in terms if each.accepted_at), default=1)
    return {each.version for each in terms if each.version > known}


def minimum(terms: TermsRow, currency: str) -> int:
    """What is paid at the least in a currency, in its minor units."""
    return terms.minimums.get(currency, money.from_whole(DEFAULT_MINIMUM, currency))


_SELF = text("""
SELECT id, name, code, payout_details, operator_name, home_currency, timezone, referral_url FROM partner_self
""")
_TERMS = text("""
SELECT version, valid_from, loss_policy, counts, disclosure, hold_days, accepted_at, share_bp, rate_bp,
       (SELECT coalesce(json_object_agg(m.currency, m.amount ORDER BY m.currency), '{}')
        FROM partner_term_minimums m WHERE m.version = t.version) AS minimums
FROM partner_terms t ORDER BY version DESC
""")
_REFERRED = text(
    "SELECT count(*) AS count, count(*) FILTER (WHERE since >= :start) AS since FROM partner_referred"
)
_PAYOUT = [getattr(PartnerPayout, name) for name in PayoutRow.__slots__]


def get_self(session: Session) -> Self:
    """Who asks."""
    return Self(*session.execute(_SELF).one())


def list_accounts(session: Session, *, partner_id: int, first: str) -> list[Account]:
    """One per currency, the currency `first` in front of the others."""
    account = PartnerAccount
    stated = (
        select(func.coalesce(func.sum(PartnerStatement.earned), 0).cast(BigInteger))
        .where(
            PartnerStatement.partner_id == partner_id,
            PartnerStatement.currency == account.currency,
            PartnerStatement.state != StatementState.DECLINED,
        )
        .scalar_subquery()
    )
    found = (
        select(
            account.currency,
            account.total,
            account.pending,
            account.approved,
            account.reserved,
            account.paid,
            stated,
        )
        .where(account.partner_id == partner_id)
        .order_by(account.currency != first, account.currency)
    )
    return [Account(*row) for row in session.execute(found)]


def list_terms(session: Session) -> list[TermsRow]:
    """Every version of the contract, the newest first."""
    return [TermsRow(*row) for row in session.execute(_TERMS)]


def count_referred(session: Session, *, start: dt.datetime) -> Referred:
    """How many players are the partner's now, and how many of them since `start`."""
    return Referred(*session.execute(_REFERRED, {"start": start}).one())


def page_of_payouts(session: Session, *, partner_id: int, after: str = "") -> Page[PayoutRow]:
    """What was asked for, the latest first."""

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[PayoutRow]:
        chosen = select(*_PAYOUT).where(PartnerPayout.partner_id == partner_id)
        if after is not None:
            chosen = chosen.where(PartnerPayout.id < after[0])
        found: Any = session.execute(chosen.order_by(PartnerPayout.id.desc()).limit(limit))
        return [PayoutRow(*row) for row in found]

    return paging.gather(fetch, lambda row: paging.write(row.id), after=paging.read(after, int))
