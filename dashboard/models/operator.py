"""Operators: the brands, hospitals or shops whose players' money the desk runs."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped

from dashboard.db import Base
from dashboard.models.columns import Id, Instant, one_of


class MoneyMode(StrEnum):
    """Whether amounts can be bought or paid out; play money is marked on every page."""

    PLAY = "play"
    REAL = "real"


class Operator(Base):
    """Everything else belongs to one operator, and staff see only their own."""

    __tablename__ = "operators"

    id: Mapped[Id]
    slug: Mapped[str]
    name: Mapped[str]
    currency: Mapped[str]
    """The home currency: every player has a balance in it from the start."""
    timezone: Mapped[str]
    """IANA name; a day, a week and a month are this zone's."""
    money: Mapped[str]
    created_at: Mapped[Instant]

    __table_args__ = (
        UniqueConstraint("slug"),
        CheckConstraint("slug ~ '^[a-z0-9][a-z0-9-]{0,39}$'", name="slug"),
        CheckConstraint("name <> ''", name="name"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        one_of("money", MoneyMode),
    )
