"""Column kinds that several tables share."""

import datetime as dt
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from sqlalchemy import BigInteger, CheckConstraint, Identity, LargeBinary
from sqlalchemy.orm import mapped_column

Id = Annotated[int, mapped_column(BigInteger, Identity(always=True), primary_key=True)]
"""A bigint identity key: made by the database, never by us."""

Digest = Annotated[bytes, mapped_column(LargeBinary)]
"""32 bytes of SHA-256; each table checks the length."""

Instant = dt.datetime


def one_of(column: str, values: Iterable[StrEnum], *, name: str | None = None) -> CheckConstraint:
    """A CHECK that `column` holds one of the enum's values: enums are text with a CHECK."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=name or column)
