"""Settings: one TOML file, every value overridable from the environment, described once in plugin.json.

Unknown keys are refused with the nearest known name. A secret ``x`` may also come from a file named by ``x_file``
(a list: one a line). Relative paths are relative to the settings file.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jsonschema
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from plugin.errors import SettingsError
from plugin.manifest import manifest

PREFIX = "M365_UNBLOCK__"
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Procedure:
    """The site's choices in the procedure; see plugin.json for each."""

    compromise_reasons: tuple[str, ...]
    unblock_while_sign_in_disabled: bool
    rely_on_earlier_for: timedelta
    recheck_first_after: timedelta
    recheck_pause_at_most: timedelta
    recheck_for: timedelta
    follow_up_after: timedelta
    unreachable_note_after: timedelta
    retry_first_after: timedelta
    retry_pause_at_most: timedelta
    scan_every: timedelta
    scan_back: timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Checked settings with all defaults filled in."""

    listen: tuple[str, int]
    public_url: str
    threads: int
    deliveries_url: str
    cases_url: str
    engine_url: str
    domains: tuple[str, ...]
    zone: ZoneInfo
    sources: Mapping[str, Mapping[str, Any]]
    mail_tenants: Mapping[str, Mapping[str, Any]]
    procedure: Procedure
    checklist_file: Path | None
    templates: Path | None
    links: Mapping[str, str]
    panel_secret: str | None


def load(path: Path, environment: Mapping[str, str]) -> Settings:
    """Read, override, check and fill in the settings; `SettingsError` names the place and the remedy."""
    document = _read(path)
    _override(document, environment)
    _read_secret_files(document, schema(), path.parent)
    _check(document, path)
    _fill(document, schema())
    return _build(document, path.parent.resolve())


def schema() -> dict[str, Any]:
    """The JSON Schema of the settings, out of plugin.json."""
    described: dict[str, Any] = manifest()["settings"]
    return described


def duration(text: str) -> timedelta:
    """``90s``, ``5m``, ``24h`` or ``2d``."""
    return timedelta(**{UNITS[text[-1]]: float(text[:-1])})


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(
            f"cannot read the settings file {path}: {error.strerror}; name another with --config or M365_UNBLOCK_CONFIG"
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not proper TOML: {error}") from error


def _override(document: dict[str, Any], environment: Mapping[str, str]) -> None:
    for name in sorted(environment):
        if name.startswith(PREFIX):
            _override_one(document, name, environment[name])


def _override_one(document: dict[str, Any], name: str, value: str) -> None:
    *sections, key = [part.lower() for part in name[len(PREFIX) :].split("__")]
    place, described = document, schema()
    for section in sections:
        # Names of sources may hold hyphens, which the environment cannot.
        known = next((known for known in place if known.replace("-", "_").lower() == section), section)
        described = _described(described, known, place.get(known))
        place = place.setdefault(known, {})
        if not isinstance(place, dict):
            raise SettingsError(f"{name}: {section} is a value, not a section")
    place[key] = value if _is_text(_described(described, key, None)) else _json_value(name, value)


def _is_text(described: Mapping[str, Any]) -> bool:
    return bool(_resolve(described).get("type", "string") == "string")


def _json_value(name: str, value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError as error:
        raise SettingsError(f'{name}: expected JSON, such as ["a", "b"], true or 8') from error


def _resolve(described: Any) -> dict[str, Any]:
    if not isinstance(described, dict):
        return {}
    if "$ref" in described:
        target: dict[str, Any] = schema()["$defs"][described["$ref"].rsplit("/", 1)[1]]
        return target | {key: value for key, value in described.items() if key != "$ref"}
    return described


def _described(described: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """What the schema says of one key; for a source or a tenant, what its kind says."""
    found = described.get("properties", {}).get(key, described.get("additionalProperties"))
    inner = _resolve(found)
    kind = value.get("system") if isinstance(value, dict) else None
    if kind in schema()["$defs"]:
        inner = inner | _resolve({"$ref": f"#/$defs/{kind}"})
    return inner


def _sections(document: Mapping[str, Any], described: Mapping[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each subsection with its description."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield value, _described(described, key, value)


def _read_secret_files(document: dict[str, Any], described: Mapping[str, Any], folder: Path) -> None:
    for section, inner in _sections(document, described):
        _read_secret_files(section, inner, folder)
    for key in [key for key in document if key.endswith("_file")]:
        target = _resolve(described.get("properties", {}).get(key.removesuffix("_file")))
        if not target.get("secret"):
            continue
        path = folder / str(document.pop(key))
        try:
            text = path.read_text("utf-8").strip()
        except OSError as error:
            raise SettingsError(f"{key}: cannot read {path}: {error.strerror}") from error
        document[key.removesuffix("_file")] = text.splitlines() if target.get("type") == "array" else text


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema())


def _check(document: dict[str, Any], path: Path) -> None:
    errors = sorted(_validator().iter_errors(document), key=lambda error: [str(part) for part in error.absolute_path])
    if errors:
        raise SettingsError("\n".join(f"{path}: {_explain(error)}" for error in errors[:5]))


def _explain(error: jsonschema.ValidationError) -> str:
    place = ".".join(str(part) for part in error.absolute_path) or "the top level"
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(error.schema.get("properties", {})) if isinstance(error.schema, dict) else []
        return "; ".join(_unknown(place, key, known) for key in error.instance if key not in known)
    if error.validator == "required":
        return f"{place}: {error.message.replace('is a required property', 'is missing')}"
    if re.search(r"token|secret", place):
        return f"{place}: a secret that is too short or of the wrong form; its value is not shown"
    meaning = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
    return f"{place}: {error.message}" + (f" ({meaning})" if meaning else "")


def _unknown(place: str, key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"{place}: unknown setting {key!r}" + (
        f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
    )


def _fill(document: dict[str, Any], described: Mapping[str, Any]) -> None:
    for key, inner in described.get("properties", {}).items():
        target = _resolve(inner)
        if "default" in target:
            document.setdefault(key, target["default"])
        elif target.get("type") == "object" and key not in described.get("required", ()):
            document.setdefault(key, {})
    for section, inner in _sections(document, described):
        _fill(section, inner)


def _build(document: dict[str, Any], folder: Path) -> Settings:
    host, _, port = document["server"]["listen"].rpartition(":")
    try:
        zone = ZoneInfo(document["organisation"]["time_zone"])
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SettingsError(
            f"organisation.time_zone: no such zone {document['organisation']['time_zone']!r}; write it as Europe/Berlin"
        ) from error
    store = document["store"]
    file, templates = document["checklist"].get("file"), document["notes"].get("templates")
    return Settings(
        listen=(host, int(port)),
        public_url=document["server"]["public_url"],
        threads=document["server"]["threads"],
        deliveries_url=_database("deliveries_url", store["deliveries_url"], folder),
        cases_url=_database("cases_url", store["cases_url"], folder),
        engine_url=_database("engine_url", store["engine_url"], folder),
        domains=tuple(document["organisation"]["domains"]),
        zone=zone,
        sources=document["sources"],
        mail_tenants=document["mail_tenants"],
        procedure=_procedure(document["procedure"]),
        checklist_file=folder / file if file else None,
        templates=folder / templates if templates else None,
        links=document["links"],
        panel_secret=document["panel"].get("secret"),
    )


def _procedure(chosen: Mapping[str, Any]) -> Procedure:
    durations = {
        key: duration(value)
        for key, value in chosen.items()
        if isinstance(value, str) and re.fullmatch(schema()["$defs"]["duration"]["pattern"], value)
    }
    return Procedure(
        compromise_reasons=tuple(chosen["compromise_reasons"]),
        unblock_while_sign_in_disabled=chosen["unblock_while_sign_in_disabled"],
        **durations,
    )


def _database(key: str, url: str, folder: Path) -> str:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SettingsError(f"store.{key}: no proper database address") from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise SettingsError(f"store.{key}: use a sqlite: or postgresql: address")
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        parsed = parsed.set(database=str(folder / parsed.database))
    return parsed.render_as_string(hide_password=False)
