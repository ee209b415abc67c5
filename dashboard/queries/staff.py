"""The operator's people, for filters and for the names beside what they did."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.models import Login
from dashboard.models.login import Role


def names_by_id(session: Session, *, operator_id: int) -> dict[int, str]:
    """Every member of staff the operator ever had, by login id, in the order of their names."""
    rows = session.execute(
        select(Login.id, Login.name)
        .where(Login.operator_id == operator_id, Login.role != Role.PARTNER)
        .order_by(Login.name, Login.id)
    )
    return {row.id: row.name for row in rows}


def name_of(reference: str, names: dict[int, str]) -> str:
    """Who `staff:<id>`, `system` or `anonymous` is, in words; the reference itself where nobody knows."""
    kind, _, number = reference.partition(":")
    if kind == "staff" and number.isascii() and number.isdecimal():
        return names.get(int(number), reference)
    return {"system": "System", "anonymous": "Somebody not signed in"}.get(reference, reference)
