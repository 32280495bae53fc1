"""Which mail tenant the settings mean."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from plugin.errors import SettingsError
from plugin.mail_tenants import connect

SITE = {"system": "account_admin", "url": "https://accounts.example.edu", "token": "a-token-of-twenty-four-chars"}


def now() -> datetime:
    return datetime(2026, 11, 23, 20, tzinfo=UTC)


def test_tenant_bears_its_name_in_the_settings() -> None:
    assert connect("campus", SITE, now).name == "campus"


@pytest.mark.parametrize("system", ["exchange", "reasons", "../account_admin", "", None])
def test_system_that_is_not_declared_is_refused_with_what_there_is(system: str | None) -> None:
    with pytest.raises(SettingsError, match=r"^mail_tenants\.campus\.system: .* is not one of account_admin"):
        connect("campus", SITE | {"system": system}, now)


def test_address_that_cannot_be_called_is_refused_at_the_start() -> None:
    with pytest.raises(SettingsError, match="campus: the address must be"):
        connect("campus", SITE | {"url": "accounts.example.edu"}, now)


def test_no_tenant_is_loaded_before_one_is_configured() -> None:
    loaded = "{'account_admin', 'exchange_online'} & {name.split('.')[-1] for name in sys.modules}"
    script = f"import sys, plugin.mail_tenants; sys.exit(bool({loaded}))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
