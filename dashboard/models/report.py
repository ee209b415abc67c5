"""Reports: what somebody has put together, the files it became, and when it is made by itself."""

import datetime as dt
from enum import StrEnum

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    Time,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.db import Base
from dashboard.models.columns import Id, Instant, one_of


class ReportFormat(StrEnum):
    """What a report can be had as."""

    CSV = "csv"
    XLSX = "xlsx"
    PDF = "pdf"


class RunState(StrEnum):
    """Where the making of a file is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Every(StrEnum):
    """How often a schedule makes its report."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class SavedReport(Base):
    """A report that somebody has put together: subject, columns, filters, grouping, period."""

    __tablename__ = "saved_reports"

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    name: Mapped[str]
    subject: Mapped[str]
    definition: Mapped[str]
    """JSON text, as `services/reports.py` reads and writes it; never SQL."""
    is_shared: Mapped[bool] = mapped_column(server_default=text("false"))
    """With all staff of the operator; otherwise it is its maker's alone."""
    made_by: Mapped[int] = mapped_column(ForeignKey("logins.id"))
    made_at: Mapped[Instant]
    changed_at: Mapped[Instant]
    is_deleted: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        UniqueConstraint("id", "operator_id"),
        CheckConstraint("length(name) BETWEEN 1 AND 80", name="name"),
        CheckConstraint("jsonb_typeof(definition::jsonb) = 'object'", name="definition"),
        Index(
            "uq_saved_reports_name",
            "operator_id",
            "made_by",
            "name",
            unique=True,
            postgresql_where=text("NOT is_deleted"),
        ),
    )


class ReportSchedule(Base):
    """A saved report that is made by itself, at a time of the operator's day."""

    __tablename__ = "report_schedules"

    id: Mapped[Id]
    operator_id: Mapped[int]
    report_id: Mapped[int]
    format: Mapped[str]
    every: Mapped[str]
    at: Mapped[dt.time] = mapped_column(Time)
    """On the operator's wall."""
    on_day: Mapped[int] = mapped_column(SmallInteger)
    """Of the week (1 is Monday), or of the month (its last where it is shorter); 0 of a daily one."""
    mail_to: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    next_at: Mapped[Instant]
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    ended_because: Mapped[str | None]
    """Of one that ended by itself, until somebody has it go on or takes it away."""
    made_by: Mapped[int] = mapped_column(ForeignKey("logins.id"))
    """In whose name it is made: whoever made or changed it last."""
    made_at: Mapped[Instant]

    __table_args__ = (
        ForeignKeyConstraint(["report_id", "operator_id"], ["saved_reports.id", "saved_reports.operator_id"]),
        UniqueConstraint("id", "operator_id"),
        one_of("format", ReportFormat),
        one_of("every", Every),
        CheckConstraint(
            "CASE every WHEN 'day' THEN on_day = 0 WHEN 'week' THEN on_day BETWEEN 1 AND 7"
            " ELSE on_day BETWEEN 1 AND 31 END",
            name="on_day",
        ),
        CheckConstraint("cardinality(mail_to) <= 20", name="mail_to"),
        CheckConstraint("ended_because IS NULL OR NOT is_active", name="ended_because"),
        # What is due.
        Index("ix_report_schedules_next_at", "next_at", postgresql_where=text("is_active")),
    )


class ReportRun(Base):
    """One file: asked for by a person or a schedule, made by the worker, kept for a while."""

    __tablename__ = "report_runs"

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id"))
    name: Mapped[str]
    subject: Mapped[str]
    definition: Mapped[str]
    """As it was then."""
    format: Mapped[str]
    report_id: Mapped[int | None]
    schedule_id: Mapped[int | None]
    due_at: Mapped[Instant | None]
    """Of a schedule: the time that it was made for."""
    asked_by: Mapped[int] = mapped_column(ForeignKey("logins.id"))
    asked_at: Mapped[Instant]
    state: Mapped[str] = mapped_column(server_default=text("'queued'"))
    rows_done: Mapped[int] = mapped_column(server_default=text("0"))
    rows_in_all: Mapped[int | None]
    size: Mapped[int | None]
    """In bytes."""
    problem: Mapped[str | None]
    started_at: Mapped[Instant | None]
    ended_at: Mapped[Instant | None]
    tries: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    """How often somebody began to make it; whoever makes it says which of them they are."""

    __table_args__ = (
        ForeignKeyConstraint(["report_id", "operator_id"], ["saved_reports.id", "saved_reports.operator_id"]),
        ForeignKeyConstraint(
            ["schedule_id", "operator_id"], ["report_schedules.id", "report_schedules.operator_id"]
        ),
        one_of("format", ReportFormat),
        one_of("state", RunState),
        CheckConstraint("jsonb_typeof(definition::jsonb) = 'object'", name="definition"),
        CheckConstraint(
            "(state IN ('done', 'failed', 'cancelled')) = (ended_at IS NOT NULL)"
            " AND (state = 'done') = (size IS NOT NULL) AND (state = 'failed') = (problem IS NOT NULL)",
            name="ended",
        ),
        CheckConstraint("(schedule_id IS NULL) = (due_at IS NULL)", name="due_at"),
        CheckConstraint("rows_done >= 0 AND rows_in_all >= 0 AND size >= 0", name="counts"),
        # A schedule makes each of its times once.
        Index(
            "uq_report_runs_due_at",
            "schedule_id",
            "due_at",
            unique=True,
            postgresql_where=text("schedule_id IS NOT NULL"),
        ),
        Index("ix_report_runs_operator_id_id", "operator_id", "id"),
        # What is to be made.
        Index("ix_report_runs_waiting", "id", postgresql_where=text("state IN ('queued', 'running')")),
    )


class ReportPart(Base):
    """A piece of a file, so that neither writing nor reading it needs all of it at once."""

    __tablename__ = "report_parts"

    run_id: Mapped[int] = mapped_column(ForeignKey("report_runs.id"), primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (CheckConstraint("number > 0 AND octet_length(content) > 0", name="content"),)


class ReportLetter(Base):
    """A file on its way to one address."""

    __tablename__ = "report_letters"

    run_id: Mapped[int] = mapped_column(ForeignKey("report_runs.id"), primary_key=True, autoincrement=False)
    address: Mapped[str] = mapped_column(primary_key=True)
    tries: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    next_at: Mapped[Instant | None]
    """When it is tried; none once it is on its way, or given up."""
    sent_at: Mapped[Instant | None]
    problem: Mapped[str | None]
    """What came of the last try."""

    __table_args__ = (
        CheckConstraint("sent_at IS NULL OR next_at IS NULL AND problem IS NULL", name="sent_at"),
        CheckConstraint("tries >= 0", name="tries"),
        # What is to be mailed.
        Index("ix_report_letters_next_at", "next_at", postgresql_where=text("next_at IS NOT NULL")),
    )
