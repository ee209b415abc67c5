"""Taking back what a settlement has paid, before its round is settled anew.

Whoever staked real money alone is undone in one set, by a reversal each. Where grants had a part the
wagering that it counted goes too, and a completion that it brought: what is left of it comes back, and
what is spent stands on the grant as owing. Real money is reversed whole, even below zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.models.wallet import ChangeType
from dashboard.services import balances, standings, vip
from dashboard.services.actors import SYSTEM
from dashboard.services.changes import Request

if TYPE_CHECKING:
    from dashboard.services.settlement_money import Settling

_REVERSALS = """
SELECT e.player_id, e.currency, :type AS change_type, e.contra_account, -e.real_delta AS real_delta,
       -e.bonus_delta AS bonus_delta, :reason AS reason, :who AS performed_by, p.agent_id, NULL AS reference,
       :key AS idempotency_key, :fingerprint AS fingerprint, e.sequence AS reverses,
       format('{"round":%s,"version":%s}', CAST(:r AS bigint), CAST(:v AS bigint)) AS metadata,
       NULL AS risk_score, :now AS created_at, e.change_type AS counts_as, :hour AS hour
FROM (SELECT DISTINCT player_id FROM bets WHERE round_id = :r) AS b
JOIN wallet_entries e ON e.player_id = b.player_id AND e.idempotency_key = :before
JOIN players p ON p.id = e.player_id
WHERE NOT EXISTS (
  SELECT FROM bets m WHERE m.player_id = b.player_id AND m.round_id = :r AND m.bonus_part > 0)
"""
_WITH_GRANTS = text("""
SELECT DISTINCT player_id FROM bets WHERE round_id = :r AND bonus_part > 0 ORDER BY player_id
""")
_ENTRIES = text("""
SELECT sequence, change_type, contra_account, real_delta, bonus_delta, idempotency_key, reference
FROM wallet_entries
WHERE player_id = :p AND idempotency_key = ANY(:keys)
ORDER BY sequence DESC
""")
_GRANTS = text("""
SELECT g.id, g.state, g.remaining, g.converted, g.forfeited, g.max_win, sum(s.returned)::bigint AS share,
       sum(s.credited)::bigint AS credited, sum(s.counted)::bigint AS counted,
       g.completed_round_id = :r AND g.completed_version = :v AS is_completed_here
FROM bets b
JOIN bonus_stakes s ON s.player_id = b.player_id AND s.bet_id = b.id
JOIN bonuses g ON g.player_id = s.player_id AND g.id = s.bonus_id
WHERE b.player_id = :p AND b.round_id = :r
GROUP BY g.player_id, g.id
ORDER BY g.id
""")
_REOPEN = text("""
UPDATE bonuses SET state = 'active', remaining = :remaining, converted = 0,
       forfeited = forfeited - :given_back, owing = owing + :owing,
       ended_at = NULL, ended_by = NULL, end_reason = NULL,
       completed_round_id = NULL, completed_version = NULL
WHERE player_id = :p AND id = :id
""")
_TAKE_BACK = text("""
UPDATE bonuses SET remaining = remaining - :taken, wagered = greatest(0, wagered - :counted),
       owing = owing + :owing, converted = converted - :converted, forfeited = forfeited - :forfeited
WHERE player_id = :p AND id = :id
""")
_FORGET = text("""
WITH bet AS (
  UPDATE bets SET state = 'pending', version = 0, pays_numerator = NULL, pays_denominator = NULL,
         payout = 0, payout_real = 0, payout_bonus = 0, settlement_sequence = NULL
  WHERE round_id = :r RETURNING player_id, id, bonus_part
)
UPDATE bonus_stakes s SET returned = 0, credited = 0, counted = 0
FROM bet b WHERE b.bonus_part > 0 AND s.player_id = b.player_id AND s.bet_id = b.id
""")
_UNCOUNT = text("""
UPDATE player_game_statistics s SET
  rounds = s.rounds - 1, bets = s.bets - d.bets, wagered = s.wagered - d.wagered,
  real_wagered = s.real_wagered - d.real, paid = s.paid - d.paid
FROM (
  SELECT player_id, count(*) AS bets, sum(amount) AS wagered, sum(real_part) AS real, sum(payout) AS paid
  FROM bets WHERE round_id = :r AND state <> 'void' GROUP BY player_id
) AS d
WHERE s.player_id = d.player_id AND s.game_id = :game AND s.month = :month
""")


@dataclass(frozen=True, slots=True)
class _Undoing:
    """One player's part of a settlement that is undone."""

    settling: "Settling"
    player_id: int

    @property
    def before(self) -> int:
        """The version that is undone."""
        return self.settling.version - 1

    def request(
        self, kind: str, change_type: ChangeType, real: int, bonus: int, entry: Any = None
    ) -> Request:
        """A change that takes something back; `kind` keeps its key apart."""
        return Request(
            player_id=self.player_id,
            currency=self.settling.currency,
            change_type=change_type,
            real_delta=real,
            bonus_delta=bonus,
            reason=f"{self.settling.title} is settled anew",
            idempotency_key=f"{self.settling.key}:undo:{kind}",
            reverses=entry.sequence if entry is not None else None,
            metadata={"round": self.settling.round_id, "version": self.before},
        )


def unwind(session: Session, settling: "Settling") -> None:
    """Take back what the version before has paid; its bets are pending then. The balances must be locked."""
    before = settling.version - 1
    scope = {"r": settling.round_id, "game": settling.game_id, "month": settling.month}
    reversing = settling.parameters(
        ChangeType.REVERSAL, f"{settling.title} is settled anew", f"{settling.key}:undo"
    )
    reversing |= {"v": before, "before": f"settle:{settling.round_id}:{before}"}
    balances.post_selected(session, _REVERSALS, reversing, change_type=ChangeType.REVERSAL)
    for player_id in session.scalars(_WITH_GRANTS, {"r": settling.round_id}).all():
        _unwind_player(session, _Undoing(settling, player_id))
    session.execute(_UNCOUNT, scope)
    session.execute(_FORGET, {"r": settling.round_id})


def _unwind_player(session: Session, undoing: _Undoing) -> None:
    """The last entry first: a completion, what was forfeited, and then the payout."""
    settling = undoing.settling
    scope = {"p": undoing.player_id, "r": settling.round_id, "v": undoing.before}
    owing = {
        grant.id: _undo_completion(session, undoing, grant)
        for grant in session.execute(_GRANTS, scope).all()
        if grant.is_completed_here
    }
    grants = session.execute(_GRANTS, scope).all()
    key = f"settle:{settling.round_id}:{undoing.before}"
    entries = {
        row.idempotency_key: row
        for row in session.execute(_ENTRIES, {"p": undoing.player_id, "keys": [key, f"{key}:late"]})
    }
    paid, late = entries.get(key), entries.get(f"{key}:late")
    taken = {grant.id: _taken(grant) for grant in grants}
    short = sum(grant.credited - taken[grant.id] for grant in grants)
    if paid is not None and short == 0:
        for name, entry in (("late", late), ("paid", paid)):
            if entry is not None:
                _reverse(session, undoing, name, entry)
    elif paid is not None:
        real, bonus = paid.real_delta, sum(taken.values())
        if real or bonus:
            _post(session, undoing, undoing.request("part", ChangeType.ADJUSTMENT, -real, -bonus))
    _take_from_grants(session, undoing, grants, taken, owing, is_whole=short == 0)


def _undo_completion(session: Session, undoing: _Undoing, grant: Row[Any]) -> int:
    """What a completion gave becomes bonus money again, as far as it is there; returns the rest."""
    key = f"bonus:{grant.id}:conversion:{undoing.settling.round_id}:{undoing.before}"
    conversion = session.execute(_ENTRIES, {"p": undoing.player_id, "keys": [key]}).one_or_none()
    given, given_back, owing = 0, 0, 0
    if conversion is not None:
        located = _locate(session, undoing)
        left = min(conversion.real_delta, vip.withdrawable(located.real, located.pending))
        if left == conversion.real_delta:
            _reverse(session, undoing, f"conversion:{grant.id}", conversion)
            given = -conversion.bonus_delta
            given_back = given - conversion.real_delta
        else:
            given, owing = left, conversion.real_delta - left
            if left:
                kind = f"conversion:{grant.id}"
                _post(session, undoing, undoing.request(kind, ChangeType.ADJUSTMENT, -left, left))
    session.execute(
        _REOPEN,
        {
            "p": undoing.player_id,
            "id": grant.id,
            "remaining": given,
            "given_back": given_back,
            "owing": owing,
        },
    )
    return owing


def _taken(grant: Row[Any]) -> int:
    """What an active grant can give back of what it got; one that has ended since has nothing left."""
    return min(grant.credited, grant.remaining) if grant.state == "active" else 0


def _take_from_grants(
    session: Session,
    undoing: _Undoing,
    grants: Sequence[Row[Any]],
    taken: Mapping[int, int],
    owing: Mapping[int, int],
    *,
    is_whole: bool,
) -> None:
    """`owing`: by grant, what undoing its completion has already written down as such."""
    for grant in grants:
        arrived_late = grant.share - grant.credited
        to_real = min(arrived_late, grant.converted) if grant.state == "completed" else 0
        # What was forfeited since, the house has already; what is real money by now, the player has.
        is_kept = grant.state in {"active", "completed"}
        session.execute(
            _TAKE_BACK,
            {
                "p": undoing.player_id,
                "id": grant.id,
                "taken": taken[grant.id],
                "counted": grant.counted,
                "owing": max(0, grant.credited - taken[grant.id] - owing.get(grant.id, 0)) if is_kept else 0,
                "converted": to_real,
                # Only a whole reversal brings back, and takes away again, what was forfeited on arrival.
                "forfeited": min(grant.forfeited, arrived_late - to_real) if is_whole else 0,
            },
        )


def _reverse(session: Session, undoing: _Undoing, kind: str, entry: Row[Any]) -> None:
    request = undoing.request(kind, ChangeType.REVERSAL, -entry.real_delta, -entry.bonus_delta, entry=entry)
    _post(session, undoing, request, original=entry)


def _post(session: Session, undoing: _Undoing, request: Request, original: Any = None) -> None:
    located = _locate(session, undoing)
    balances.post_corrections(session, [(request, located, original)], actor=SYSTEM, now=undoing.settling.now)


def _locate(session: Session, undoing: _Undoing) -> standings.Located:
    key = (undoing.player_id, undoing.settling.currency)
    return standings.lock_many(session, [key], now=undoing.settling.now)[key]
