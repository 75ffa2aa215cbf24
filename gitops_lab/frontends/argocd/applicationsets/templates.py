"""From parameters to an Application: two template languages, and one patch.

Source: Argo CD 3.5, `applicationset/utils/utils.go`, `applicationset/controllers/template`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from gitops_lab.engine.documents import read
from gitops_lab.errors import RenderError
from gitops_lab.frontends.argocd.applicationsets.go_template import TemplateError, printed, render
from gitops_lab.frontends.argocd.names import API_VERSION
from gitops_lab.model import Object

_TAG = re.compile(r"\{\{(.*?)\}\}")

Params = Mapping[str, Any]


def fill(value: Any, params: Params, *, go: bool, options: Sequence[str] = ()) -> Any:
    """A value with every text in it filled in, keys too.

    Args:
        value: JSON values.
        params: nested for Go templates, else flat.
        go: whether it is a Go template.
        options: of Go templates, such as `missingkey=error`.

    Raises:
        TemplateError: a Go template cannot be read or executed.
    """
    if isinstance(value, str):
        return render(value, params, options=options) if go else _fast(value, params)
    if isinstance(value, Mapping):
        return {
            fill(k, params, go=go, options=options): fill(v, params, go=go, options=options)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [fill(each, params, go=go, options=options) for each in value]
    return value


def _fast(text: str, params: Params) -> str:
    """The default language: `{{name}}`; a name that is not known stays as it is written."""

    def one(match: re.Match[str]) -> str:
        name = match[1].strip()
        return printed(params[name]) if name in params else match[0]

    return _TAG.sub(one, text)


def application(
    template: Mapping[str, Any], patch: str, params: Params, *, go: bool, options: Sequence[str]
) -> Object:
    """The Application that a template makes of parameters.

    Args:
        template: metadata and spec.
        patch: templatePatch, a template for YAML that is merged over the result; empty for none.
        params: the parameters.
        go: whether these are Go templates.
        options: of Go templates.

    Raises:
        TemplateError: it cannot be filled in.
    """
    body: Object = fill(template, params, go=go, options=options)
    if patch:
        text = fill(patch, params, go=go, options=options)
        try:
            documents = read(text.encode(), "templatePatch")
        except RenderError as error:
            raise TemplateError(
                f"error while converting template to json {text!r}: {error}"
            ) from None
        if documents:
            body = merged(body, documents[0].value)
    return {"apiVersion": API_VERSION, "kind": "Application", **body}


def merged(below: Any, above: Any) -> Any:
    """Values merged over others: maps by key, everything else replaced; null removes."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    result = {key: value for key, value in below.items() if above.get(key, "") is not None}
    for key, value in above.items():
        if value is not None:
            result[key] = merged(result.get(key), value) if key in result else value
    return result


def overridden(template: Mapping[str, Any], own: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """A set's template with what a generator's own template says in its place."""
    if not own:
        return template
    filled = _without_empty(own)
    result: Mapping[str, Any] = merged(template, filled)
    return result


def _without_empty(value: Any) -> Any:
    if isinstance(value, Mapping):
        inner = {key: _without_empty(each) for key, each in value.items()}
        return {key: each for key, each in inner.items() if each not in ("", None, {}, [])}
    return value
