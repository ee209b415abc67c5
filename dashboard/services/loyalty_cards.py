"""Cards that an operator prints for members: numbers of our own with a check digit, or others' numbers.

The check digit is Luhn's (ISO/IEC 7812-1, annex B): it finds every single wrong digit, and nearly every
swap of two neighbours.
"""

import datetime as dt
import re
import secrets

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.services import loyalty_tiers, points_reckoning, points_standing, staff_log
from dashboard.services.actors import Actor
from dashboard.services.points_standing import Member

DIGITS = 16
"""Of a number of our own, the check digit with them."""
MONTHS = 12
"""How long a card of a member without tier is valid."""
_NUMBER = re.compile(r"[A-Za-z0-9-]{4,40}")


def issue(session: Session, *, player_id: int, number: str | None, actor: Actor, now: dt.datetime) -> str:
    """Give a member a card, in place of the one in use; its number, which is made where none is given.

    Valid until the tier ends. Raises NotFound, Rejected (closed, no card's number, one that is on another
    card).
    """
    member = points_standing.lock(session, player_id=player_id, actor=actor, now=now)
    points_reckoning.refuse_closed(member)
    number = new_number() if number is None else number.strip()
    if not _NUMBER.fullmatch(number):
        raise Rejected("A number has 4 to 40 letters, digits and hyphens.", field="number")
    row = {
        "p": player_id,
        "operator": member.operator_id,
        "number": number,
        "tier": member.tier.id if member.tier else None,
        "today": member.today,
        "until": max(
            member.tier_valid_until or loyalty_tiers.months_later(member.today, MONTHS), member.today
        ),
    }
    session.execute(_REPLACE, row)
    try:
        with session.begin_nested():
            session.execute(_INSERT, row)
    except IntegrityError as error:
        if "uq_loyalty_cards_number" not in str(error.orig):
            raise
        raise Rejected("This number is on another card.", field="number") from error
    _log(session, member, "issued", number, actor=actor, now=now)
    return number


def deactivate(session: Session, *, player_id: int, card_id: int, actor: Actor, now: dt.datetime) -> None:
    """Let a card be used no more. Raises NotFound, Conflict where it is not in use any more."""
    member = points_standing.lock(session, player_id=player_id, actor=actor, now=now)
    named = {"p": player_id, "id": card_id}
    card = session.execute(_CARD, named).one_or_none()
    if card is None:
        raise NotFound("There is no such card.")
    if not card.is_active:
        raise Conflict("This card is not in use any more.")
    session.execute(_END, named)
    _log(session, member, "deactivated", card.number, actor=actor, now=now)


def new_number() -> str:
    """A number that nobody can guess from another one."""
    digits = str(secrets.randbelow(9 * 10 ** (DIGITS - 2)) + 10 ** (DIGITS - 2))
    return digits + check_digit(digits)


def check_digit(digits: str) -> str:
    """Luhn's digit to put behind these: with every second one doubled, the sum ends in 0. Pure."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * 2 if place % 2 == 0 else int(digit)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def is_sound(number: str) -> bool:
    """Whether the last digit is the check digit of those before it. Pure."""
    return number.isascii() and number.isdigit() and check_digit(number[:-1]) == number[-1]


_REPLACE = text("UPDATE loyalty_cards SET is_active = false WHERE player_id = :p AND is_active")
_INSERT = text("""
INSERT INTO loyalty_cards (player_id, operator_id, number, tier_id, issued_on, expires_on)
VALUES (:p, :operator, :number, :tier, :today, :until)
""")
_CARD = text("SELECT number, is_active FROM loyalty_cards WHERE player_id = :p AND id = :id")
_END = text("UPDATE loyalty_cards SET is_active = false WHERE player_id = :p AND id = :id")


def _log(
    session: Session, member: Member, became: str, number: str, *, actor: Actor, now: dt.datetime
) -> None:
    staff_log.record(
        session,
        actor,
        f"loyalty_card.{became}",
        player_id=member.player_id,
        details={"number": number},
        operator_id=member.operator_id,
        now=now,
    )
