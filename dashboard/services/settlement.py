"""Settling a round: who claims it, what it paid, and how a wrong result is put right.

Three transactions: the claim, by the round's state; the money (`settlement_money`), exact when it commits;
then what the players of a game share (`settlement_totals`). Each begins with the lock of the settlement's
row and asks what is done already, so that a second call, a retry or a crash in the middle resumes, and
pays nobody twice. A result that was wrong, or a settled round that is voided, is the next version: by staff
only as `round_requests` lets them, with the yes of another person.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models.game import Dealing, RoundState
from dashboard.services import rule_sets, settlement_money, settlement_totals, staff_log
from dashboard.services.actors import Actor
from dashboard.services.andar_bahar import Deal
from dashboard.services.transact import Transact

REASON_MAX = 500


@dataclass(frozen=True, slots=True)
class Amendment:
    """What a settled round is to become: settled by what lay on the table or, without cards, void."""

    joker: int | None = None
    cards: Sequence[int] | None = None


def settle(transact: Transact, *, round_id: int, actor: Actor, now: dt.datetime) -> None:
    """Settle a round whose match has fallen, or finish what somebody has begun.

    Raises NotFound; Conflict while there is no result yet, or when nothing is left to do.
    """
    version = transact(partial(claim, round_id=round_id, actor=actor, now=now))
    finish(transact, round_id=round_id, version=version, now=now)


def void(transact: Transact, *, round_id: int, reason: str, actor: Actor, now: dt.datetime) -> None:
    """Give every stake back as it was made up, and end the round; one that is settled, by its next version.

    Raises NotFound; Rejected without a reason; Conflict while it is being settled, when it is void, and to
    staff once it is settled: then they ask for it.
    """
    reason = reasoned(reason)
    transact(partial(_keep_bets_off, round_id=round_id, actor=actor, now=now))
    version = transact(partial(claim_void, round_id=round_id, reason=reason, actor=actor, now=now))
    finish(transact, round_id=round_id, version=version, now=now)


def correct(
    transact: Transact,
    *,
    round_id: int,
    joker: int,
    cards: Sequence[int],
    reason: str,
    actor: Actor,
    now: dt.datetime,
) -> None:
    """Settle a round anew by what lay on the table: what was paid is reversed, then paid as it should be.

    Raises what `amend` raises, which is a Conflict to all staff: they ask for it.
    """
    claimed = partial(
        amend,
        round_id=round_id,
        amendment=Amendment(joker, cards),
        reason=reasoned(reason),
        actor=actor,
        now=now,
    )
    finish(transact, round_id=round_id, version=transact(claimed), now=now)


def finish(transact: Transact, *, round_id: int, version: int, now: dt.datetime) -> None:
    """The two transactions behind a claim, as far as nobody has done them."""
    transact(partial(settlement_money.pay, round_id=round_id, version=version, now=now))
    transact(partial(settlement_totals.finish, round_id=round_id, version=version, now=now))


def unfinished(session: Session, *, limit: int = 100) -> list[int]:
    """The rounds that somebody has begun to settle, and nobody has finished."""
    return list(session.scalars(_UNFINISHED, {"limit": limit}))


def resume(transact: Transact, *, round_id: int, now: dt.datetime) -> None:
    """Finish what was begun. Does nothing where everything is done."""
    version = transact(partial(_unfinished_version, round_id=round_id))
    if version is not None:
        finish(transact, round_id=round_id, version=version, now=now)


_ROUND = text("""
SELECT r.id, r.operator_id, r.game_id, r.number, r.state, r.dealing, r.joker, r.cards, r.winner, r.version,
       r.stage, s.definition,
       (SELECT max(m.version) FROM round_settlements m WHERE m.round_id = r.id AND m.done_at IS NULL)
         AS open_version,
       EXISTS (SELECT FROM round_settlements v
               WHERE v.round_id = r.id AND v.version = r.version AND v.winner IS NULL) AS is_void
FROM rounds r JOIN rule_sets s ON s.id = r.rule_set_id
WHERE r.id = :r
FOR UPDATE OF r
""")
_SETTLING = text("UPDATE rounds SET state = 'settling' WHERE id = :r")
_VOIDED = text("""
UPDATE rounds SET state = 'voided', ended_at = :now, void_reason = :reason, winner = NULL WHERE id = :r
""")
_CLAIM = text("""
INSERT INTO round_settlements (round_id, version, joker, cards, winner, reason, made_by, approved_by,
                               claimed_at)
VALUES (:r, :version, :joker, CAST(:cards AS smallint[]), :winner, :reason, :who, :approver, :now)
""")
_KEEP_OFF = text("""
INSERT INTO round_closings (round_id, stage, closed_at) SELECT id, stage, :now FROM rounds
WHERE id = :r AND operator_id = :operator AND state = 'betting'
ON CONFLICT DO NOTHING
""")
_UNFINISHED = text("""
SELECT DISTINCT round_id FROM round_settlements WHERE done_at IS NULL ORDER BY round_id LIMIT :limit
""")
_UNFINISHED_VERSION = text("""
SELECT max(version) FROM round_settlements WHERE round_id = :r AND done_at IS NULL
""")


def claim(session: Session, *, round_id: int, actor: Actor, now: dt.datetime) -> int:
    """Take a round whose match has fallen for settling; returns the version, also of one that has begun."""
    row = _look(session, round_id, actor)
    if row.open_version is not None:
        return int(row.open_version)
    if row.state != RoundState.DEALING or row.winner is None:
        raise Conflict(f"Round {row.number} cannot be settled: it is {row.state} now.")
    session.execute(_SETTLING, {"r": round_id})
    return _write_claim(session, row, actor, now, joker=row.joker, cards=row.cards, winner=row.winner)


def claim_void(session: Session, *, round_id: int, reason: str, actor: Actor, now: dt.datetime) -> int:
    """Take a round for giving its stakes back; returns the version."""
    row = _look(session, round_id, actor)
    if row.state == RoundState.SETTLED:
        return amend(session, round_id=round_id, amendment=Amendment(), reason=reason, actor=actor, now=now)
    if row.open_version is not None or row.state == RoundState.SETTLING:
        raise Conflict(f"Round {row.number} is being settled: wait a moment.")
    if row.state == RoundState.VOIDED:
        raise Conflict(f"Round {row.number} is already void.")
    session.execute(_VOIDED, {"r": round_id, "now": now, "reason": reason})
    version = _write_claim(session, row, actor, now, joker=row.joker, cards=row.cards, reason=reason)
    _log(session, "round.voided", row, reason, actor=actor, now=now)
    return version


def rehearse(session: Session, *, round_id: int, amendment: Amendment, actor: Actor) -> int:
    """Lock the round and refuse what `amend` would refuse; returns the version that would be amended."""
    row = _look(session, round_id, actor)
    _outcome(row, amendment)
    return int(row.version)


def amend(
    session: Session,
    *,
    round_id: int,
    amendment: Amendment,
    reason: str,
    actor: Actor,
    now: dt.datetime,
    approver: Actor | None = None,
) -> int:
    """Take a settled round for its next version, which is returned; `approver` is who agreed to it.

    Raises NotFound; Rejected for cards that are no whole deal, and for a shuffled deck, which its seed
    proves; Conflict unless the round is settled, when it is void already, and to staff without another
    person's yes.
    """
    row = _look(session, round_id, actor)
    joker, cards, winner = _outcome(row, amendment)
    if actor.role is not None and (approver is None or approver.id == actor.id):
        raise Conflict(f"Round {row.number} is settled: another person has to agree.")
    version = _write_claim(
        session, row, actor, now, joker=joker, cards=cards, winner=winner, reason=reason, approver=approver
    )
    action = "round.voided" if winner is None else "round.corrected"
    _log(session, action, row, reason, actor=actor, now=now)
    return version


def reasoned(reason: str) -> str:
    """The reason without blanks around it. Raises Rejected, at the field, where there is none."""
    reason = reason.strip()
    if not 1 <= len(reason) <= REASON_MAX:
        raise Rejected(f"Say why, in at most {REASON_MAX} characters.", field="reason")
    return reason


def _outcome(row: Row[Any], amendment: Amendment) -> tuple[int | None, Sequence[int], str | None]:
    """Joker, cards and winner of the next version; no winner where it is void."""
    if amendment.cards is not None and row.dealing != Dealing.MANUAL:
        raise Rejected("The deck of this round is proved by its seed: void it instead.", field="cards")
    if row.open_version is not None or row.state == RoundState.SETTLING:
        raise Conflict(f"Round {row.number} is being settled: wait a moment.")
    if row.state != RoundState.SETTLED:
        raise Conflict(f"Round {row.number} is {row.state}: only a settled round is put right.")
    if amendment.cards is None:
        if row.is_void:
            raise Conflict(f"Round {row.number} is already void.")
        return row.joker, row.cards, None
    joker = amendment.joker or 0
    deal = Deal(joker, rule_sets.read(row.definition).first_side(joker))
    for card in amendment.cards:
        deal = deal.with_card(card)
    if deal.winner is None:
        raise Rejected("The last card is not of the joker's rank: the deal is not whole.", field="cards")
    return joker, deal.cards, deal.winner


def _unfinished_version(session: Session, *, round_id: int) -> int | None:
    version: int | None = session.scalar(_UNFINISHED_VERSION, {"r": round_id})
    return version


def _keep_bets_off(session: Session, *, round_id: int, actor: Actor, now: dt.datetime) -> None:
    """Committed before the claim, so that it waits only for the bets that have begun."""
    session.execute(_KEEP_OFF, {"r": round_id, "operator": actor.operator_id, "now": now})


def _look(session: Session, round_id: int, actor: Actor) -> Row[Any]:
    row = session.execute(_ROUND, {"r": round_id}).one_or_none()
    if row is None or not actor.serves(row.operator_id):
        raise NotFound("There is no such round.")
    return row


def _write_claim(
    session: Session,
    row: Row[Any],
    actor: Actor,
    now: dt.datetime,
    *,
    joker: int | None,
    cards: Sequence[int],
    winner: str | None = None,
    reason: str | None = None,
    approver: Actor | None = None,
) -> int:
    version = int(row.version) + 1
    session.execute(
        _CLAIM,
        {
            "r": row.id,
            "version": version,
            "joker": joker,
            "cards": list(cards),
            "winner": winner,
            "reason": reason,
            "who": actor.reference,
            "approver": approver.reference if approver else None,
            "now": now,
        },
    )
    return version


def _log(
    session: Session, action: str, row: Row[Any], reason: str, *, actor: Actor, now: dt.datetime
) -> None:
    details: staff_log.Details = {"game": row.game_id, "round": row.number, "reason": reason}
    staff_log.record(session, actor, action, details=details, operator_id=row.operator_id, now=now)
