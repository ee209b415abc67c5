"""Who can sign in: staff and partner users in one table, their sessions, and failed attempts."""

from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    UniqueConstraint,
    func,
    text,
)
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
    partner_id: Mapped[int | None]
    """Whose figures a partner user sees; None for staff."""
    password_hash: Mapped[str]
    """Argon2id in its own encoded form."""
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    """Wrong passwords in a row; ten lock the login."""
    locked_until: Mapped[Instant | None]
    last_seen_at: Mapped[Instant | None]
    """Moves with the sessions' `seen_at`, and outlives them."""
    created_at: Mapped[Instant]

    __table_args__ = (
        ForeignKeyConstraint(["partner_id", "operator_id"], ["partners.id", "partners.operator_id"]),
        one_of("role", Role),
        CheckConstraint("(role = 'partner') = (partner_id IS NOT NULL)", name="partner_id"),
        CheckConstraint("email = lower(email) AND email LIKE '%_@_%'", name="email"),
        CheckConstraint("name <> ''", name="name"),
        CheckConstraint("failures >= 0", name="failures"),
        # Sign-in asks for an e-mail before it knows the operator: one login per address.
        Index("uq_logins_email", "email", unique=True),
        # The users of a partner.
        Index("ix_logins_partner_id", "partner_id"),
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
    awaits_second_factor: Mapped[bool] = mapped_column(server_default=text("false"))
    """The password was right; until the code is too, the session opens no page but the one that asks."""

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


class SecondFactor(Base):
    """The secret by which a login's authenticator makes its codes (TOTP, RFC 6238)."""

    __tablename__ = "second_factors"

    login_id: Mapped[int] = mapped_column(ForeignKey("logins.id"), primary_key=True, autoincrement=False)
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    """Encrypted with a key that is not in the database."""
    confirmed_at: Mapped[Instant | None]
    """None until the first code was right: an unconfirmed one asks nobody for a code."""
    last_step: Mapped[int] = mapped_column(server_default=text("0"))
    """The time step of the last code that was used: none at or before it is taken again."""
    created_at: Mapped[Instant]

    __table_args__ = (CheckConstraint("last_step >= 0", name="last_step"),)


class RecoveryCode(Base):
    """One of the codes that stand in for the authenticator, each once. Only a hash is kept."""

    __tablename__ = "recovery_codes"

    login_id: Mapped[int] = mapped_column(ForeignKey("logins.id"), primary_key=True, autoincrement=False)
    code_hash: Mapped[Digest] = mapped_column(primary_key=True)
    used_at: Mapped[Instant | None]

    __table_args__ = (CheckConstraint("octet_length(code_hash) = 32", name="code_hash"),)


class LinkPurpose(StrEnum):
    """What a one-time link lets its holder do."""

    INVITATION = "invitation"
    RESET = "reset"


class OneTimeLink(Base):
    """A link that an admin made for somebody to set a password, once. Only a hash of it is kept."""

    __tablename__ = "one_time_links"

    token_hash: Mapped[Digest] = mapped_column(primary_key=True)
    login_id: Mapped[int] = mapped_column(ForeignKey("logins.id"))
    purpose: Mapped[str]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("logins.id"))
    created_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    used_at: Mapped[Instant | None]

    __table_args__ = (
        one_of("purpose", LinkPurpose),
        CheckConstraint("octet_length(token_hash) = 32", name="token_hash"),
        CheckConstraint("expires_at > created_at", name="expires_at"),
        # Making a new link ends the ones before.
        Index("ix_one_time_links_login_id", "login_id"),
    )


class Allowance(Base):
    """How much a member of staff may move by hand in one currency. Without a row: nothing."""

    __tablename__ = "allowances"

    login_id: Mapped[int] = mapped_column(ForeignKey("logins.id"), primary_key=True, autoincrement=False)
    currency: Mapped[str] = mapped_column(primary_key=True)
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    per_change: Mapped[int] = mapped_column(server_default=text("0"))
    """The most of one change, in minor units."""
    per_day: Mapped[int] = mapped_column(server_default=text("0"))
    """The most of all changes of a calendar day, absolute amounts added up."""
    largest: Mapped[int] = mapped_column(server_default=text("0"))
    """The largest change this person ever made: what is unusually large for them."""
    changed_at: Mapped[Instant]

    __table_args__ = (
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("per_change >= 0 AND per_day >= per_change", name="amounts"),
        CheckConstraint("largest >= 0", name="largest"),
    )


class SavedView(Base):
    """A list with its filters, under a name; for oneself, or shared with everybody of a role."""

    __tablename__ = "saved_views"

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    login_id: Mapped[int] = mapped_column(ForeignKey("logins.id"))
    """Who saved it."""
    page: Mapped[str]
    """The endpoint of the list, such as `player_list.index`."""
    name: Mapped[str]
    query: Mapped[str]
    """The query string with filters, sort and columns."""
    shared_with: Mapped[str | None]
    """A role whose people see it too."""
    created_at: Mapped[Instant]

    __table_args__ = (
        UniqueConstraint("login_id", "page", "name"),
        one_of("shared_with", Role),
        CheckConstraint("length(name) BETWEEN 1 AND 60", name="name"),
        CheckConstraint("length(query) <= 2000", name="query"),
        # Those of a page that a role can see.
        Index("ix_saved_views_operator_id_page", "operator_id", "page"),
    )
