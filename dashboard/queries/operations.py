"""How the machinery is: for whoever watches over it, not for the desk."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

_STATE = text("""
SELECT (SELECT version_num FROM alembic_version) AS revision,
       (SELECT max(last_heartbeat) FROM procrastinate_workers) AS worker_seen_at,
       count(*) FILTER (WHERE status = 'todo') AS jobs_waiting,
       count(*) FILTER (WHERE status = 'doing') AS jobs_running,
       count(*) FILTER (WHERE status = 'failed') AS jobs_failed
FROM procrastinate_jobs
""")


@dataclass(frozen=True, slots=True)
class State:
    """What the database knows of schema, worker and jobs."""

    revision: str | None
    worker_seen_at: dt.datetime | None
    """Its last sign of life, at most some seconds old while one runs; None where none ever did."""
    jobs_waiting: int
    jobs_running: int
    jobs_failed: int


def get_state(session: Session) -> State:
    """All of it, in one statement."""
    return State(**session.execute(_STATE).mappings().one())
