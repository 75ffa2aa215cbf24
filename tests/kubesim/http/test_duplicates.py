from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gitops_lab.errors import ApiError
from kubesim.http.duplicates import findings
from tests.kubesim.http.world import CONFIG_MAPS, DEPLOYMENT, Client, Reply, Scenario, World

Run = Callable[[Scenario[Any]], Any]

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"

TWICE = (
    b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"1","k":"2"},'
    b'"dta":1,"dta":2}'
)
TWICE_YAML = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata:\n  k: '1'\n  k: '2'\n"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"a":1,"b":{"a":2}}', []),
        (b'{"a":1, "a":1}', ["a"]),
        (b'{"a":{"b":[{},{"c":1,"c":2}]}}', ["a.b[1].c"]),
        (b'{"a":{"b":1},"a":{"b":2}}', ["a"]),
        (b'{"a":1,"a":2,"a":3}', ["a"]),
        (b'{"\\u0061":1,"a":2}', ["a"]),
        (b'[{"a":"\\"a\\":1,\\"a\\":2"}]', []),
    ],
)
def test_a_repeated_key_is_found_by_its_path(body: bytes, found: list[str]) -> None:
    assert list(findings(JSON, body, "Warn")) == [f'duplicate field "{each}"' for each in found]


def test_the_form_in_which_clients_write_makes_no_difference() -> None:
    for body in (json.dumps(DEPLOYMENT), json.dumps(DEPLOYMENT, indent=2)):
        assert findings(JSON, body.encode(), "Strict") == ()


def test_nothing_is_looked_for_if_nobody_wants_to_know() -> None:
    assert findings(JSON, TWICE, "Ignore") == ()
    assert findings(APPLY, TWICE_YAML, "Ignore") == ()


def test_yaml_is_told_by_its_lines() -> None:
    told = 'line 6: key "k" already set in map'
    assert findings("application/yaml", TWICE_YAML, "Warn") == (told,)
    assert findings("application/yaml", TWICE_YAML, "Strict") == (
        f"yaml: unmarshal errors:\n  {told}",
    )
    assert findings("application/yaml", b"a: &x {b: 1}\nc: {<<: *x, b: 2}\nd: *x", "Warn") == ()


def test_json_that_is_no_yaml_is_read_all_the_same() -> None:
    assert findings(APPLY, rb'{"a": "\ud83d\ude00"}', "Strict") == ()


def test_an_apply_configuration_has_words_of_its_own() -> None:
    with pytest.raises(ApiError) as refused:
        findings(APPLY, TWICE_YAML, "Strict")
    assert refused.value.code == 400
    assert refused.value.message == (
        "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n"
        '  line 6: key "k" already set in map'
    )


def test_the_operations_of_a_json_patch_are_looked_at_alone() -> None:
    patch = b'[{"op":"add","path":"/a","value":{"x":1},"foo":1},{"op":"test","path":"/a","path":1}]'
    assert findings("application/json-patch+json", patch, "Strict") == (
        'json patch unknown field "[0].foo"',
        'json patch duplicate field "[1].path"',
    )


def test_strict_refuses_and_warn_tells(run: Run) -> None:
    async def scenario(world: World, client: Client) -> list[Reply]:
        strict = await client.post(f"{CONFIG_MAPS}?fieldValidation=Strict", TWICE)
        warned = await client.post(CONFIG_MAPS, TWICE)
        silent = await client.ask("PUT", f"{CONFIG_MAPS}/a?fieldValidation=Ignore", TWICE)
        patch = b'{"data":{"k":"3","k":"4"}}'
        url = f"{CONFIG_MAPS}/a?fieldValidation=Strict"
        patched = await client.ask("PATCH", url, patch, media=MERGE)
        url = f"{CONFIG_MAPS}/b?fieldManager=me"
        applied = await client.ask("PATCH", url, TWICE_YAML, media=APPLY)
        return [strict, warned, silent, patched, applied]

    strict, warned, silent, patched, applied = run(scenario)
    assert (strict.code, strict.message) == (
        400,
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
        'duplicate field "data.k", unknown field "dta"',
    )
    assert warned.code == 201 and warned.json["data"] == {"k": "2"}
    assert warned.warnings == [
        '299 - "duplicate field \\"data.k\\""',
        '299 - "unknown field \\"dta\\""',
    ]
    assert silent.code == 200 and not silent.warnings
    assert patched.code == 422
    assert 'strict decoding error: duplicate field "data.k"' in patched.message
    assert applied.code == 201
    assert applied.warnings == ['299 - "line 6: key \\"k\\" already set in map"']
