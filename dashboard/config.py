"""The settings, read once from the environment. Nothing else in the project looks at environment variables.

Secrets made at first start are no settings: they stand in `keys.py`.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dashboard.errors import PurserError

ROOT = Path(__file__).resolve().parent.parent
SECRET_LENGTH_MIN = 32
_SAMPLE_WORDS = (
    "change-me",
    "changeme",
    "change_me",
    "example",
    "sample",
    "your-secret",
    "placeholder",
    "insecure",
)


class ConfigurationError(PurserError):
    """A setting in the environment cannot be used; the message names it."""


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _listed(value: object) -> object:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


def _strong(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if len(text) < SECRET_LENGTH_MIN:
        raise ValueError(f"is too short: {SECRET_LENGTH_MIN} characters at least")
    if len(set(text)) < 10 or any(word in text.lower() for word in _SAMPLE_WORDS):
        raise ValueError("looks like a sample: use a random one")
    return secret


def _mail_server(url: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(url.get_secret_value())
        is_one = parts.scheme in {"smtp", "smtps"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # whose words have what stands there
        is_one = False
    if not is_one:
        raise ValueError("must begin with smtp:// or smtps:// and name a server, and a port if any")
    return url


Folder = Annotated[Path, AfterValidator(_absolute)]
Secret = Annotated[SecretStr, AfterValidator(_strong)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]


class Settings(BaseSettings):
    """What can be set from outside; an empty variable counts as not set."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True, extra="ignore")

    home: Folder = Field(default=ROOT / "var", validation_alias="PURSER_HOME")
    """Where the embedded data, the secrets, exports and anchors live."""
    database_url: SecretStr | None = Field(default=None, validation_alias="DATABASE_URL")
    """The owner role's URL on a PostgreSQL of one's own; unset means the embedded one."""
    secret_key: Secret | None = Field(default=None, validation_alias="PURSER_SECRET_KEY")
    """Signs cookies and CSRF tokens; unset means `secrets/session.key` in the home."""
    anchor_key: Secret | None = Field(default=None, validation_alias="PURSER_ANCHOR_KEY")
    """Signs anchors; unset means `secrets/anchor.key` in the home."""
    second_factor_key: Secret | None = Field(default=None, validation_alias="PURSER_SECOND_FACTOR_KEY")
    """Encrypts the secrets of second factors; unset means `secrets/second-factor.key` in the home."""
    backup_key: Secret | None = Field(default=None, validation_alias="PURSER_BACKUP_KEY")
    """Encrypts backups; unset means `secrets/backup.key` in the home."""
    seed_key: Secret | None = Field(default=None, validation_alias="PURSER_SEED_KEY")
    """Encrypts the seeds of rounds; unset means `secrets/seed.key` in the home."""
    anchor_dir: Folder | None = Field(default=None, validation_alias="PURSER_ANCHOR_DIR")
    """Where anchors are written as files. Unset means `anchors` in the home, on the machine they guard."""
    host: str = Field(default="127.0.0.1", validation_alias="HOST")
    port: int = Field(default=8000, validation_alias="PORT", ge=1, le=65535)
    trusted_hosts: Names = Field(
        default=("localhost", "127.0.0.1", "[::1]"), validation_alias="PURSER_TRUSTED_HOSTS"
    )
    """Host names that a request may carry, separated by commas."""
    secure_cookies: bool = Field(default=False, validation_alias="PURSER_SECURE_COOKIES")
    """On where the browser speaks TLS: cookies are then `__Host-` and Secure."""
    trusted_proxies: int = Field(default=0, validation_alias="PURSER_TRUSTED_PROXIES", ge=0, le=5)
    """So many proxies stand before the server, whose X-Forwarded headers are then believed."""
    metrics_token: Secret | None = Field(default=None, validation_alias="PURSER_METRICS_TOKEN")
    """Whoever shows it as a bearer token may read `/metrics`; unset means that there is no such page."""
    smtp_url: Annotated[SecretStr, AfterValidator(_mail_server)] | None = Field(
        default=None, validation_alias="PURSER_SMTP_URL"
    )
    """Where mail is handed in: `smtp://` (STARTTLS where it is offered) or `smtps://`; unset: none is."""
    mail_from: str = Field(default="purser@localhost", validation_alias="PURSER_MAIL_FROM")
    """In whose name."""

    balance_min_default: int = Field(default=-10_000, validation_alias="BALANCE_MIN_DEFAULT", le=0)
    """These four are in whole units and set the default level's rules when an operator is created."""
    balance_max_default: int = Field(default=1_000_000, validation_alias="BALANCE_MAX_DEFAULT", gt=0)
    balance_warning_threshold: int = Field(default=1_000, validation_alias="BALANCE_WARNING_THRESHOLD")
    balance_critical_threshold: int = Field(default=100, validation_alias="BALANCE_CRITICAL_THRESHOLD", ge=0)

    @model_validator(mode="after")
    def _ranges(self) -> Self:
        if self.balance_min_default >= self.balance_max_default:
            raise ValueError("BALANCE_MIN_DEFAULT must be below BALANCE_MAX_DEFAULT")
        if self.balance_critical_threshold > self.balance_warning_threshold:
            raise ValueError("BALANCE_CRITICAL_THRESHOLD must not be above BALANCE_WARNING_THRESHOLD")
        return self

    @property
    def anchor_folder(self) -> Path:
        """Where anchors are written, whether it was set or not."""
        return self.anchor_dir or self.home / "anchors"


def read() -> Settings:
    """The settings as the environment has them now. Raises ConfigurationError in one line."""
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigurationError("; ".join(_complaint(dict(detail)) for detail in error.errors())) from None


@cache
def settings() -> Settings:
    """The settings of this process. Tests that change the environment call `settings.cache_clear()`."""
    return read()


def _complaint(detail: dict[str, object]) -> str:
    """Names the variable and what is wrong, never its value: it may be a secret."""
    location = detail["loc"]
    name = str(location[0]) if isinstance(location, tuple) and location else ""
    return f"{name} {detail['msg']}".replace("Value error, ", "").strip() + "."
