"""The last hours of the demo's cash desk: withdrawals that wait, were paid or cancelled, and a transfer."""

import datetime as dt
from collections.abc import Sequence
from random import Random

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.models.wallet import ChangeType
from dashboard.services import balances, withdrawals
from dashboard.services.actors import Actor
from dashboard.services.changes import ChangeRefused, Request

_READY = text("""
SELECT b.player_id, b.currency, b.real FROM balances b
JOIN wallets w ON w.player_id = b.player_id
WHERE b.operator_id = :operator AND w.status = 'active' AND b.pending = 0 AND b.real BETWEEN 20000 AND 500000
  AND NOT EXISTS (SELECT FROM bets x WHERE x.player_id = b.player_id)
ORDER BY md5(b.player_id::text) LIMIT :count
""")
_WAITING, _PAID, _CANCELLED = 8, 3, 2
_REASONS = (
    "Payout asked for by mail",
    "Payout to the usual account",
    "Monthly payout",
    "Payout, new account",
)


def ask(session: Session, *, operator_id: int, agents: Sequence[Actor], seed: int, now: dt.datetime) -> None:
    """Request withdrawals for some players, end a few of them, and make one transfer."""
    rng = Random(f"{seed}:payouts")  # noqa: S311 - a demo
    moment = now - dt.timedelta(seconds=20)
    count = _WAITING + _PAID + _CANCELLED
    ready = session.execute(_READY, {"operator": operator_id, "count": count + 2}).all()
    for number, row in enumerate(ready[:count]):
        agent = rng.choice(agents)
        at = now - dt.timedelta(minutes=rng.randrange(20, 2_000))
        amount = row.real * rng.randrange(20, 60) // 100 // 500 * 500
        request = Request(
            row.player_id,
            row.currency,
            ChangeType.WITHDRAWAL,
            -amount,
            rng.choice(_REASONS),
            f"demo:payout:{number}",
        )
        try:
            with session.begin_nested():
                asked = withdrawals.request(session, request=request, actor=agent, now=at)
        except ChangeRefused:
            continue
        if number < _PAID:
            row_of = withdrawals.lock(
                session, player_id=row.player_id, withdrawal_id=asked.withdrawal_id, actor=agent
            )
            examined = withdrawals.examine_payment(session, row_of, actor=agent, now=moment)
            withdrawals.pay(session, row_of, examined, actor=agent, now=moment)
        elif number < _PAID + _CANCELLED:
            withdrawals.cancel(
                session,
                player_id=row.player_id,
                withdrawal_id=asked.withdrawal_id,
                reason="Player prefers to go on playing",
                actor=agent,
                now=moment,
            )
    if len(ready) == count + 2:
        source, target = ready[-2:]
        request = Request(
            source.player_id,
            source.currency,
            ChangeType.TRANSFER,
            -50_00,
            "Between spouses, both agreed by phone",
            "demo:transfer",
            other_player=target.player_id,
        )
        balances.transfer(session, request=request, actor=agents[0], now=moment)
