"""Validation by the JSON Schemas that the package ships."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema
import jsonschema.exceptions

from hourtally.model.json_schemas import schema_text


@cache
def _validator(name: str) -> Any:
    schema = json.loads(schema_text(name))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def problems(name: str, value: object) -> list[str]:
    """What a schema finds wrong with a value; of several alternatives, with the likeliest."""
    found = []
    for error in _validator(name).iter_errors(value):
        deepest = jsonschema.exceptions.best_match([error])
        found.append(f"{deepest.json_path}: {deepest.message[:300]}")
    return found


def assert_valid(name: str, value: object) -> None:
    """Check that a value is as the schema of this name says."""
    found = problems(name, value)
    assert found == [], found
