"""Alembic's way in: migrates over the connection that `plugin.store.migrations.upgrade` hands over."""

from alembic import context

# A table of its own for the revision, so that a site may keep both in one PostgreSQL database.
context.configure(
    connection=context.config.attributes["connection"], transactional_ddl=True, version_table="cases_revision"
)
context.run_migrations()
