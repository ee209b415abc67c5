"""The demo's year with its partners: months closed and decided, payouts asked for, approved and paid."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.errors import Rejected
from dashboard.services import partner_approvals, partner_payouts, partner_statements
from dashboard.services.actors import Actor
from dashboard.services.demo.account import House
from dashboard.services.demo.partners import Partner
from dashboard.services.partner_statements import following

MONTHS = 12
_CLOSED_AFTER_DAYS = 9
"""When a month is closed its last earnings are approved, where the hold is a week."""
_UNPAID_MONTHS = 4
"""For so many last ones nothing is asked for, but at the end."""
_REFUSED_AFTER_MONTHS = 3
_CLOSED = text("""
SELECT id, partner_id FROM partner_statements
WHERE operator_id = :operator AND state = 'closed' ORDER BY partner_id, month
""")
_AVAILABLE = text("""
SELECT approved - reserved - paid FROM partner_accounts WHERE partner_id = :p AND currency = :c
""")
_WAS_REJECTED = text(
    "SELECT EXISTS (SELECT FROM partner_payouts WHERE partner_id = :p AND state = 'rejected')"
)
_LATEST_PENDING = text("""
SELECT id FROM partner_shown_earnings WHERE partner_id = :p AND state = 'pending' ORDER BY id DESC LIMIT 1
""")

Act = tuple[dt.datetime, Callable[[Session], None]]


@dataclass(frozen=True, slots=True)
class Months:
    """What the desk and its partners do about the money of a year."""

    house: House
    partners: Sequence[Partner]
    manager: Actor
    admin: Actor

    def acts(self, first: dt.date) -> Iterator[Act]:
        """What is done about every month from that one on that is over, in order of time."""
        this_month = clock.local(self.house.now, self.house.timezone).date().replace(day=1)
        ended = [month for month in _months(first, this_month) if self._at(month) < self.house.now]
        for number, month in enumerate(ended, start=1):
            closed_at = self._at(month)
            yield closed_at, partial(self._close, month=month, at=closed_at)
            decided_at = closed_at + dt.timedelta(days=1, hours=2)
            is_last = number == len(ended)
            yield decided_at, partial(self._decide, at=decided_at, is_last=is_last)
            if number <= len(ended) - _UNPAID_MONTHS:
                yield from self._paid(decided_at, month, is_doubted=number > _REFUSED_AFTER_MONTHS)

    def leave(self, session: Session) -> None:
        """How it stands when the demo begins: payouts that wait, one earning that was rejected."""
        now = self.house.now
        self._approve_due(session, now)
        largest, second = (partner for partner in self.partners if partner.user)
        self._ask(session, largest, key="demo-last", at=now - dt.timedelta(hours=5))
        waiting = self._ask(session, second, key="demo-last", at=now - dt.timedelta(hours=30))
        if waiting is not None:
            partner_payouts.approve(
                session, payout_id=waiting, actor=self.manager, now=now - dt.timedelta(hours=4)
            )
        earning = session.scalar(_LATEST_PENDING, {"p": second.id})
        if earning is not None:
            partner_approvals.reject(
                session,
                partner_id=second.id,
                earning_ids=[earning],
                reason="Played by somebody of the partner's own house",
                actor=self.manager,
                now=now - dt.timedelta(minutes=50),
            )

    def _at(self, month: dt.date) -> dt.datetime:
        """When a month is closed."""
        on = following(month) + dt.timedelta(days=_CLOSED_AFTER_DAYS)
        return clock.between(on, on + dt.timedelta(days=1), self.house.timezone).start + dt.timedelta(
            hours=10
        )

    def _close(self, session: Session, *, month: dt.date, at: dt.datetime) -> None:
        self._approve_due(session, at)
        partner_statements.close_month(
            session, operator_id=self.manager.operator_id, month=month, actor=self.manager, now=at
        )

    def _approve_due(self, session: Session, at: dt.datetime) -> None:
        while partner_approvals.approve_due(session, now=at):
            pass

    def _decide(self, session: Session, *, at: dt.datetime, is_last: bool) -> None:
        """Approve what the manager closed; of the last month, that of the largest partner waits."""
        for row in session.execute(_CLOSED, {"operator": self.admin.operator_id}).all():
            if is_last and row.partner_id == self.partners[0].id:
                continue
            partner_statements.approve(
                session,
                statement_id=row.id,
                reason="Held against the report of the games",
                actor=self.admin,
                now=at,
            )

    def _paid(self, decided_at: dt.datetime, month: dt.date, *, is_doubted: bool) -> Iterator[Act]:
        """Everything that is available is asked for a day later and paid the day after."""
        for partner in self.partners:
            if partner.user is None:
                continue
            asked_at = decided_at + dt.timedelta(days=1, minutes=partner.id)
            if is_doubted and partner is self.partners[0]:
                yield (
                    asked_at,
                    partial(self._ask_in_vain, partner=partner, key=f"demo-{month}-1", at=asked_at),
                )
                asked_at += dt.timedelta(hours=5)
            yield asked_at, partial(self._pay, partner=partner, key=f"demo-{month}", at=asked_at)

    def _pay(self, session: Session, *, partner: Partner, key: str, at: dt.datetime) -> None:
        payout_id = self._ask(session, partner, key=key, at=at)
        if payout_id is None:
            return
        approved_at, paid_at = at + dt.timedelta(hours=3), at + dt.timedelta(hours=26)
        partner_payouts.approve(session, payout_id=payout_id, actor=self.manager, now=approved_at)
        partner_payouts.pay(
            session,
            payout_id=payout_id,
            reference=f"SEPA-{at:%y%m%d}-{payout_id:04}",
            actor=self.admin,
            now=paid_at,
        )

    def _ask_in_vain(self, session: Session, *, partner: Partner, key: str, at: dt.datetime) -> None:
        """Once in the year the first request is rejected."""
        if session.scalar(_WAS_REJECTED, {"p": partner.id}):
            return
        payout_id = self._ask(session, partner, key=key, at=at)
        if payout_id is not None:
            partner_payouts.reject(
                session,
                payout_id=payout_id,
                reason="The account's name is not the company's; please ask again",
                actor=self.manager,
                now=at + dt.timedelta(hours=2),
            )

    def _ask(self, session: Session, partner: Partner, *, key: str, at: dt.datetime) -> int | None:
        """A request for everything that is available; None where that is too little."""
        if partner.user is None:
            return None
        scope = {"p": partner.id, "c": self.house.currency}
        try:
            return partner_payouts.request(
                session,
                partner_id=partner.id,
                currency=self.house.currency,
                amount=session.scalar(_AVAILABLE, scope) or 0,
                idempotency_key=key,
                actor=partner.user,
                now=at,
            )
        except Rejected:
            return None


def _months(first: dt.date, end: dt.date) -> Iterator[dt.date]:
    while first < end:
        yield first
        first = following(first)
