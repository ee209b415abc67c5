"""Lists of changes that are checked and posted without anybody waiting: what the queue knows of it."""

import procrastinate
from procrastinate.exceptions import JobAborted

from dashboard.jobs.application import application

tasks = procrastinate.Blueprint()
# While somebody else holds one of its balances for long, or the database is away.
_RETRY = procrastinate.RetryStrategy(max_attempts=200, wait=5)


@tasks.task(name="go_on", pass_context=True, retry=_RETRY)
def go_on(context: procrastinate.JobContext, run_id: int) -> None:
    """Check or post a list, whichever it is at."""
    from dashboard.jobs import bulk_work  # noqa: PLC0415 - the queue is read by commands that need no services

    with application().app_context():
        bulk_work.go_on(run_id, should_stop=context.should_abort)
    if context.should_abort():
        raise JobAborted
