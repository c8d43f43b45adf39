"""Runs the migrations on the connection that `database.migrate` hands over, within its transaction."""

from alembic import context

from syncflow_pipelines.database.migrate import VERSION_TABLE
from syncflow_pipelines.database.models import Model

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Model.metadata,
    version_table=VERSION_TABLE,
    compare_type=True,
    compare_server_default=True,
)
context.run_migrations()
