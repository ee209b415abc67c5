"""Who can sign in: staff and partner users in one table, their sessions, and failed attempts."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Digest, Id, Instant, one_of


class Role(StrEnum):
    """What a person may do is written in `permissions.py`, by role."""

    AGENT = "agent"
    MANAGER = "manager"
    ADMIN = "admin"
    AUDITOR = "auditor"
    PARTNER = "partner"


class Login(Base):
    """One person who can sign in. A role other than partner makes a member of staff."""

    __tablename__ = "logins"

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    email: Mapped[str]
    name: Mapped[str]
    role: Mapped[str]
    password_hash: Mapped[str]
    """Argon2id in its own encoded form."""
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    """Wrong passwords in a row; ten lock the login."""
    locked_until: Mapped[Instant | None]
    created_at: Mapped[Instant]

    __table_args__ = (
        one_of("role", Role),
        CheckConstraint("email = lower(email) AND email LIKE '%_@_%'", name="email"),
        CheckConstraint("name <> ''", name="name"),
        CheckConstraint("failures >= 0", name="failures"),
        # Sign-in asks for an e-mail before it knows the operator: one login per address.
        Index("uq_logins_email", "email", unique=True),
    )


class SignInSession(Base):
    """A signed-in browser. Only a hash of the id is kept, and ending the row ends the session."""

    __tablename__ = "sign_in_sessions"

    id_hash: Mapped[Digest] = mapped_column(primary_key=True)
    login_id: Mapped[int] = mapped_column(ForeignKey("logins.id", ondelete="CASCADE"))
    started_at: Mapped[Instant]
    seen_at: Mapped[Instant]
    """Moves at most once a minute; 30 idle minutes or 12 hours end the session."""
    address: Mapped[str | None] = mapped_column(INET)
    user_agent: Mapped[str]

    __table_args__ = (
        CheckConstraint("octet_length(id_hash) = 32", name="id_hash"),
        CheckConstraint("length(user_agent) <= 300", name="user_agent"),
        # A person's own sessions, and ending all of them.
        Index("ix_sign_in_sessions_login_id", "login_id"),
    )


class SignInAddress(Base):
    """Failed sign-ins from one network address: slows guessing over many accounts."""

    __tablename__ = "sign_in_addresses"

    address: Mapped[str] = mapped_column(INET, primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[Instant] = mapped_column(server_default=func.now())

    __table_args__ = (CheckConstraint("failures > 0", name="failures"),)
