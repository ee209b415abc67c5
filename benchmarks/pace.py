"""How often a second two clients can do something: SQL by pgbench, or a service in their own processes."""

import multiprocessing
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

import dashboard
from dashboard import embedded, roles
from dashboard.config import settings

CLIENTS = 2
WARM_UP = 20
"""Calls of each client before the clock starts."""

Once = Callable[..., None]
"""Does it once, with the arguments given; of a module, so that another process can name it."""


def of_sql(script: str, *, seconds: int, **variables: int) -> float:
    """Transactions a second of a pgbench script, with prepared statements."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        command = [str(embedded.binary("pgbench")), "-n", "-M", "prepared", f"-c{CLIENTS}", f"-j{CLIENTS}"]
        named = [f"-D{name}={value}" for name, value in variables.items()]
        told = subprocess.run(
            [*command, f"-T{seconds}", *named, "-f", file.name, roles.url_for("app")],
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.search(r"tps = ([0-9.]+)", told.stdout)
    assert found, told.stdout
    return float(found[1])


def of_service(once: Once, *arguments: int, seconds: int) -> float:
    """Calls of `once(*arguments)` a second, each client in a process of its own."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(CLIENTS)
    counts = context.Queue()
    home = str(settings().home)
    workers = [
        context.Process(target=_work, args=(home, seconds, partial(once, *arguments), start, counts))
        for _ in range(CLIENTS)
    ]
    for worker in workers:
        worker.start()
    total = sum(counts.get() for _ in workers)
    for worker in workers:
        worker.join()
    return float(total) / seconds


def _work(home: str, seconds: int, once: Callable[[], None], start: Barrier, counts: "Queue[int]") -> None:
    os.environ["PURSER_HOME"] = home
    settings.cache_clear()
    with dashboard.create_app().app_context():
        for _ in range(WARM_UP):
            once()
        start.wait()
        ends, done = time.monotonic() + seconds, 0
        while time.monotonic() < ends:
            once()
            done += 1
    counts.put(done)
