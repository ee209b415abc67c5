"""An encrypted file with a head that anybody may read: how backups are kept.

The format is written down in docs/backups.md, with a short program that opens it without Purser.
AES-256-GCM over chunks, after the STREAM construction: a chunk that was changed, moved, left out or
taken from another file does not open, and neither does a file that ends too early.
"""

import hashlib
import json
import os
import secrets
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dashboard.errors import PurserError

MAGIC = b"purser.backup.1\n"
_SALT_BYTES = 32
_LENGTH = struct.Struct(">I")
_HEAD_MOST_BYTES = 64 * 1024
CHUNK_BYTES = 1024 * 1024
_TAG_BYTES = 16


class Damaged(PurserError):
    """The file was changed, cut short, or encrypted with another key; or it is no such file."""


def seal(target: BinaryIO, source: BinaryIO, *, head: Mapping[str, Any], key: bytes) -> None:
    """Write the head and everything that `source` gives, encrypted."""
    salt = secrets.token_bytes(_SALT_BYTES)
    text = json.dumps(head, sort_keys=True).encode()
    opening = MAGIC + salt + _LENGTH.pack(len(text)) + text
    target.write(opening)
    cipher, bound = AESGCM(_file_key(key, salt)), hashlib.sha256(opening).digest()
    chunk, number = _read(source, CHUNK_BYTES), 0
    while True:
        following = _read(source, CHUNK_BYTES)
        target.write(cipher.encrypt(_nonce(number, is_last=not following), chunk, bound))
        if not following:
            return
        chunk, number = following, number + 1


def read_head(source: BinaryIO) -> dict[str, Any]:
    """The head alone, which is not proved before the chunks are. Raises Damaged."""
    return _opening(source)[1]


def opened(source: BinaryIO, *, key: bytes) -> Iterator[bytes]:
    """What was sealed, chunk by chunk; each is proved before it is given. Raises Damaged.

    A file that was cut short shows at its end: whoever must not act on half of it goes through it
    once before.
    """
    opening, _head = _opening(source)
    salt = opening[len(MAGIC) : len(MAGIC) + _SALT_BYTES]
    cipher, bound = AESGCM(_file_key(key, salt)), hashlib.sha256(opening).digest()
    chunk, number = _read(source, CHUNK_BYTES + _TAG_BYTES), 0
    while True:
        following = _read(source, CHUNK_BYTES + _TAG_BYTES)
        try:
            yield cipher.decrypt(_nonce(number, is_last=not following), chunk, bound)
        except InvalidTag:
            raise Damaged(
                "The backup does not open: it was changed or cut short, or PURSER_BACKUP_KEY (or"
                " secrets/backup.key) is not the key that it was made with."
            ) from None
        if not following:
            return
        chunk, number = following, number + 1


@contextmanager
def whole_or_nothing(path: Path) -> Iterator[BinaryIO]:
    """A new file of mode 0600 that gets its name when the block has ended well.

    Raises PurserError when there is a file of that name already.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)  # unlike a rename it never replaces what is there
        finally:
            draft.unlink()
        _settle(path.parent)
    except FileExistsError:
        raise PurserError(f"{path} is there already: give another name.") from None
    except OSError as error:
        raise PurserError(f"{path} cannot be written: {error.strerror}.") from error


def _settle(folder: Path) -> None:
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(at)
    finally:
        os.close(at)


def _opening(source: BinaryIO) -> tuple[bytes, dict[str, Any]]:
    start = source.read(len(MAGIC) + _SALT_BYTES + _LENGTH.size)
    if len(start) != len(MAGIC) + _SALT_BYTES + _LENGTH.size or not start.startswith(MAGIC):
        raise Damaged("This is no backup of Purser's.")
    (length,) = _LENGTH.unpack(start[-_LENGTH.size :])
    if length > _HEAD_MOST_BYTES:
        raise Damaged("The head of the backup is damaged.")
    text = source.read(length)
    try:
        head = json.loads(text)
    except ValueError:
        raise Damaged("The head of the backup is damaged.") from None
    if not isinstance(head, dict):
        raise Damaged("The head of the backup is damaged.")
    return start + text, head


def _file_key(key: bytes, salt: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=MAGIC).derive(key)


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def _read(source: BinaryIO, size: int) -> bytes:
    """So many bytes, fewer only at the end: a pipe gives what it has."""
    parts, missing = [], size
    while missing and (part := source.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
