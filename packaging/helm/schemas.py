"""Writes a JSON Schema for each kind of Kubernetes' API, for kubeconform.

    schemas.py swagger.json FOLDER

The file is KIND-GROUP-VERSION.json in lower case, without the group for the core API. Unknown members are refused.
"""
import json
import pathlib
import sys

definitions = json.loads(pathlib.Path(sys.argv[1]).read_text())["definitions"]
folder = pathlib.Path(sys.argv[2])
PREFIX = "#/definitions/"


def strict(name):
    """The schema of a definition, which refuses unknown members."""
    schema = dict(definitions[name])
    # These have no fixed form, or more than one.
    if name.endswith(".intstr.IntOrString"):
        return {"oneOf": [{"type": "string"}, {"type": "integer"}]}
    if name.endswith(".resource.Quantity"):
        return {"oneOf": [{"type": "string"}, {"type": "number"}]}
    if "properties" in schema and "additionalProperties" not in schema:
        schema["additionalProperties"] = False
    return schema


all_schemas = {name: strict(name) for name in definitions}
for name, definition in definitions.items():
    for kind in definition.get("x-kubernetes-group-version-kind", []):
        group = kind["group"].split(".")[0]
        parts = [kind["kind"], group, kind["version"]] if group else [kind["kind"], kind["version"]]
        used, waiting = {}, [name]
        while waiting:
            one = waiting.pop()
            if one in used:
                continue
            used[one] = all_schemas[one]
            text = json.dumps(all_schemas[one])
            waiting += [part.split('"')[0] for part in text.split(f'"$ref": "{PREFIX}')[1:]]
        schema = {"$ref": PREFIX + name, "definitions": used}
        (folder / ("-".join(parts).lower() + ".json")).write_text(json.dumps(schema))
