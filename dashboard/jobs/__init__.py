"""What is done without anybody waiting for it. The queue lives in the database, under the application's role.

A job is an edge like a view: it owns its transaction. Enqueued within a transaction, it exists only if
that transaction commits.
"""

import threading
from functools import cache

import procrastinate

from dashboard import roles
from dashboard.jobs import bulk, nightly

_GRACE_SECONDS = 10
_LATE_BY_MAX_SECONDS = 24 * 60 * 60


@cache
def queue() -> procrastinate.App:
    """The queue of the configured database, with every task known to it."""
    made = procrastinate.App(
        connector=procrastinate.PsycopgConnector(conninfo=roles.url_for("app"), min_size=1, max_size=4),
        # A machine that slept through the hour does it when it is up again.
        periodic_defaults={"max_delay": _LATE_BY_MAX_SECONDS},
    )
    made.add_tasks_from(nightly.tasks, namespace="nightly")
    made.add_tasks_from(bulk.tasks, namespace="bulk")
    return made


def work() -> None:
    """Do what is due and what is asked for, until SIGINT or SIGTERM."""
    # The queue is also read by commands that need none of this.
    from dashboard.jobs import (  # noqa: PLC0415
        anomalies,
        bulk_work,
        loyalty,
        playing,
        reports,
        rollups,
        ticking,
    )
    from dashboard.jobs.application import application  # noqa: PLC0415

    with application().app_context():
        bulk_work.take_up()
    stop = threading.Event()
    loops = [
        threading.Thread(target=loop, args=(stop,), name=loop.__name__)
        for loop in (
            ticking.keep_ticking,
            playing.keep_playing,
            playing.keep_settling,
            loyalty.keep_days,
            rollups.keep_rolling,
            anomalies.keep_watching,
            reports.keep_reports,
        )
    ]
    for loop in loops:
        loop.start()
    try:
        queue().run_worker(
            name="purser",
            concurrency=2,
            shutdown_graceful_timeout=_GRACE_SECONDS,
            delete_jobs="successful",
        )
    finally:
        stop.set()
        for loop in loops:
            loop.join(_GRACE_SECONDS)
