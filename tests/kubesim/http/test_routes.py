from __future__ import annotations

import pytest

from gitops_lab.errors import ApiError
from kubesim.http.negotiation import Form, form
from kubesim.http.routes import Route, parse

APPS = "/apis/apps/v1"


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/api/v1/pods", Route("list", "", "v1", "pods")),
        ("GET", "/api/v1/namespaces/a/pods/p", Route("get", "", "v1", "pods", "a", "p")),
        (
            "POST",
            f"{APPS}/namespaces/a/deployments",
            Route("create", "apps", "v1", "deployments", "a"),
        ),
        ("DELETE", "/api/v1/namespaces/a/pods", Route("deletecollection", "", "v1", "pods", "a")),
        ("GET", "/api/v1/namespaces", Route("list", "", "v1", "namespaces")),
        ("GET", "/api/v1/namespaces/a", Route("get", "", "v1", "namespaces", "a", "a")),
        (
            "PUT",
            "/api/v1/namespaces/a/finalize",
            Route("update", "", "v1", "namespaces", "a", "a", "finalize"),
        ),
        (
            "GET",
            "/api/v1/nodes/n/proxy/x/y",
            Route("get", "", "v1", "nodes", "", "n", "proxy", ("x", "y")),
        ),
        ("GET", "/api/v1/nodes/a%2Fb", Route("get", "", "v1", "nodes", "", "a/b")),
        ("TRACE", "/api/v1/nodes", Route("", "", "v1", "nodes")),
    ],
)
def test_a_url_says_what_is_asked_for(method: str, path: str, route: Route) -> None:
    assert parse(method, path, {}) == route


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1", "/apis/apps", APPS, "/version", "//"])
def test_other_paths_are_about_no_resource(path: str) -> None:
    assert parse("GET", path, {}) is None


@pytest.mark.parametrize(
    ("value", "verb"),
    [("true", "watch"), ("1", "watch"), ("", "watch"), ("false", "list"), ("0", "list")],
)
def test_a_watch_is_asked_for_in_the_query(value: str, verb: str) -> None:
    route = parse("GET", "/api/v1/pods", {"watch": value})
    assert route is not None
    assert route.verb == verb


TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", Form()),
        ("*/*", Form()),
        (f"{TABLE},application/json", Form(shape="Table")),
        (f"{TABLE.replace('v1;', 'v1beta1;')}", Form(shape="Table", version="v1beta1")),
        (f"{TABLE.replace('v1;', 'v9;')},application/json", Form()),
        ("application/vnd.kubernetes.protobuf,application/json", Form()),
        ("application/json;q=0.5,application/yaml;q=0.9", Form("application/yaml")),
    ],
)
def test_the_first_form_that_can_be_given_is_given(accept: str, wanted: Form) -> None:
    assert form(accept) == wanted


@pytest.mark.parametrize("accept", ["text/html", "application/vnd.kubernetes.protobuf", ";;"])
def test_a_form_that_cannot_be_given_is_not_acceptable(accept: str) -> None:
    with pytest.raises(ApiError) as refused:
        form(accept)
    assert refused.value.code == 406
