"""The settings as a document: one TOML file, every value overridable from the environment, described in plugin.json.

Unknown keys are refused with the nearest known name. A secret ``x`` may also come from a file named by ``x_file``
(a list: one a line).
"""

import difflib
import json
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from plugin.errors import SettingsError
from plugin.manifest import manifest

PREFIX = "M365_UNBLOCK__"
WORDS = {
    "string": "text in quotes",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": 'a list, such as ["a", "b"]',
    "object": "a section",
}


def read_document(path: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Read, override, check and fill in the settings; `SettingsError` names the place and the remedy."""
    document = _read(path)
    _override(document, environment)
    _read_secret_files(document, schema(), path.parent)
    _check(document, path)
    _fill(document, schema())
    return document


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


def _override(document: dict[str, Any], environment: Mapping[str, str]) -> None:
    # The kind of a source says what its other settings are, so it goes in first.
    for name in sorted(environment, key=lambda name: (not name.endswith("__SYSTEM"), name)):
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
            raise SettingsError(f"{name}: {section!r} is a value, not a section")
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


def _read_secret_files(
    document: dict[str, Any], described: Mapping[str, Any], folder: Path, place: tuple[str, ...] = ()
) -> None:
    for key, value in document.items():
        if isinstance(value, dict):
            _read_secret_files(value, _described(described, key, value), folder, (*place, key))
    for key in [key for key in document if key.endswith("_file")]:
        name = key.removesuffix("_file")
        target = _resolve(described.get("properties", {}).get(name))
        if target.get("secret"):
            full = ".".join((*place, key))
            if name in document:
                raise SettingsError(f"{full}: {name} is set as well; leave one of the two out")
            text = _secret(full, folder / str(document.pop(key)))
            document[name] = text.split() if target.get("type") == "array" else text


def _secret(place: str, path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{place}: cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{place}: {path} is not UTF-8 text") from error


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema())


def _check(document: dict[str, Any], path: Path) -> None:
    errors = sorted(_validator().iter_errors(document), key=lambda error: [str(part) for part in error.absolute_path])
    if errors:
        raise SettingsError("\n".join(f"{path}: {_explain(error)}" for error in errors[:5]))


def _explain(error: jsonschema.ValidationError) -> str:
    """The place and what is expected there; never the value, which may be a secret or hold one."""
    place = ".".join(str(part) for part in error.absolute_path) or "the top level"
    described = error.schema if isinstance(error.schema, dict) else {}
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(described.get("properties", {}))
        return "; ".join(_unknown(place, key, known) for key in error.instance if key not in known)
    if error.validator == "required":
        return f"{place}: {error.message.replace('is a required property', 'is missing')}"
    meaning = described.get("description", "")
    return f"{place}: {_expected(error)}" + (f" ({meaning})" if meaning else "")


def _expected(error: jsonschema.ValidationError) -> str:
    if list(error.absolute_schema_path)[-2:-1] == ["propertyNames"]:
        return f"the name {error.instance!r} must have the form {error.validator_value}"
    limit = error.validator_value
    return {
        "type": f"expected {WORDS.get(str(limit), limit)}",
        "pattern": f"must have the form {limit}",
        "minLength": f"must have at least {limit} characters",
        "minItems": f"must have at least {limit} entry",
        "minProperties": f"must have at least {limit} entry",
        "maxProperties": f"must have at most {limit} entry",
        "minimum": f"must be at least {limit}",
        "maximum": f"must be at most {limit}",
    }[str(error.validator)]


def _unknown(place: str, key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"{place}: unknown setting {key!r}" + (
        f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
    )


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
