"""The settings as a document: one TOML file, every value overridable from the environment, described in plugin.json.

Unknown keys are refused with the nearest known name. A secret ``x`` may also come from a file named by ``x_file``
(a list: one a line).
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import jsonschema

from plugin.errors import SettingsError
from plugin.manifest import manifest
from plugin.settings_faults import Origin, faults, resolve

PREFIX = "M365_UNBLOCK__"


def read_document(path: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Read, override, check and fill in the settings; `SettingsError` names the place and the remedy."""
    document = _read(path)
    origin = Origin(document=document, file=path, variables=_override(document, environment))
    _check_named_files(document, origin)
    _read_secret_files(document, schema(), origin)
    _check(document, schema(), origin)
    _fill(document, schema())
    return document


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What is set for one source, and where people and ticket systems reach us."""

    name: str
    public_url: str
    settings: Mapping[str, Any]
    checklist: Path | None  # the site's own one
    later: Mapping[str, Path | None]  # settings that may come later, and the file each is to come from, if one is named


def read_source(
    path: Path, environment: Mapping[str, str], *, system: str, name: str | None = None, later: Sequence[str] = ()
) -> Source:
    """One source before the rest of the settings need be there, for setting its ticket system up.

    Without a `name`, the only source of that `system`. Settings named in `later` are not looked at: they come of the
    setting up. `SettingsError` as `read_document`.
    """
    document = _read(path)
    origin = Origin(document=document, file=path, variables=_override(document, environment))
    name = _only(document.get("sources"), system, name, path)
    chosen = document["sources"][name]
    files = {key: chosen.pop(f"{key}_file", None) for key in later}
    chosen = {key: value for key, value in chosen.items() if key not in later}
    part: dict[str, Any] = {key: document[key] for key in ("server", "checklist") if key in document}
    part["sources"] = {name: chosen}
    _read_secret_files(part, schema(), origin)
    _check(part, _asking_for_less(system, later), origin)
    _fill(part, schema())
    return Source(
        name=name,
        public_url=part["server"]["public_url"],
        settings=chosen,
        checklist=path.parent.resolve() / file if (file := part["checklist"].get("file")) else None,
        later={key: path.parent.resolve() / file if isinstance(file, str) else None for key, file in files.items()},
    )


def _only(sources: Any, system: str, name: str | None, path: Path) -> str:
    fitting = [
        known
        for known, chosen in (sources.items() if isinstance(sources, dict) else ())
        if isinstance(chosen, dict) and chosen.get("system") == system
    ]
    if not fitting:
        raise SettingsError(f'{path}: there is no source with system = "{system}"; add a section [sources.<name>]')
    if name is not None and name not in fitting:
        raise SettingsError(f'{path}: no source {name!r} with system = "{system}"; there are {", ".join(fitting)}')
    if name is None and len(fitting) > 1:
        raise SettingsError(f"{path}: there are several such sources; say --source {' or --source '.join(fitting)}")
    return name or fitting[0]


def _asking_for_less(system: str, later: Sequence[str]) -> dict[str, Any]:
    described = deepcopy(schema()) | {"required": ["sources"]}
    kind = described["$defs"][system]
    kind["required"] = [key for key in kind["required"] if key not in later]
    return described


def schema() -> dict[str, Any]:
    """The JSON Schema of the settings, out of plugin.json."""
    described: dict[str, Any] = manifest()["settings"]
    return described


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


def _override(document: dict[str, Any], environment: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    # The kind of a source says what its other settings are, so it goes in first.
    names = sorted(environment, key=lambda name: (not name.endswith("__SYSTEM"), name))
    return {_override_one(document, name, environment[name]): name for name in names if name.startswith(PREFIX)}


def _override_one(document: dict[str, Any], name: str, value: str) -> tuple[str, ...]:
    """Set one value; the path to it."""
    path: tuple[str, ...] = ()
    *sections, key = [part.lower() for part in name[len(PREFIX) :].split("__")]
    place, described = document, schema()
    for section in sections:
        # Names of sources may hold hyphens, which the environment cannot.
        known = next((known for known in place if known.replace("-", "_").lower() == section), section)
        described = _described(described, known, place.get(known))
        place, path = place.setdefault(known, {}), (*path, known)
        if not isinstance(place, dict):
            raise SettingsError(f"{name}: {section!r} is a value, not a section")
    place[key] = value if _is_text(_described(described, key, None)) else _json_value(name, value)
    return (*path, key)


def _is_text(described: Mapping[str, Any]) -> bool:
    return bool(_resolve(described).get("type", "string") == "string")


def _json_value(name: str, value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError as error:
        raise SettingsError(f'{name}: expected JSON, such as ["a", "b"], true or 8') from error


def _resolve(described: Any) -> dict[str, Any]:
    return resolve(described, schema())


def _described(described: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """What the schema says of one key; for a source or a tenant, what its kind says."""
    found = described.get("properties", {}).get(key, described.get("additionalProperties"))
    inner = _resolve(found)
    kind = value.get("system") if isinstance(value, dict) else None
    if kind in schema()["$defs"]:
        inner = inner | _resolve({"$ref": f"#/$defs/{kind}"})
    return inner


def _check_named_files(document: Mapping[str, Any], origin: Origin) -> None:
    """Those that other modules read, which do not know what the settings call them."""
    systems = [(kind, name) for kind in ("sources", "mail_tenants") for name in _section(document, kind)]
    for path in (("checklist", "file"), ("sign_in", "ca_file"), *((*system, "ca_file") for system in systems)):
        section = reduce(_section, path[:-1], document)
        file = section.get(path[-1])
        if isinstance(file, str) and not (place := origin.file.parent / file).exists():
            raise SettingsError(f"{origin.of(path)}: {place}: cannot be read: No such file or directory")


def _section(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _read_secret_files(
    document: dict[str, Any], described: Mapping[str, Any], origin: Origin, sections: tuple[str, ...] = ()
) -> None:
    for key, value in document.items():
        if isinstance(value, dict):
            _read_secret_files(value, _described(described, key, value), origin, (*sections, key))
    for key in [key for key in document if key.endswith("_file")]:
        name = key.removesuffix("_file")
        target = _resolve(described.get("properties", {}).get(name))
        if target.get("secret"):
            place = origin.of((*sections, key))
            if name in document:
                raise SettingsError(f"{place}: {name} is set as well; leave one of the two out")
            text = _secret(place, origin.file.parent / str(document.pop(key)))
            document[name] = text.split() if target.get("type") == "array" else text


def _secret(place: str, path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{place}: cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{place}: {path} is not UTF-8 text") from error


def _check(document: dict[str, Any], described: dict[str, Any], origin: Origin) -> None:
    validator = jsonschema.Draft202012Validator(described)
    errors = sorted(validator.iter_errors(document), key=lambda error: [str(part) for part in error.absolute_path])
    told = [fault for error in errors for fault in faults(error, described, origin)]
    if told:
        raise SettingsError("\n".join(told[:5]))


def _fill(document: dict[str, Any], described: Mapping[str, Any]) -> None:
    for key, inner in described.get("properties", {}).items():
        target = _resolve(inner)
        if "default" in target:
            document.setdefault(key, deepcopy(target["default"]))
        elif target.get("type") == "object" and key not in described.get("required", ()):
            document.setdefault(key, {})
    for key, value in document.items():
        if isinstance(value, dict):
            _fill(value, _described(described, key, value))
