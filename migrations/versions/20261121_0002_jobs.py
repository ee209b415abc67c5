"""The job queue's tables, types and functions.

Their SQL is read from the installed package, which the locks pin; a release that moves that pin to
another schema brings a migration of its own.
Revision 20261121_0002, after 20261121_0001.
"""

from alembic import op
from procrastinate.schema import SchemaManager

revision = "20261121_0002"
down_revision = "20261121_0001"
branch_labels = None
depends_on = None

_TABLES = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND {ours}"
_SEQUENCES = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'S' AND {ours}"
_FUNCTIONS = "SELECT oid::regprocedure::text FROM pg_proc WHERE {ours}"
_TYPES = "SELECT oid::regtype::text FROM pg_type WHERE typtype IN ('c', 'e') AND {ours}"


def upgrade() -> None:
    # The SQL holds bare % signs and colons: the driver takes it as it is, SQLAlchemy does not.
    op.get_bind().connection.driver_connection.execute(SchemaManager.get_schema())
    for name in _names(_TABLES, "rel"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO purser_app")
    for name in _names(_SEQUENCES, "rel"):
        op.execute(f"GRANT USAGE, SELECT ON {name} TO purser_app")


def downgrade() -> None:
    # In this order: triggers of the tables use the functions, and the functions' arguments the types.
    for name in _names(_TABLES, "rel"):
        op.execute(f"DROP TABLE {name} CASCADE")
    for name in _names(_FUNCTIONS, "pro"):
        op.execute(f"DROP FUNCTION {name}")
    for name in _names(_TYPES, "typ"):
        op.execute(f"DROP TYPE {name} CASCADE")


def _names(query: str, prefix: str) -> list[str]:
    """What in the schema public bears procrastinate's prefix."""
    ours = f"{prefix}namespace = 'public'::regnamespace AND {prefix}name ^@ 'procrastinate_'"
    return list(op.get_bind().exec_driver_sql(query.format(ours=ours)).scalars())
