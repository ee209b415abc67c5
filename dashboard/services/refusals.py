"""Changes that were refused: who wanted what, and every reason against it."""

import datetime as dt
import json

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import metrics
from dashboard.models.alert import AlertType, Severity
from dashboard.services import alerts, standings
from dashboard.services.actors import Actor
from dashboard.services.changes import ChangeRefused

_RECORD = text("""
INSERT INTO refusals (player_id, operator_id, currency, change_type, real_delta, bonus_delta, reason,
                      performed_by, idempotency_key, errors, refused_at)
SELECT w.player_id, w.operator_id, :currency, :change_type, :real_delta, :bonus_delta, :reason,
       :performed_by, :key, :errors, :now
FROM wallets w WHERE w.player_id = :player_id
ON CONFLICT (player_id, idempotency_key) DO NOTHING
RETURNING operator_id
""")


def record(session: Session, *, refused: ChangeRefused, actor: Actor, now: dt.datetime) -> None:
    """Keep who wanted what and why it was refused; raise an alert where a limit was the reason.

    For the edge, in a transaction of its own: the refusal has rolled back the first. Recording the
    same key twice keeps one row and one hit.
    """
    judgement = refused.judgement
    request, errors = judgement.request, judgement.validation.errors
    operator_id = session.scalar(
        _RECORD,
        {
            "player_id": request.player_id,
            "currency": request.currency,
            "change_type": request.change_type,
            "real_delta": request.real_delta,
            "bonus_delta": request.bonus_delta,
            "reason": request.reason,
            "performed_by": actor.reference,
            "key": request.idempotency_key,
            "errors": json.dumps([[problem.code, problem.message] for problem in errors]),
            "now": now,
        },
    )
    if operator_id is None:
        return
    metrics.note(session, "refusal", [problem.code for problem in errors])
    exceeded = [use for use in judgement.validation.limits if use.is_exceeded]
    if not exceeded:
        return
    standings.ensure(session, player_id=request.player_id, currency=request.currency, now=now)
    limit = min(use.limit for use in exceeded)
    hit = alerts.Hit(AlertType.LIMIT_EXCEEDED, Severity.WARNING, abs(request.real_delta), limit)
    outcome = alerts.Outcome((hit,), ())
    placed = alerts.Placed(request.player_id, request.currency, operator_id, None, outcome, now)
    alerts.apply(session, [placed])
