"""The queue: in the caller's transaction, under the application's role, at the hours that we say."""

import datetime as dt
from collections.abc import Iterator

import procrastinate
import psycopg
import pytest
from procrastinate.exceptions import AlreadyEnqueued

from dashboard import jobs
from tests.conftest import database_url


@pytest.fixture
def queue(database: str) -> Iterator[procrastinate.App]:
    """Our queue, on this test's database."""
    connector = procrastinate.SyncPsycopgConnector(conninfo=database_url("app", database))
    with jobs.queue().replace_connector(connector) as made, made.open():
        yield made


def test_a_job_exists_only_if_its_transaction_commits(queue, database):
    task = queue.tasks["nightly:verify"]
    with psycopg.connect(database_url("app", database)) as connection:
        for end, expected in ((connection.rollback, []), (connection.commit, [("todo",)])):
            task.configure(connection=connection).defer(timestamp=0)
            end()
            assert connection.execute("SELECT status FROM procrastinate_jobs").fetchall() == expected


def test_what_waits_is_not_asked_for_twice(queue):
    queue.tasks["nightly:anchor"].defer(timestamp=0)
    with pytest.raises(AlreadyEnqueued):
        queue.tasks["nightly:anchor"].defer(timestamp=0)


def test_the_hours_are_in_utc(queue):
    midnight = dt.datetime(2026, 11, 21, tzinfo=dt.UTC).timestamp()
    hours = {}
    for periodic in queue.periodic_registry.periodic_tasks.values():
        due = periodic.croniter.get_next(ret_type=float, start_time=midnight)
        hours[periodic.task.name] = f"{dt.datetime.fromtimestamp(due, dt.UTC):%H:%M}"
    assert hours == {
        "nightly:anchor": "00:05",
        "nightly:fit": "02:20",
        "nightly:verify": "03:10",
        "nightly:purge": "03:40",
    }
