"""Alembic's way in: migrates over the connection that `plugin.store.migrations.upgrade` hands over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
