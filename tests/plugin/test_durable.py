"""What the engine's library loads late is what it would have loaded at once."""

import subprocess
import sys

LATE = """
import sys

from plugin.durable import DBOS
from dbos import _dbos_config, _sys_db, _utils

print(sorted({"psycopg", "yaml"} & set(sys.modules)))
retriable = _utils.psycopg.OperationalError, _sys_db.pg_errors.SerializationFailure

import psycopg
import psycopg.errors
import yaml

print(retriable == (psycopg.OperationalError, psycopg.errors.SerializationFailure))
print(_dbos_config.yaml.safe_load is yaml.safe_load)
print(hasattr(_utils.psycopg, "no such thing"))
"""

LOADED_BEFORE = """
import psycopg
from plugin.durable import DBOS
from dbos import _utils

print(_utils.psycopg is psycopg)
"""


def printed(program: str) -> list[str]:
    """In a process of its own: here much is loaded already."""
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split(
        "\n"
    )


def test_postgresql_s_client_is_loaded_when_it_is_needed() -> None:
    assert printed(LATE)[:-1] == ["[]", "True", "True", "False"]


def test_what_is_loaded_already_is_taken_as_it_is() -> None:
    assert printed(LOADED_BEFORE)[:-1] == ["True"]
