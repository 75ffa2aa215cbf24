"""Which fields of Kubernetes' own types are left out when they are zero, and which never are.

The API server keeps objects as Go structs, so it cannot store what such a struct cannot tell apart.
A field that is a plain value and has `omitempty` vanishes when it is zero: who applies
`hostNetwork: false` reads an object without `hostNetwork`. A field behind a pointer stays as it was
sent: `replicas: 0`. A field without `omitempty` is always written: `rules: null`, `resources: {}`.

Most of it follows from the OpenAPI schema: a required field has no `omitempty`, an optional one has
it. The file `field_kinds.txt` lists the exceptions by definition, as marks before a field's name:

    *   behind a pointer               !   always written, though optional
    0   left out when zero (omitzero)  ~   left out when zero, though required

Source: the struct tags in k8s.io/api and its sisters, 1.37; `tools/field_kinds.py` reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_MARKED = re.compile(r"([*!~0]*)(.+)")


@cache
def _table() -> Mapping[str, Mapping[str, str]]:
    text = Path(__file__).with_name("field_kinds.txt").read_text(encoding="utf-8")
    found = {}
    for line in text.splitlines():
        definition, colon, fields = line.partition(": ")
        if colon and not line.startswith("#"):
            pairs = (_MARKED.fullmatch(each) for each in fields.split())
            found[definition] = {each[2]: each[1] for each in pairs if each}
    return found


def marks(definition: str) -> Mapping[str, str]:
    """The marks of the fields of a definition that have any."""
    return _table().get(definition, {})
