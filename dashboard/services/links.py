"""One-time links, by which somebody sets a password of their own. Only a hash of a link is kept."""

import datetime as dt
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, literal, select, update
from sqlalchemy.orm import Session

from dashboard.errors import PurserError
from dashboard.models import Login, OneTimeLink
from dashboard.models.login import LinkPurpose
from dashboard.services.actors import Actor

LIFETIME = {LinkPurpose.INVITATION: dt.timedelta(days=7), LinkPurpose.RESET: dt.timedelta(hours=24)}


class LinkOver(PurserError):
    """The link opens nothing: it was used, its time is over, or there never was such a link."""


@dataclass(frozen=True)
class Link:
    """A link that can be used now, and who it is for."""

    purpose: LinkPurpose
    login_id: int
    operator_id: int
    email: str
    name: str
    expires_at: dt.datetime


def make(session: Session, *, login_id: int, purpose: LinkPurpose, actor: Actor, now: dt.datetime) -> str:
    """Make a link for a login and end the ones before; returns its token, which is kept nowhere."""
    end_all(session, login_id=login_id, now=now)
    token = secrets.token_urlsafe(32)
    session.add(
        OneTimeLink(
            token_hash=_digest(token),
            login_id=login_id,
            purpose=purpose,
            created_by=actor.id or None,
            created_at=now,
            expires_at=now + LIFETIME[purpose],
        )
    )
    session.flush()
    return token


def purpose_for(session: Session, *, login_id: int) -> LinkPurpose:
    """What a new link for that login would be for: an invitation until one was taken up."""
    invitations = select(func.count(), func.count(OneTimeLink.used_at)).where(
        OneTimeLink.login_id == login_id, OneTimeLink.purpose == LinkPurpose.INVITATION
    )
    made, used = session.execute(invitations).one()
    return LinkPurpose.INVITATION if made and not used else LinkPurpose.RESET


def get(session: Session, *, token: str, now: dt.datetime) -> Link:
    """What a link is for, without using it. Raises LinkOver."""
    row = session.execute(_LINKS.where(OneTimeLink.token_hash == _digest(token))).one_or_none()
    return _link(row, now)


def use(session: Session, *, token: str, now: dt.datetime) -> Link:
    """Use a link up; it stays locked until the transaction ends, so that of several at once one can.

    Raises LinkOver.
    """
    mine = _LINKS.where(OneTimeLink.token_hash == _digest(token))
    row = session.execute(mine.with_for_update(of=OneTimeLink)).one_or_none()
    link = _link(row, now)
    session.execute(update(OneTimeLink).where(OneTimeLink.token_hash == _digest(token)).values(used_at=now))
    return link


def end_all(session: Session, *, login_id: int, now: dt.datetime) -> None:
    """End every link of a login that could still be used."""
    just_after = OneTimeLink.created_at + literal(dt.timedelta(microseconds=1))
    session.execute(
        update(OneTimeLink)
        .where(OneTimeLink.login_id == login_id, OneTimeLink.used_at.is_(None), OneTimeLink.expires_at > now)
        .values(expires_at=func.greatest(literal(now), just_after))
    )


_LINKS = select(
    OneTimeLink.purpose,
    OneTimeLink.expires_at,
    OneTimeLink.used_at,
    Login.id,
    Login.operator_id,
    Login.email,
    Login.name,
    Login.active,
).join(Login, Login.id == OneTimeLink.login_id)


def _link(row: Row[*tuple[Any, ...]] | None, now: dt.datetime) -> Link:
    if row is None or not row.active:
        raise LinkOver("There is no such link. Check that it was copied whole, to its last letter.")
    if row.used_at is not None:
        raise LinkOver("This link was used already: the password is set. A link works once.")
    if row.expires_at <= now:
        raise LinkOver("The time of this link is over, or a newer one was made in its place.")
    return Link(
        purpose=LinkPurpose(row.purpose),
        login_id=row.id,
        operator_id=row.operator_id,
        email=row.email,
        name=row.name,
        expires_at=row.expires_at,
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
