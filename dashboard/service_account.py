"""Who the embedded PostgreSQL runs as. It refuses to run as root, so root lends it a user of its own.

As an ordinary user nothing here changes anything: the server runs as whoever started it.
"""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import click

from dashboard.errors import PurserError

NAME = "purser-db"


class ProcessUser(TypedDict, total=False):
    """Arguments for `subprocess`."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """A user and its main group. `lent` says that we are root and act for it."""

    user_id: int
    group_id: int
    lent: bool

    def as_user(self) -> ProcessUser:
        if not self.lent:
            return {}
        return {"user": self.user_id, "group": self.group_id, "extra_groups": []}

    def own_folder(self, folder: Path) -> None:
        """Have a folder of mode 0700 that belongs to the account, reachable by it.

        Raises PurserError when there is something else of that name: in the system's temp folder
        somebody may have put it there before us.
        """
        try:
            folder.mkdir(mode=0o700, parents=True)
            if self.lent:
                os.chown(folder, self.user_id, self.group_id)
        except FileExistsError:
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != self.user_id:
                raise PurserError(f"{folder} exists and is not ours: move it away.") from None
            folder.chmod(0o700)
        self.open_way_to(folder)

    def write(self, file: Path, text: str) -> None:
        """A file of mode 0600 that belongs to the account, in a folder of its own."""
        file.unlink(missing_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            if self.lent:
                os.fchown(descriptor, self.user_id, self.group_id)
            opened.write(text)

    def remove_tree(self, folder: Path) -> None:
        """Delete the folder if it is there."""
        if folder.exists():
            shutil.rmtree(folder)

    def open_way_to(self, path: Path) -> None:
        """Let the account pass through the folders above `path`: the search bit for others, never to read."""
        if not self.lent:
            return
        for folder in reversed(path.absolute().parents):
            if not self._may_pass(folder.stat()):
                folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IXOTH)
                click.echo(f"Opened {folder} for passing through (o+x): PostgreSQL runs as {NAME}.", err=True)

    def _may_pass(self, folder: os.stat_result) -> bool:
        if folder.st_uid == self.user_id:
            return bool(folder.st_mode & stat.S_IXUSR)
        if folder.st_gid == self.group_id:
            return bool(folder.st_mode & stat.S_IXGRP)
        return bool(folder.st_mode & stat.S_IXOTH)


def for_data(data: Path) -> Account:
    """The account for a data folder: its owner if root asks about an existing one, else a system user."""
    if os.geteuid() != 0:
        if data.exists() and data.stat().st_uid != os.geteuid():
            raise PurserError(
                f"{data} belongs to another user: run as that user, or set another PURSER_HOME."
            )
        return Account(os.geteuid(), os.getegid(), lent=False)
    if data.exists() and data.stat().st_uid != 0:
        found = data.stat()
        return Account(found.st_uid, found.st_gid, lent=True)
    try:
        entry = pwd.getpwnam(NAME)
    except KeyError:
        entry = _made()
    return Account(entry.pw_uid, entry.pw_gid, lent=True)


def _made() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    try:
        subprocess.run(  # noqa: S603 - fixed arguments
            [*command, "--shell", "/usr/sbin/nologin", NAME], check=True, capture_output=True, text=True
        )
        return pwd.getpwnam(NAME)
    except (OSError, subprocess.CalledProcessError, KeyError) as error:
        raise PurserError(
            f"PostgreSQL does not run as root, and the system user {NAME} cannot be made ({error}): "
            "make it, or run as an ordinary user."
        ) from error
