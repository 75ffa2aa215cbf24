"""The Go structs behind Kubernetes' own types: which fields are left out when they are zero, which
never are, and how the server spells a struct in its messages.

The API server keeps objects as Go structs, so it cannot store what such a struct cannot tell apart.
A field that is a plain value and has `omitempty` vanishes when it is zero: who applies
`hostNetwork: false` reads an object without `hostNetwork`. A field behind a pointer stays as it was
sent: `replicas: 0`. A field without `omitempty` is always written: `rules: null`, `resources: {}`.

Most of it follows from the OpenAPI schema: a required field has no `omitempty`, an optional one has
it. The file `field_kinds.txt` lists the fields of each definition in the order of the Go struct,
with marks before the name for what does not follow, and the name in Go after it, if it is not the
same with a capital (`uid=UID`):

    *   behind a pointer               !   always written, though optional
    0   left out when zero (omitzero)  ~   left out when zero, though required

Source: the structs in k8s.io/api and its sisters, 1.37; `tools/field_kinds.py` reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

_FIELD = re.compile(r"([*!~0]*)([^=]+)=?(.*)")


class Field(NamedTuple):
    """A field of a Go struct: its marks, its name in JSON, and its name in Go."""

    marks: str
    name: str
    go_name: str


@cache
def _lines() -> Mapping[str, str]:
    text = Path(__file__).with_name("field_kinds.txt").read_text(encoding="utf-8")
    lines = (line.partition(": ") for line in text.splitlines() if not line.startswith("#"))
    return {definition: fields for definition, _, fields in lines}


@cache
def fields(definition: str) -> Mapping[str, Field]:
    """The fields of a definition by their names in JSON, in the order of the Go struct."""
    found = {}
    for each in _lines().get(definition, "").split():
        match = _FIELD.fullmatch(each)
        if match is not None:
            marks, name, go_name = match.groups()
            found[name] = Field(marks, name, go_name or name[0].upper() + name[1:])
    return found
