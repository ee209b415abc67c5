"""What waits for a second person when the demo begins, and what has been decided or forgotten of late."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.models.change_request import RequestState
from dashboard.models.wallet import ChangeType
from dashboard.services import change_requests, submissions
from dashboard.services.actors import Actor
from dashboard.services.changes import ChangeRefused, Request
from dashboard.services.submissions import TypeAgain

# Players at rest, so that what is approved comes after all that has happened to them; not those of the
# tables, whose balance is the cards'.
_AT_REST = text("""
SELECT b.player_id, b.currency FROM balances b
JOIN wallets w ON w.player_id = b.player_id
WHERE b.operator_id = :operator AND w.status = 'active' AND b.pending = 0
  AND b.real BETWEEN 100000 AND 2000000 AND b.updated_at < :since
  AND NOT EXISTS (SELECT FROM bets x WHERE x.player_id = b.player_id)
ORDER BY md5('requests' || b.player_id) LIMIT :count
""")
_FROZEN = text("""
SELECT player_id FROM wallets WHERE operator_id = :operator AND status = 'frozen'
ORDER BY md5('requests' || player_id) LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class _Plan:
    """Who asked for what how long ago, and what became of it."""

    who: str
    hours_ago: float
    amount: int
    reason: str
    ends: RequestState = RequestState.WAITING
    by: str = "manager@example.com"
    because: str = ""


_AGENT, _SECOND, _THIRD = "agent@example.com", "s.haddad@example.com", "k.mensah@example.com"
_MANAGER, _ADMIN = "manager@example.com", "admin@example.com"
_PLANS = (
    _Plan(_AGENT, 3.2, 640_00, "Card deposit TR-88213 never credited, bank confirms"),
    _Plan(_SECOND, 2.1, 850_00, "Jackpot of the evening table, paid late"),
    _Plan(_THIRD, 1.4, -725_50, "Credited twice by the payment provider, ticket 40418"),
    _Plan(_AGENT, 0.6, 510_00, "Goodwill after the outage of Tuesday"),
    _Plan(_MANAGER, 5.0, 4_200_00, "Settlement agreed with the player's lawyer"),
    _Plan(
        _AGENT,
        7.0,
        900_00,
        "Bank transfer booked to the wrong player",
        RequestState.APPROVED,
        because="Statement of the bank seen",
    ),
    _Plan(
        _MANAGER,
        6.2,
        2_500_00,
        "Refund of the cancelled tour package",
        RequestState.APPROVED,
        by=_ADMIN,
        because="As agreed in the round of Monday",
    ),
    _Plan(
        _SECOND,
        4.4,
        990_00,
        "Player says a bonus is missing",
        RequestState.DECLINED,
        because="No such bonus ran that week, see the mail",
    ),
    _Plan(_MANAGER, 24 * 9, 1_800_00, "Chargeback, waiting for the bank's letter", RequestState.LAPSED),
)


def ask(
    session: Session, *, operator_id: int, staff_by_email: Mapping[str, Actor], seed: int, now: dt.datetime
) -> None:
    """Ask for some changes above the threshold, decide a few, let one lapse, ask for one unfreezing."""
    rng = Random(f"{seed}:requests")  # noqa: S311 - a demo
    since = now - dt.timedelta(hours=max(plan.hours_ago for plan in _PLANS if plan.hours_ago < 24))
    at_rest = session.execute(_AT_REST, {"operator": operator_id, "since": since, "count": 3 * len(_PLANS)})
    places = iter(at_rest.all())
    for number, plan in enumerate(sorted(_PLANS, key=lambda plan: -plan.hours_ago)):
        # Refused where the player's own limits or line stand in the way: then the next one is asked for.
        asked_at = now - dt.timedelta(hours=plan.hours_ago)
        for place in places:
            request = Request(
                place.player_id,
                place.currency,
                ChangeType.ADJUSTMENT,
                plan.amount,
                plan.reason,
                f"demo:request:{number}",
                reference=f"TICKET-{rng.randrange(10_000, 99_999)}",
            )
            if _asked(session, plan, request, staff_by_email, asked_at):
                break
    change_requests.lapse(session, now=now)
    frozen = session.scalar(_FROZEN, {"operator": operator_id})
    if frozen is not None:
        submissions.submit_unfreeze(
            session,
            player_id=frozen,
            reason="Papers received by mail",
            actor=staff_by_email[_AGENT],
            idempotency_key="demo:unfreeze",
            now=now - dt.timedelta(minutes=25),
        )


def _asked(
    session: Session, plan: _Plan, request: Request, staff_by_email: Mapping[str, Actor], at: dt.datetime
) -> bool:
    """Ask, and decide an hour later where that is the plan; whether the rules let it come so far."""
    try:
        with session.begin_nested():
            done = submissions.submit(
                session,
                request=request,
                actor=staff_by_email[plan.who],
                now=at,
                amount_again=request.amount,
            )
    except (ChangeRefused, TypeAgain):
        return False
    if done.request_id is None or done.state != RequestState.WAITING:
        return False
    decide = {
        RequestState.APPROVED: change_requests.approve,
        RequestState.DECLINED: change_requests.decline,
    }.get(plan.ends)
    if decide is not None:
        decide(
            session,
            player_id=request.player_id,
            request_id=done.request_id,
            reason=plan.because,
            actor=staff_by_email[plan.by],
            now=at + dt.timedelta(minutes=55),
        )
    return True
