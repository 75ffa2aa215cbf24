from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_lab.frontends.argocd.applicationsets.go_template import TemplateError, render

VALUES: dict[str, Any] = {
    "name": "Web Shop",
    "n": 3,
    "flag": True,
    "list": ["a", "b"],
    "path": {"basename": "shop", "segments": ["apps", "shop"]},
    "labels": {"env": "prod", "a.b/c": "x"},
}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("{{.path.basename}}-{{ .n }}", "shop-3"),
        ("{{ .missing }}", "<no value>"),
        ("{{ .name | lower | replace \" \" \"-\" }}", "web-shop"),
        ("{{ normalize .name }}", "web-shop"),
        ("{{ slugify 5 true .name }}", "web-s"),
        ("{{ index .path.segments 0 }}", "apps"),
        ('{{ index .labels "a.b/c" }}', "x"),
        ('{{ default "none" .other }}', "none"),
        ('{{ printf "%s-%02d" .path.basename .n }}', "shop-03"),
        ("{{ if eq .labels.env \"prod\" }}yes{{ else }}no{{ end }}", "yes"),
        ("{{ if and .flag (gt .n 5) }}a{{ else if .flag }}b{{ else }}c{{ end }}", "b"),
        ("{{ range $i, $v := .list }}{{ $i }}={{ $v }};{{ end }}", "0=a;1=b;"),
        ("{{ range .none }}x{{ else }}empty{{ end }}", "empty"),
        ("{{ with .path }}{{ .basename }}{{ end }}", "shop"),
        ("{{ $x := .n }}{{ add $x 1 }}", "4"),
        ("a {{- /* why */ -}} b", "ab"),
        ("{{ .list }} {{ .path }}", "[a b] map[basename:shop segments:[apps shop]]"),
        ('{{ "a" | quote }}', '"a"'),
        ("{{ toYaml .path.segments }}", "- apps\n- shop"),
        ('{{ join "," .list }}', "a,b"),
        ("{{ ternary \"x\" \"y\" .flag }}", "x"),
        ('{{ regexReplaceAll "(a+)b" "aab" "${1}c" }}', "aac"),
        ("{{ (index .list 1) }}", "b"),
        ("{{ $.path.basename }}", "shop"),
    ],
)  # fmt: skip
def test_templates_mean_what_they_mean_in_go(text: str, result: str) -> None:
    assert render(text, VALUES) == result


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ .missing.deeper }}", "nil pointer evaluating interface {}.deeper"),
        ("{{ nonsense .n }}", 'function "nonsense" not defined'),
        ("{{ if .n }}", "unexpected EOF"),
        ("{{ end }}", "unexpected {{end}}"),
        ("{{ .n", "unclosed action"),
        ('{{ env "HOME" }}', 'function "env" not defined'),
        ('{{ fail "no" }}', "no"),
        ("{{ index .list 7 }}", "index out of range"),
    ],
)
def test_what_cannot_be_executed_says_why(text: str, why: str) -> None:
    with pytest.raises(TemplateError, match=why.replace("{", r"\{").replace("}", r"\}")):
        render(text, VALUES)


def test_a_missing_key_is_an_error_if_that_is_asked_for() -> None:
    with pytest.raises(TemplateError, match='map has no entry for key "missing"'):
        render("{{ .missing }}", VALUES, options=["missingkey=error"])


@given(st.text(alphabet='{}.|"`()$ abn-/*', max_size=40))
def test_any_text_renders_or_is_refused(text: str) -> None:
    with suppress(TemplateError):
        render(text, VALUES)
