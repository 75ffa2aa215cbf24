"""Make kubesim/field_kinds.txt from the Go sources of the Kubernetes API types.

    python tools/field_kinds.py API APIMACHINERY APIEXTENSIONS AGGREGATOR > kubesim/field_kinds.txt

The arguments are checkouts of kubernetes/api, kubernetes/apimachinery,
kubernetes/apiextensions-apiserver and kubernetes/kube-aggregator at the same release.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from kubesim.schema import builtin

_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.S | re.M)
_FIELD = re.compile(r'^\s*(?:(\w+)\s+)?([\[\]*\w.]+)\s+`.*?json:"([^"]*)"')

Field = tuple[str, frozenset[str], str]
"""The Go type of a field, the options of its JSON tag, and its name in Go."""


def _sources(api: Path, machinery: Path, extensions: Path, aggregator: Path) -> dict[str, str]:
    """Go source by the prefix of the definitions that it is about."""
    found = {
        f"io.k8s.api.{path.parts[-3]}.{path.parts[-2]}.": path.read_text()
        for path in sorted(api.glob("*/v[0-9]/types.go"))
    }
    meta = machinery / "pkg/apis/meta/v1/types.go"
    found["io.k8s.apimachinery.pkg.apis.meta.v1."] = meta.read_text()
    folder = extensions / "pkg/apis/apiextensions/v1"
    text = "".join((folder / name).read_text() for name in ("types.go", "types_jsonschema.go"))
    found["io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."] = text
    path = aggregator / "pkg/apis/apiregistration/v1/types.go"
    found["io.k8s.kube-aggregator.pkg.apis.apiregistration.v1."] = path.read_text()
    return found


def _structs(source: str) -> dict[str, dict[str, Field]]:
    """The fields of every struct in a file, those of embedded structs of the same file too."""
    bodies = {match[1]: match[2] for match in _STRUCT.finditer(source)}

    def fields(name: str) -> dict[str, Field]:
        found: dict[str, Field] = {}
        for line in bodies.get(name, "").splitlines():
            match = _FIELD.match(line)
            if match is None:
                continue
            tag, *options = match[3].split(",")
            if "inline" in options or (not tag and match[1] is None):
                found |= fields(match[2])
            elif tag != "-":
                found[tag] = (match[2], frozenset(options), match[1])
        return found

    return {name: fields(name) for name in bodies}


def _named(field: str, fields: dict[str, Field]) -> str:
    """The name in Go, if it is not that in JSON with a capital."""
    name = fields[field][2] if field in fields else ""
    return f"={name}" if name and name != field[0].upper() + field[1:] else ""


def _mark(required: bool, field: Field | None) -> str:
    """How a field differs from what its schema lets one expect (see kubesim/field_kinds.py)."""
    if field is None:  # newer than the sources: leave it as it is sent
        return "*"
    type_, options, _ = field
    if "omitzero" in options:
        return "0"
    omitted = "omitempty" in options
    if type_.startswith("*"):
        return "*" if omitted else "*!"
    if omitted:
        return "~" if required else ""
    return "" if required else "!"


def main() -> None:
    """Print the table."""
    sources = _sources(*(Path(each) for each in sys.argv[1:5]))
    schemas = builtin()
    print("# Made by tools/field_kinds.py; kubesim/field_kinds.py says what it means.")
    for prefix, source in sources.items():
        structs = _structs(source)
        for name, fields in sorted(structs.items()):
            if prefix + name not in schemas.definitions:
                continue
            node = schemas.definition(prefix + name)
            texts = [
                f"{_mark(field in node.required, fields.get(field))}{field}{_named(field, fields)}"
                for field in dict.fromkeys((*fields, *sorted(node.fields)))
                if field in node.fields and (field not in ("apiVersion", "kind") or field in fields)
            ]
            print(f"{prefix}{name}: {' '.join(texts)}")


if __name__ == "__main__":
    main()
