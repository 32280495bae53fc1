"""The import rule (CONTRIBUTING, “Where things go”): straight data flow, held by a table of every module."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A module may import from its own layer where that is listed, and from the layers named here; nothing else of ours.
LAYERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # name: (modules or packages, layers they may import)
    "words": (("plugin.model", "plugin.errors"), ("words",)),
    "manifest": (("plugin.manifest",), ("words",)),
    "log": (("plugin.log",), ()),
    "language": (("plugin.language",), ()),
    "trace": (("plugin.trace",), ("words",)),
    "computing": (("plugin.computing",), ()),
    "triage": (("plugin.triage",), ("words", "triage")),
    "checklist": (("plugin.checklist",), ("words",)),
    "notes": (("plugin.notes",), ("words", "notes")),
    "names": (("plugin.naming",), ("words",)),
    "rules": (("plugin.rules",), ("words", "checklist", "rules")),
    "signed": (("plugin.signed",), ()),
    "launch": (("plugin.launch_token",), ("words", "signed")),
    "options": (("plugin.options",), ()),
    "settings": (
        ("plugin.settings", "plugin.settings_document", "plugin.settings_faults"),
        ("words", "manifest", "settings"),
    ),
    "ports": (("plugin.ports",), ("words",)),
    "http": (("plugin.http", "plugin.refusals", "plugin.transport"), ("words", "log", "trace", "computing", "http")),
    "store": (("plugin.store",), ("words", "names", "trace", "computing", "store")),
    "traffic": (("plugin.traffic",), ("words", "computing", "http", "store")),
    "tenants": (("plugin.mail_tenants",), ("words", "log", "ports", "http", "tenants", "manifest")),
    "casework": (("plugin.casework",), ("words", "names", "checklist", "rules", "settings", "store")),
    "looking": (("plugin.looking",), ("words", "names", "checklist", "rules", "ports", "casework")),
    "progress": (("plugin.progress",), ("words", "checklist", "ports", "casework")),
    "desk": (
        ("plugin.desk", "plugin.case_views", "plugin.afterwards"),
        ("words", "names", "checklist", "rules", "notes", "ports", "store", "casework", "looking", "desk"),
    ),
    "workflow": (
        (
            "plugin.workflow", "plugin.docket", "plugin.asking", "plugin.annotation", "plugin.giving_up",
            "plugin.note_limit", "plugin.reading", "plugin.settling",
        ),
        (
            "words", "names", "log", "triage", "rules", "notes", "ports", "casework", "looking", "progress", "store",
            "workflow",
        ),
    ),
    "engine": (
        (
            "plugin.engine", "plugin.attempts", "plugin.upkeep", "plugin.relay", "plugin.housekeeping",
            "plugin.durable", "plugin.under_way",
        ),
        ("words", "names", "log", "trace", "computing", "rules", "ports", "settings", "store", "engine"),
    ),
    "panel": (
        ("plugin.panel",),
        ("words", "log", "signed", "checklist", "rules", "notes", "ports", "desk", "casework", "panel"),
    ),
    "case pages": (
        ("plugin.case_pages",),
        (
            "words", "log", "signed", "http", "rules", "notes", "ports", "settings", "store", "desk", "panel",
            "case pages",
        ),
    ),
    "events": (
        ("plugin.events", "plugin.event_search", "plugin.event_texts"),
        ("words", "names", "log", "http", "store", "events"),
    ),
    "presence": (("plugin.presence",), ()),
    "metrics": (("plugin.metrics", "plugin.counting"), ("words", "log", "presence", "store")),
    "status": (("plugin.status_pages",), ("words", "log", "presence")),
    "watching": (("plugin.watching",), ("words", "settings", "presence", "store", "metrics", "status")),
    "signatures": (("webhooks.signatures",), ("words",)),
    "webhooks": (
        (
            "webhooks.answers", "webhooks.files", "webhooks.installing", "webhooks.markers", "webhooks.payloads",
            "webhooks.places", "webhooks.ticket_event", "webhooks.ticket_systems",
        ),
        ("words", "ports", "http", "manifest", "webhooks"),
    ),
    "desk api": (
        ("webhooks.desk_api", "webhooks.desk_api_answers"),
        ("words", "ports", "http", "launch", "manifest", "signatures", "webhooks", "desk api"),
    ),
    "receiver": (("webhooks.receiver",), ("words", "ports", "log", "store")),
    "backups": (("plugin.backups",), ("words", "rules", "settings", "store", "casework")),
    "checking": (("plugin.checking",), ("words", "ports", "http", "settings", "presence", "store")),
    "minding": (("plugin.minding",), ()),
    "serving": (("plugin.serving",), ("words", "settings", "log", "minding")),
    "demo": (("plugin.demo",), ("demo",)),
    "app": (
        ("plugin.app",),
        (
            "words", "log", "computing", "language", "manifest", "settings", "checklist", "notes", "ports", "tenants",
            "store", "casework", "desk", "workflow", "engine", "http", "traffic", "panel", "case pages", "events",
            "watching", "checking", "receiver", "webhooks",
        ),
    ),
    "command": (
        ("plugin.cli", "plugin.events_command", "plugin.triage_command"),
        (
            "words", "options", "settings", "checking", "app", "minding", "serving", "casework", "demo", "triage",
            "events", "backups", "store", "command",
        ),
    ),
}  # fmt: skip

SYSTEM = (
    "words", "checklist", "ports", "http", "signed", "launch", "manifest", "options", "settings", "signatures",
    "webhooks", "desk api",
)  # fmt: skip
"""What the folder of a ticket system may import besides its own; each is a layer, and none knows another."""

LAYERS |= {
    folder.name: ((f"webhooks.{folder.name}",), (*SYSTEM, folder.name))
    for folder in sorted((ROOT / "webhooks").iterdir())
    if (folder / "adapter.py").is_file()
}


def modules() -> list[str]:
    """Every module of the program, by its dotted name."""
    files = [file for package in ("plugin", "webhooks") for file in (ROOT / package).rglob("*.py")]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return sorted(name.removesuffix(".__init__") for name in names if ".versions." not in name)


def layer_of(module: str) -> str | None:
    """The layer a module belongs to: its own entry, or its package's."""
    for layer, (members, _) in LAYERS.items():
        if any(module == member or module.startswith(member + ".") for member in members):
            return layer
    return None


def imports_of(module: str) -> set[str]:
    """What of ours a module imports, at its top or anywhere else in it."""
    path = ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    known, found = set(modules()), set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{module}: imports are written in full"
            deeper = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (deeper & known) | ({node.module} if deeper - known else set())
    return {name for name in found if name.split(".")[0] in ("plugin", "webhooks")}


@pytest.mark.parametrize("module", [name for name in modules() if name not in ("plugin", "webhooks")])
def test_a_module_has_a_place_and_imports_only_what_its_place_may(module: str) -> None:
    layer = layer_of(module)
    assert layer is not None, f"{module} has no place in the table above; give it one"
    allowed = LAYERS[layer][1]
    wrong = {name: layer_of(name) for name in imports_of(module) if layer_of(name) not in allowed and name != module}
    assert not wrong, f"{module} ({layer}) may not import {wrong}"


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("plugin")])
def test_only_the_composition_root_knows_the_ticket_systems(module: str) -> None:
    assert module == "plugin.app" or not any(name.startswith("webhooks") for name in imports_of(module))


@pytest.mark.parametrize("module", modules())
def test_no_vendor_is_named_outside_its_own_folder(module: str) -> None:
    """Our words inside, theirs in their adapter; the mail side speaks of Microsoft, which is its subject."""
    path = ROOT.joinpath(*module.split("."))
    text = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text("utf-8").lower()
    vendors = ("zammad", "zendesk", "request_tracker", "jira", "freshdesk", "glpi", "servicenow", "django")
    named = [vendor for vendor in vendors if vendor in text and vendor not in module]
    assert not named or module == "webhooks.signatures", f"{module} names {named}"
