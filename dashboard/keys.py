"""Secrets under `PURSER_HOME/secrets`: each a file of mode 0600, made at the first start that needs it.

Never log what these functions return.
"""

import json
import os
import secrets
from pathlib import Path

from dashboard.config import Settings, settings
from dashboard.errors import PurserError

DATABASE_ROLES = ("superuser", "owner", "app", "partner", "report")
_ENTROPY_BYTES = 48


def session_key(at: Settings | None = None) -> str:
    """What signs cookies and CSRF tokens."""
    at = at or settings()
    if at.secret_key:
        return at.secret_key.get_secret_value()
    return _read_or_make(at.home / "secrets" / "session.key", secrets.token_urlsafe(_ENTROPY_BYTES))


def anchor_key(at: Settings | None = None) -> bytes:
    """The HMAC key of anchors; it never enters the database."""
    at = at or settings()
    if at.anchor_key:
        return at.anchor_key.get_secret_value().encode()
    return _read_or_make(at.home / "secrets" / "anchor.key", secrets.token_urlsafe(_ENTROPY_BYTES)).encode()


def second_factor_key(at: Settings | None = None) -> str:
    """What the secrets of second factors are encrypted with. Lost, they must all be set up anew."""
    at = at or settings()
    if at.second_factor_key:
        return at.second_factor_key.get_secret_value()
    return _read_or_make(at.home / "secrets" / "second-factor.key", secrets.token_urlsafe(_ENTROPY_BYTES))


def seed_key(at: Settings | None = None) -> bytes:
    """What the seeds of rounds are encrypted with. Lost, rounds under way can only be voided."""
    at = at or settings()
    if at.seed_key:
        return at.seed_key.get_secret_value().encode()
    return _read_or_make(at.home / "secrets" / "seed.key", secrets.token_urlsafe(_ENTROPY_BYTES)).encode()


def backup_key(at: Settings | None = None) -> bytes:
    """What backups are encrypted with. Without it nobody can open them: keep a copy elsewhere."""
    at = at or settings()
    if at.backup_key:
        return at.backup_key.get_secret_value().encode()
    return _read_or_make(at.home / "secrets" / "backup.key", secrets.token_urlsafe(_ENTROPY_BYTES)).encode()


def database_passwords(home: Path) -> dict[str, str]:
    """The password of each database role, by its short name (`app` for `purser_app`)."""
    fresh = json.dumps({name: secrets.token_urlsafe(24) for name in DATABASE_ROLES})
    path = home / "secrets" / "database.json"
    try:
        passwords = json.loads(_read_or_make(path, fresh))
        return {name: str(passwords[name]) for name in DATABASE_ROLES}
    except (ValueError, KeyError, TypeError) as error:
        raise PurserError(
            f"{path} is damaged: restore it from a backup, or reset the roles' passwords."
        ) from error


def _read_or_make(path: Path, fresh: str) -> str:
    """The file's text, or `fresh` written to it. Of two starts at once, both read what one wrote."""
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.chmod(0o700)
            draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(fresh)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)  # fails when it is there by now: a whole file appears, or none
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        if path.stat().st_mode & 0o077:
            raise PurserError(f"{path} can be read by others: chmod 600 it, and replace the secret.")
        text = path.read_text().strip()
    except OSError as error:
        raise PurserError(f"The secret {path} cannot be read or made: {error.strerror}.") from error
    if len(text) < 32:
        raise PurserError(f"{path} is empty or too short: delete it to have it made anew.")
    return text
