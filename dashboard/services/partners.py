"""Partners: who they are, what was agreed with them, whether they earn, and whose players are whose."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models import (
    Partner,
    PartnerContract,
    PartnerMinimum,
    PartnerStatusChange,
)
from dashboard.models.partner import PartnerStatus
from dashboard.services import partner_terms, sessions, staff_log
from dashboard.services.actors import Actor
from dashboard.services.partner_terms import Terms

NAME_MAX = 100
REASON_MAX = 500
DETAILS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Contract:
    """A version that somebody wants to agree. `minimums` by currency, in minor units."""

    terms: Terms
    valid_from: dt.date
    minimums: Mapping[str, int]


_LOCK = text("""
SELECT p.*, o.timezone FROM partners p JOIN operators o ON o.id = p.operator_id
WHERE p.id = :id FOR NO KEY UPDATE OF p
""")
_LAST_VERSION = text("""
SELECT version, valid_from FROM partner_contracts WHERE partner_id = :id ORDER BY version DESC LIMIT 1
""")
_ACCEPT = text("""
UPDATE partner_contracts SET accepted_at = :now, accepted_by = :who
WHERE partner_id = :id AND version = :version AND accepted_at IS NULL
""")
_USERS = text("SELECT id FROM logins WHERE partner_id = :id")
_REFER = text("""
INSERT INTO referrals (player_id, since, operator_id, partner_id, set_by)
SELECT p.id, :now, p.operator_id, :partner, :who
FROM players p
LEFT JOIN LATERAL (
  SELECT r.partner_id FROM referrals r WHERE r.player_id = p.id ORDER BY r.since DESC LIMIT 1
) AS last ON true
WHERE p.id = ANY(:players) AND p.operator_id = :operator AND last.partner_id IS DISTINCT FROM :partner
ORDER BY p.id
RETURNING player_id
""")


def get_id(session: Session, *, operator_id: int, code: str) -> int:
    """The operator's partner of that code. Raises NotFound."""
    partner_id = session.scalar(select(Partner.id).filter_by(operator_id=operator_id, code=code))
    if partner_id is None:
        raise NotFound(f"That operator has no partner “{code}”.")
    return partner_id


def create(
    session: Session,
    *,
    name: str,
    code: str,
    contract: Contract,
    actor: Actor,
    now: dt.datetime,
    operator_id: int | None = None,
) -> int:
    """Make a partner, who is pending yet, with the first contract; returns the id.

    `operator_id` is the actor's own unless the system acts for one. Raises Rejected at the field, and
    Conflict, at `code`, for one that is in use.
    """
    operator_id = operator_id or actor.operator_id
    try:
        with session.begin_nested():
            partner_id: int = session.execute(
                insert(Partner)
                .values(
                    operator_id=operator_id,
                    name=_named(name),
                    code=code,
                    status=PartnerStatus.PENDING,
                    created_by=actor.reference,
                    created_at=now,
                )
                .returning(Partner.id)
            ).scalar_one()
    except IntegrityError as error:
        if "ck_partners_code" in str(error.orig):
            raise Rejected("Use 3 to 40 small letters, digits and single hyphens.", field="code") from error
        raise Conflict("Another partner has this code.", field="code") from error
    _write_status(session, partner_id, PartnerStatus.PENDING, "New", actor=actor, now=now)
    _log(
        session,
        actor,
        "partner.created",
        operator_id=operator_id,
        details={"partner": partner_id, "code": code},
        now=now,
    )
    _write_contract(session, _lock(session, partner_id, actor), contract, version=1, actor=actor, now=now)
    return partner_id


def rename(session: Session, *, partner_id: int, name: str, actor: Actor, now: dt.datetime) -> None:
    """Give a partner another name. Raises NotFound; Rejected, at `name`."""
    row = _lock(session, partner_id, actor)
    session.execute(update(Partner).filter_by(id=partner_id).values(name=_named(name)))
    details: staff_log.Details = {"partner": partner_id, "name": name}
    _log(session, actor, "partner.renamed", operator_id=row.operator_id, details=details, now=now)


def agree(session: Session, *, partner_id: int, contract: Contract, actor: Actor, now: dt.datetime) -> int:
    """Write the next version of a contract, from a day to come; returns its version.

    It holds for rounds opened from that day on, and, until the partner takes it for all, for players
    referred from that day on. Raises NotFound; Rejected at the field.
    """
    row = _lock(session, partner_id, actor)
    last = session.execute(_LAST_VERSION, {"id": partner_id}).one()
    if contract.valid_from <= clock.local(now, row.timezone).date():
        raise Rejected(
            "New terms begin tomorrow at the earliest: rounds of today have earned.", field="valid_from"
        )
    if contract.valid_from <= last.valid_from:
        raise Rejected(
            f"Version {last.version} begins on {last.valid_from}: later than that.", field="valid_from"
        )
    return _write_contract(session, row, contract, version=last.version + 1, actor=actor, now=now)


def accept(session: Session, *, partner_id: int, version: int, actor: Actor, now: dt.datetime) -> None:
    """Take the terms of a version for the players referred before it, too: the partner's own choice.

    Raises Rejected for anybody else; Conflict when it is done, or there is no such version.
    """
    row = _lock(session, partner_id, actor)
    if version < 2 or not _belongs(session, actor, partner_id):
        raise Rejected("Only the partner accepts new terms.")
    done: Any = session.execute(_ACCEPT, {"id": partner_id, "version": version, "who": actor.id, "now": now})
    if done.rowcount != 1:
        raise Conflict("These terms are accepted already.")
    details = {"partner": partner_id, "version": version}
    _log(session, actor, "partner.terms_accepted", operator_id=row.operator_id, details=details, now=now)


def set_status(
    session: Session, *, partner_id: int, status: PartnerStatus, reason: str, actor: Actor, now: dt.datetime
) -> None:
    """Change what a partner can do; one that may not sign in any more is signed out.

    Raises NotFound; Rejected without a reason, or back to pending; Conflict where it is so already.
    """
    row = _lock(session, partner_id, actor)
    reason = reason.strip()
    if not 1 <= len(reason) <= REASON_MAX:
        raise Rejected(f"Say why, in at most {REASON_MAX} characters.", field="reason")
    if status == PartnerStatus.PENDING:
        raise Rejected("A partner is pending only until the first decision.", field="status")
    if row.status == status:
        raise Conflict(f"{row.name} is {status} already.")
    session.execute(update(Partner).filter_by(id=partner_id).values(status=status))
    _write_status(session, partner_id, status, reason, actor=actor, now=now)
    if status != PartnerStatus.ACTIVE:
        for login_id in session.scalars(_USERS, {"id": partner_id}).all():
            sessions.end_all(session, login_id=login_id)
    details = {"partner": partner_id, "before": row.status, "after": status.value, "reason": reason}
    _log(session, actor, "partner.status_changed", operator_id=row.operator_id, details=details, now=now)


def write_payout_details(
    session: Session, *, partner_id: int, details: str, actor: Actor, now: dt.datetime
) -> None:
    """Where payouts go from now on. Raises NotFound; Rejected, at `payout_details`."""
    row = _lock(session, partner_id, actor)
    if len(details) > DETAILS_MAX:
        raise Rejected(f"At most {DETAILS_MAX} characters.", field="payout_details")
    session.execute(update(Partner).filter_by(id=partner_id).values(payout_details=details.strip()))
    _log(
        session,
        actor,
        "partner.payout_details_changed",
        operator_id=row.operator_id,
        details={"partner": partner_id},
        now=now,
    )


def refer(
    session: Session,
    *,
    player_ids: Sequence[int],
    partner_id: int | None,
    actor: Actor,
    now: dt.datetime,
    operator_id: int | None = None,
) -> int:
    """Make players a partner's from now on, or nobody's; returns of how many that was new.

    What they have played stays where it was. Raises NotFound for a partner of another operator.
    """
    operator_id = operator_id or actor.operator_id
    if partner_id is not None:
        operator_id = _lock(session, partner_id, actor).operator_id
    moved = session.scalars(
        _REFER,
        {
            "players": list(player_ids),
            "partner": partner_id,
            "operator": operator_id,
            "who": actor.reference,
            "now": now,
        },
    ).all()
    done = [(player_id, {"partner": partner_id}) for player_id in moved]
    if actor.role is not None and done:
        staff_log.record_many(session, actor, "player.referred", done, now=now)
    return len(moved)


def _lock(session: Session, partner_id: int, actor: Actor) -> Row[Any]:
    row = session.execute(_LOCK, {"id": partner_id}).one_or_none()
    if row is None or not actor.serves(row.operator_id):
        raise NotFound("There is no such partner.")
    return row


_BELONGS = text("SELECT EXISTS (SELECT FROM logins WHERE id = :who AND partner_id = :id)")


def _belongs(session: Session, actor: Actor, partner_id: int) -> bool:
    return bool(session.scalar(_BELONGS, {"who": actor.id, "id": partner_id}))


def _write_contract(
    session: Session, row: Row[Any], contract: Contract, *, version: int, actor: Actor, now: dt.datetime
) -> int:
    terms = contract.terms
    for field, value in (("share", terms.share_bp), ("rate", terms.rate_bp)):
        if not 1 <= value <= partner_terms.WHOLE_BP:
            raise Rejected("Above 0 and at most 100 %.", field=field)
    if not 0 <= terms.hold_days <= 90:
        raise Rejected("Between 0 and 90 days.", field="hold_days")
    contract_id: int = session.execute(
        insert(PartnerContract)
        .values(
            partner_id=row.id,
            version=version,
            valid_from=contract.valid_from,
            made_by=actor.reference,
            made_at=now,
            **asdict(terms),
        )
        .returning(PartnerContract.id)
    ).scalar_one()
    if contract.minimums:
        session.execute(
            insert(PartnerMinimum),
            [
                {"contract_id": contract_id, "currency": currency, "amount": amount}
                for currency, amount in sorted(contract.minimums.items())
            ],
        )
    details = {
        "partner": row.id,
        "version": version,
        "from": contract.valid_from.isoformat(),
        **asdict(terms),
    }
    _log(session, actor, "partner.contract_agreed", operator_id=row.operator_id, details=details, now=now)
    return version


def _write_status(
    session: Session, partner_id: int, status: PartnerStatus, reason: str, *, actor: Actor, now: dt.datetime
) -> None:
    session.execute(
        insert(PartnerStatusChange).values(
            partner_id=partner_id, since=now, status=status, reason=reason, made_by=actor.reference
        )
    )


def _named(name: str) -> str:
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_MAX:
        raise Rejected(f"Enter a name of at most {NAME_MAX} characters.", field="name")
    return name


def _log(
    session: Session,
    actor: Actor,
    action: str,
    *,
    operator_id: int,
    details: staff_log.Details,
    now: dt.datetime,
) -> None:
    staff_log.record(session, actor, action, details=details, operator_id=operator_id, now=now)
