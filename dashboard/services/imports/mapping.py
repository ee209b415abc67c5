"""How a journal from elsewhere is to be read: the TOML file that says so, checked before anything else.

docs/import.md explains every key.
"""

import datetime as dt
import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from dashboard import money
from dashboard.errors import Rejected
from dashboard.models.wallet import ChangeType

PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
"""What a template names a column by."""

_DIRECTIONS: dict[ChangeType, str] = {
    ChangeType.DEPOSIT: "+",
    ChangeType.WITHDRAWAL: "-",
    ChangeType.FEE: "-",
    ChangeType.WAGER: "-",
    ChangeType.SETTLEMENT: "+",
    ChangeType.REFUND: "+",
}
"""The only sign that these types can have; adjustments and openings can have either."""
_EITHER = (ChangeType.ADJUSTMENT, ChangeType.OPENING)
_CLOCK_CODES = re.compile(r"%-?[HIMSfXcTRspr]")


class MappingError(Rejected):
    """The mapping cannot be used; the message names the file and the key."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _template(text: str) -> str:
    if PLACEHOLDER.sub("", text).count("{") or PLACEHOLDER.sub("", text).count("}"):
        raise ValueError("a template names columns in braces, such as {account_id}")
    return text


Name = Annotated[str, Field(min_length=1)]
Template = Annotated[str, Field(min_length=1), AfterValidator(_template)]


class Columns(_Part):
    """Which column holds what, by the names of the header."""

    account: Name
    time: Name
    amount: Name
    type: Name
    balance: Name | None = None
    """The balance after each row; without it nothing can be reconciled."""
    reference: Name | None = None
    """The row's own number; without it the line in the file."""


class Time(_Part):
    """How the time column is written: a format of strptime, and the zone it is in."""

    format: Name
    zone: str | None = None
    """IANA name; None: the operator's."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.zone is not None and self.zone not in available_timezones():
            raise ValueError(f"{self.zone} is no time zone")
        sample = dt.datetime(2001, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
        read = dt.datetime.strptime(sample.strftime(self.format), self.format)  # noqa: DTZ007 - its day alone
        if read.date() != sample.date():
            raise ValueError("format must hold year, month and day")
        return self

    @property
    def is_date_only(self) -> bool:
        """Whether a row has a day but no time of day."""
        return _CLOCK_CODES.search(self.format) is None


class Amount(_Part):
    """The decimal form of amounts and balances."""

    decimal: Literal[".", ","] = "."
    grouping: Literal["", ".", ",", " ", "'"] = ""
    """What stands between groups of three digits."""

    @model_validator(mode="after")
    def _different(self) -> Self:
        if self.decimal == self.grouping:
            raise ValueError("decimal and grouping must differ")
        return self


class Kind(_Part):
    """What a value of the type column means."""

    change_type: Annotated[ChangeType, Field(strict=False)]
    sign: Literal["+", "-", "amount"]
    """`amount`: the amount itself is signed."""

    @model_validator(mode="after")
    def _direction(self) -> Self:
        if self.change_type in _EITHER:
            return self
        wanted = _DIRECTIONS.get(self.change_type)
        if wanted is None:
            allowed = ", ".join([*_DIRECTIONS, *_EITHER])
            raise ValueError(f"a {self.change_type} cannot be imported; possible are {allowed}")
        if self.sign != wanted:
            raise ValueError(f"a {self.change_type} needs the sign {wanted}")
        return self


class Order(_Part):
    """Rows of one account and one moment: these come next, sorted so."""

    rows: Literal["credits", "debits", "all"]
    by: Literal["balance", "amount", "line"]
    direction: Literal["rising", "falling"] = "rising"


class Player(_Part):
    """Who an account becomes."""

    external_id: Template
    name: Template


class Reason(_Part):
    """What stands as an entry's reason: the parts that are not empty, joined."""

    parts: tuple[Template, ...] = ()
    join: str = " · "
    otherwise: Name = "Imported"
    """Where every part is empty."""


class Reconcile(_Part):
    """How recorded balances are compared with the recorded balance before."""

    tolerance: str = "0"
    first: Literal["zero", "start"] = "zero"
    """An account's first row is compared with nothing before it (zero), or taken as it is (start)."""


class Mapping(_Part):
    """The whole file."""

    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    encoding: Name = "utf-8"
    columns: Columns
    time: Time
    amount: Amount = Amount()
    types: dict[str, Kind]
    order: tuple[Order, ...] = ()
    player: Player
    reason: Reason = Reason()
    words: dict[str, dict[str, str]] = {}
    """By column: what its values are called in templates."""
    reconcile: Reconcile = Reconcile()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not money.is_currency(self.currency):
            raise ValueError(f"{self.currency} is no currency code")
        if not self.types:
            raise ValueError("types must name at least one value of the type column")
        if self.columns.balance is None and any(order.by == "balance" for order in self.order):
            raise ValueError("order by balance needs columns.balance")
        try:
            "".encode(self.encoding)
        except LookupError:
            raise ValueError(f"{self.encoding} is no text encoding") from None
        if money.parse(self.reconcile.tolerance, self.currency) < 0:
            raise ValueError("reconcile.tolerance must not be negative")
        return self

    @property
    def tolerance_minor(self) -> int:
        """By how much a recorded balance may differ, in minor units."""
        return money.parse(self.reconcile.tolerance, self.currency)

    def columns_named(self) -> list[str]:
        """Every column that the file must have, in the order in which the mapping names them."""
        own = [name for name in self.columns.model_dump().values() if name is not None]
        templates = [self.player.external_id, self.player.name, *self.reason.parts]
        named = [name for template in templates for name in PLACEHOLDER.findall(template)]
        return list(dict.fromkeys([*own, *named, *self.words]))


def read(path: Path) -> Mapping:
    """The mapping in a TOML file. Raises MappingError: no such file, no TOML, or a key that is wrong."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MappingError(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MappingError(f"{path} is no TOML: {error}.") from None
    return parse(found, name=str(path))


def parse(found: dict[str, object], *, name: str) -> Mapping:
    """The same from what TOML holds; `name` stands in messages. Raises MappingError."""
    try:
        # TOML's arrays are lists, which strict models only take as such from JSON-like input.
        return Mapping.model_validate(_tuples(found))
    except ValidationError as error:
        told = "; ".join(_complaint(dict(detail)) for detail in error.errors())
    except Rejected as error:
        told = f"reconcile.tolerance: {error.message}"
    raise MappingError(f"{name}: {told}")


def _tuples(value: object) -> object:
    if isinstance(value, dict):
        return {key: _tuples(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return tuple(_tuples(inner) for inner in value)
    return value


def _complaint(detail: dict[str, object]) -> str:
    location = detail["loc"]
    key = ".".join(map(str, location)) if isinstance(location, tuple) else ""
    told = str(detail["msg"]).removeprefix("Value error, ")
    return f"{key}: {told}" if key else told
