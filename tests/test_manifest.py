"""plugin.json says what the program does, and the program does what it says."""

import json
import re
import tomllib
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from plugin import rules
from plugin.annotation import shown_fields
from plugin.errors import SettingsError
from plugin.manifest import manifest, read
from plugin.model import Case, CaseState
from tests.readme_table import README, written
from webhooks.ticket_systems import installable

ROOT = Path(__file__).parent.parent
NOW = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)


def test_the_manifest_fits_its_schema() -> None:
    schema = json.loads((ROOT / "plugin" / "plugin.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(manifest())


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff"])
def test_a_manifest_that_is_missing_or_broken_is_told_with_its_place(tmp_path: Path, content: bytes | None) -> None:
    place = tmp_path / "plugin.json"
    if content is not None:
        place.write_bytes(content)
    with pytest.raises(SettingsError, match=r"plugin\.json belongs to the program and cannot be read .*: install it"):
        read(place)


def test_the_settings_schema_is_a_proper_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(manifest()["settings"])


def test_name_version_and_licence_are_those_of_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert (manifest()["id"], manifest()["version"], manifest()["license"]) == (
        project["name"],
        project["version"],
        project["license"],
    )


def test_every_tag_the_program_sets_is_promised_and_every_promised_one_is_set() -> None:
    assert set(rules.TAG_OF.values()) == set(manifest()["tags"])


def test_every_state_but_received_has_a_tag_and_a_place_among_the_others() -> None:
    assert set(rules.TAG_OF) == set(CaseState) - {CaseState.RECEIVED}
    assert sorted(rules.URGENCY) == sorted(CaseState)


def test_every_field_the_program_writes_is_promised_and_every_promised_one_is_written() -> None:
    case = Case(
        id="c", source="desk", ticket="1", account="", state=CaseState.RECEIVED, round=1, opened_by="triage",
        created_at=NOW, updated_at=NOW, version=1,
    )  # fmt: skip
    assert set(shown_fields(case)) == set(manifest()["fields"])


@pytest.mark.parametrize("name", [*manifest()["tags"], *manifest()["fields"]])
def test_the_readme_tells_of_every_promised_tag_and_field(name: str) -> None:
    assert name in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    "document", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md")), ids=lambda it: it.name
)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text("utf-8"))
    here = [link for link in links if "://" not in link]
    assert [link for link in here if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("system", manifest()["ticket_systems"], ids=lambda system: system["id"])
def test_a_declared_ticket_system_has_its_folder_its_fixtures_and_its_guide(system: dict[str, Any]) -> None:
    assert import_module(f"webhooks.{system['id']}.adapter")
    assert any((ROOT / "tests" / "fixtures" / "webhooks" / system["id"]).iterdir())
    assert (ROOT / system["guide"]).is_file()


def test_the_readmes_table_of_ticket_systems_is_that_of_the_manifest() -> None:
    readme = README.read_text("utf-8")
    assert readme == written(readme), "run python -m tests.readme_table"


@pytest.mark.parametrize("system", manifest()["ticket_systems"], ids=lambda system: system["id"])
def test_what_rests_on_general_knowledge_is_marked_in_the_guide(system: dict[str, Any]) -> None:
    guide = " ".join((ROOT / system["guide"]).read_text("utf-8").split())
    assert [told for told in system["general_knowledge"] if told not in guide] == []


@pytest.mark.parametrize("system", manifest()["ticket_systems"], ids=lambda system: system["id"])
def test_what_is_verified_on_a_stand_in_is_not_said_to_be_tried_on_the_real_system(system: dict[str, Any]) -> None:
    is_tried = system["quality"]["tried_on_the_real_system"]["status"] == "done"
    assert is_tried == (system["verified"]["how"] == "real")


@pytest.mark.parametrize("system", manifest()["ticket_systems"], ids=lambda system: system["id"])
def test_whats_said_to_be_installed_by_a_command_is(system: dict[str, Any]) -> None:
    is_done = system["quality"]["installed_by_a_command"]["status"] == "done"
    assert is_done == (system["id"] in installable())


def test_no_ticket_system_has_a_folder_without_being_declared() -> None:
    folders = {path.parent.name for path in (ROOT / "webhooks").glob("*/adapter.py")}
    assert folders == {system["id"] for system in manifest()["ticket_systems"]}


@pytest.mark.parametrize("tenant", manifest()["mail_tenants"], ids=lambda tenant: tenant["id"])
def test_a_declared_mail_tenant_has_its_file_and_its_guide(tenant: dict[str, Any]) -> None:
    assert import_module(f"plugin.mail_tenants.{tenant['id']}")
    assert (ROOT / tenant["guide"]).is_file()


def test_every_setting_is_described() -> None:
    def undescribed(node: Any, place: str) -> list[str]:
        found = []
        for key, value in node.get("properties", {}).items():
            if isinstance(value, dict) and "description" not in value:
                found.append(f"{place}.{key}")
            found += undescribed(value if isinstance(value, dict) else {}, f"{place}.{key}")
        return found

    settings = manifest()["settings"]
    systems = [system["id"] for kind in ("ticket_systems", "mail_tenants") for system in manifest()[kind]]
    parts = [settings, *(settings["$defs"][system] for system in systems)]
    assert [place for part in parts for place in undescribed(part, "settings")] == []


def test_whoever_writes_a_setting_of_a_form_is_told_the_form_in_words_or_by_example() -> None:
    def untold(node: Any, place: str) -> list[str]:
        if not isinstance(node, dict):
            return []
        found = [place] if "pattern" in node and not {"examples", "default", "description"} & set(node) else []
        for key in ("properties", "$defs"):
            for name, inner in node.get(key, {}).items():
                found += untold(inner, f"{place}.{name}")
        return found + untold(node.get("items"), f"{place}, entry")

    assert untold(manifest()["settings"], "settings") == []
