"""How migrations reach the database: as the owner, one transaction each, and never waiting long for a lock.

`dashboard/migrate.py` gives the URL; Alembic's own command line works too and takes the configured one.
"""

from alembic import context
from sqlalchemy import NullPool, create_engine

import dashboard.models  # noqa: F401 - makes the tables known
from dashboard import roles
from dashboard.db import Base

LIMITS = "-c lock_timeout=5s -c statement_timeout=60s -c TimeZone=UTC"


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Leave out what procrastinate brings along: it has no models here."""
    return not (kind == "table" and name is not None and name.startswith("procrastinate_"))


def run(**options: object) -> None:
    """Configure and run, online or offline."""
    context.configure(
        target_metadata=Base.metadata,
        include_name=include_name,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
        **options,
    )
    with context.begin_transaction():
        context.run_migrations()


url = context.config.attributes.get("url") or roles.url_for("owner")
if context.is_offline_mode():
    run(url=url, literal_binds=True)
else:
    engine = create_engine(url, poolclass=NullPool, connect_args={"options": LIMITS})
    with engine.connect() as connection:
        run(connection=connection)
