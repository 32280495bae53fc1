"""What is wrong with a settings document, told to whoever wrote it: where, what is expected there, never the value.

A value may be a secret, or hold one. Places are written as they stand in the file: ``[sources.desk] api_url``.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import ValidationError

NAMES = "a letter first, then small letters, digits and hyphens, 40 at most"  # propertyNames of sources, mail_tenants
WORDS = {
    "string": "text in quotes",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": 'a list, such as ["a", "b"]',
    "object": "a section",
}


def place_of(path: Sequence[str | int], document: Mapping[str, Any]) -> str:
    """Where in the file: the section in brackets, the setting, and the entry of a list, counted from 1."""
    node: Any = document
    sections, rest = [], list(path)
    while rest and isinstance(node, dict) and isinstance(node.get(rest[0]), dict):
        node = node[rest[0]]
        sections.append(str(rest.pop(0)))
    setting = "".join(f", entry {step + 1}" if isinstance(step, int) else f".{step}" for step in rest)
    parts = (f"[{'.'.join(sections)}]" if sections else "", setting.removeprefix("."))
    return " ".join(part for part in parts if part)


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where a document of settings came from: its file, and the environment variables by the path of what they set."""

    document: Mapping[str, Any]
    file: Path
    variables: Mapping[tuple[str, ...], str]

    def of(self, path: Sequence[str | int]) -> str:
        """Who set something and where it is, to stand before what is wrong with it."""
        length = len(path)
        names = [name for at, name in self.variables.items() if at[:length] == path or at == path[: len(at)]]
        return f"{', '.join(names) or self.file}: {place_of(path, self.document)}"


def faults(error: ValidationError, root: Mapping[str, Any], origin: Origin) -> Iterator[str]:
    """Each fault of one error of the schema `root`."""
    path = tuple(error.absolute_path)
    described = error.schema if isinstance(error.schema, dict) else {}
    known = settings_of(described, root)
    match error.validator:
        case "additionalProperties" if isinstance(error.instance, dict):
            unknown = [key for key in error.instance if key not in known]
            yield from (f"{origin.of((*path, key))}: {_unknown(key, known)}" for key in unknown)
        case "required":
            missing = next(key for key in described["required"] if repr(key) in error.message)
            also = f" (or {missing}_file)" if f"{missing}_file" in known else ""
            yield f"{origin.file}: {place_of(path, origin.document) or 'the top level'}: {missing!r} is missing{also}"
        case _:
            meaning = _meaning(root, error.absolute_schema_path)
            yield f"{origin.of(path)}: {_expected(error)}" + (f" ({meaning})" if meaning else "")


def settings_of(described: Mapping[str, Any], root: Mapping[str, Any]) -> list[str]:
    """The names that may be set in a section, those of files that hold a secret too."""
    names = []
    for name, inner in described.get("properties", {}).items():
        names.append(name)
        if resolve(inner, root).get("secret"):
            names.append(f"{name}_file")
    return names


def resolve(described: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    """A part of the schema with what it refers to; what it says itself goes first."""
    if not isinstance(described, dict):
        return {}
    if "$ref" in described:
        target: dict[str, Any] = root["$defs"][described["$ref"].rsplit("/", 1)[1]]
        return target | {key: value for key, value in described.items() if key != "$ref"}
    return described


def _unknown(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return "there is no such setting; " + (f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}")


def _meaning(root: Mapping[str, Any], schema_path: Sequence[str | int]) -> str:
    """The description nearest to a place in the schema."""
    node: Any = root
    found = ""
    for step in schema_path:
        node = node[step]
        if isinstance(node, dict):
            found = node.get("description", found)
            if "$ref" in node:
                node = resolve({"$ref": node["$ref"]}, root)
                found = node.get("description", found)
    return found


def _expected(error: ValidationError) -> str:
    if "propertyNames" in list(error.absolute_schema_path)[-2:-1]:
        return f"{error.instance!r} cannot be a name here: {NAMES}"
    limit = error.validator_value
    return {
        "type": f"expected {WORDS.get(str(limit), limit)}",
        "pattern": f"not of the right form{_example(error.schema)}",
        "minLength": f"must have at least {limit} characters",
        "minItems": f"must have at least {limit} entry",
        "minProperties": f"must have at least {limit} entry",
        "maxProperties": f"must have at most {limit} entry",
        "minimum": f"must be at least {limit}",
        "maximum": f"must be at most {limit}",
    }[str(error.validator)]


def _example(described: Any) -> str:
    examples = [*described.get("examples", ()), *([described["default"]] if "default" in described else [])]
    return f", such as {examples[0]}" if examples else ""
