"""Reading what was signed: strict JSON, then a prebuilt JSON Schema. Every failure tells the sender what to mend."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

import fastjsonschema
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from plugin.errors import DeliveryRefused

FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@dataclass(frozen=True)
class Validator:
    """One schema twice: nearly all is allowed, and soon seen to be by code made from it; the rest is explained."""

    allow: Callable[[Any], object]  # raises `JsonSchemaValueException` unless it does
    explain: Draft202012Validator


def build_validator(schema: dict[str, Any]) -> Validator:
    """A validator to keep: building one costs more than using it."""
    Draft202012Validator.check_schema(schema)
    whole = _whole(schema, schema.get("$defs", {}))
    allow = fastjsonschema.compile(whole, use_default=False, detailed_exceptions=False)
    return Validator(allow=allow, explain=Draft202012Validator(whole, format_checker=FORMATS))


def _whole(part: Any, definitions: Mapping[str, Any]) -> Any:
    """A part of a schema with its own definitions in place of the references to them: following those takes longest."""
    match part:
        case {"$ref": str(reference)}:
            return _whole(definitions[reference.removeprefix("#/$defs/")], definitions)
        case dict():
            return {name: _whole(value, definitions) for name, value in part.items()}
        case list():
            return [_whole(value, definitions) for value in part]
    return part


def read_json(body: bytes) -> Any:
    """The body as JSON in UTF-8; `DeliveryRefused` (400) for anything that two readers could understand differently."""
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_no_number)
    except ValueError as error:
        raise _unreadable(str(error)) from error
    except RecursionError as error:
        raise _unreadable("nested too deeply") from error


def check(validator: Validator, payload: Any) -> None:
    """Raise `DeliveryRefused` (422) with a JSON pointer to the first thing that the schema does not allow."""
    try:
        validator.allow(payload)
    except fastjsonschema.JsonSchemaValueException:
        error: ValidationError | None = next(validator.explain.iter_errors(payload), None)
        if error is not None:
            raise invalid(pointer(error.absolute_path), error.message[:200]) from None


def invalid(at: str, what: str) -> DeliveryRefused:
    """A proper JSON text whose value at the pointer is wrong."""
    return DeliveryRefused(422, "Event not valid", f"At {at or 'the top'}: {what}.", pointer=at)


def pointer(path: Iterable[str | int]) -> str:
    """RFC 6901."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _unreadable(why: str) -> DeliveryRefused:
    return DeliveryRefused(400, "Body not readable", f"The body must be one JSON text in UTF-8 ({why[:200]}).")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    together = dict(pairs)
    if len(together) < len(pairs):
        raise ValueError("a name occurs twice in one object")
    return together


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
