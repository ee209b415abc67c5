"""`run`, as somebody starts it: everything comes up, comes back, and goes down together."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard import embedded
from tests.server.conftest import ROOT, Desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A home that is empty yet, in a folder with a blank in its name."""
    folder = Path(tempfile.mkdtemp(prefix="purser run "))
    folder.chmod(0o711)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    yield Desk(folder / "home", port, 0)
    embedded.stop(folder / "home")
    shutil.rmtree(folder)


def run(desk: Desk) -> subprocess.Popen[str]:
    """`run --no-demo`; its output is read when it has ended."""
    environment = {**os.environ, "PURSER_HOME": str(desk.home), "PORT": str(desk.port)}
    return subprocess.Popen(
        [sys.executable, "-m", "dashboard.cli", "run", "--no-demo"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def children(process_id: int) -> dict[str, int]:
    """The processes that it started, by the name of their command."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            words = stat.with_name("cmdline").read_bytes().split(b"\0")
        except OSError:  # it ended in between
            continue
        if parent == process_id and b"dashboard.cli" in words:
            found[words[words.index(b"dashboard.cli") + 1].decode()] = int(stat.parent.name)
    return found


def test_everything_comes_up_comes_back_and_goes_down(desk):
    process = run(desk)
    desk.wait_for(200, "/readyz")
    os.kill(children(process.pid)["web"], signal.SIGKILL)
    desk.wait_for(200, "/readyz")
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert time.monotonic() - began < 10
    assert printed.splitlines() == [f"Purser is ready: http://127.0.0.1:{desk.port}/", "Stopped."]
    assert not embedded.is_running(desk.home)


def test_after_a_kill_nothing_is_in_the_way(desk):
    killed = run(desk)
    desk.wait_for(200, "/readyz")
    killed.kill()
    killed.communicate(timeout=30)  # its children hold the pipe: it closes when they have ended too
    again = run(desk)
    desk.wait_for(200, "/readyz")
    again.send_signal(signal.SIGINT)
    printed, _ = again.communicate(timeout=30)
    assert (again.returncode, printed.splitlines()[-1]) == (0, "Stopped.")
    assert not embedded.is_running(desk.home), "the last user stops it, although another started it"
