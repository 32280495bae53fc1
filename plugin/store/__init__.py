"""Our own tables and the queries over them."""
