"""What is done once a day: an anchor for the day that ended, models, proof that nothing differs, tidying."""

import procrastinate

from dashboard import clock, db, keys
from dashboard.config import settings
from dashboard.jobs.application import application

tasks = procrastinate.Blueprint()
_RETRY = procrastinate.RetryStrategy(max_attempts=5, wait=300)


@tasks.periodic(cron="5 0 * * *")
@tasks.task(name="anchor", queueing_lock="anchor", retry=_RETRY)
def anchor(timestamp: int) -> None:
    """Take the daily anchor, at 00:05 UTC."""
    from dashboard.services import audit  # noqa: PLC0415 - commands that read the queue need none

    with application().app_context():
        audit.take_anchor(
            db.reading, db.transact, key=keys.anchor_key(), folder=settings().anchor_folder, now=clock.now()
        )


@tasks.periodic(cron="20 2 * * *")
@tasks.task(name="fit", queueing_lock="fit", retry=_RETRY)
def fit(timestamp: int) -> None:
    """Fit the model of every operator anew, at 02:20 UTC."""
    from dashboard.jobs import anomalies  # noqa: PLC0415 - loads numpy

    with application().app_context():
        anomalies.fit_all(clock.now())


@tasks.periodic(cron="10 3 * * *")
@tasks.task(name="verify", queueing_lock="verify", retry=_RETRY)
def verify(timestamp: int) -> None:
    """Verify everything and record the result, at 03:10 UTC."""
    from dashboard.services import audit  # noqa: PLC0415 - commands that read the queue need none

    with application().app_context():
        audit.verify_and_record(
            db.reading, db.transact, key=keys.anchor_key(), folder=settings().anchor_folder, now=clock.now()
        )


@tasks.periodic(cron="40 3 * * *")
@tasks.task(name="purge", queueing_lock="purge", retry=_RETRY)
def purge(timestamp: int) -> None:
    """Delete what nobody needs any more, at 03:40 UTC: ended sessions, addresses gone quiet, old files."""
    from dashboard.services import addresses, report_runs, sessions  # noqa: PLC0415 - as above

    with application().app_context(), db.writing() as session:
        sessions.forget(session, now=clock.now())
        addresses.forget_stale(session, now=clock.now())
        report_runs.forget_old(session, now=clock.now())
