"""Checks JSON files against the published schemas.

    validate.py SCHEMAS FILE...     FILE is called SUBCOMMAND.ANYTHING.json; SCHEMAS is docs/schema

Prints what is wrong, a line each; exits with 1 if anything is. The schemas are checked too.
"""

import datetime
import json
import os
import sys

import jsonschema
from referencing import Registry, Resource

schemas = {}
for name in sorted(os.listdir(sys.argv[1])):
    with open(os.path.join(sys.argv[1], name), encoding="utf-8") as file:
        schemas[name] = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schemas[name])
registry = Registry().with_resources((name, Resource.from_contents(schema)) for name, schema in schemas.items())
formats = jsonschema.FormatChecker(formats=())


@formats.checks("date-time", raises=ValueError)
def is_date_time(value):
    if isinstance(value, str):
        if not value.endswith("Z") or "T" not in value:
            raise ValueError(value)
        # Python 3.9 knows no more than six digits of a second.
        datetime.datetime.fromisoformat(value[:19])
    return True


failed = False
for path in sys.argv[2:]:
    subcommand = os.path.basename(path).split(".")[0]
    with open(path, encoding="utf-8") as file:
        value = json.load(file)
    schema = schemas[subcommand + ".json"]
    # Only what the value means to be: else an error is said to lack all that an outcome has.
    is_error = [branch.get("$ref", "").endswith("/error") for branch in schema["anyOf"]]
    branches = [branch for branch, of_error in zip(schema["anyOf"], is_error) if of_error == ("error" in value)]
    validators = [
        jsonschema.Draft202012Validator(
            {"$schema": schema["$schema"], **branch}, registry=registry, format_checker=formats)
        for branch in branches
    ]
    errors = [list(validator.iter_errors(value)) for validator in validators]
    if all(errors):
        failed = True
        for error in min(errors, key=len):
            print(f"{os.path.basename(path)}: at {error.json_path}: {error.message}")
sys.exit(failed)
