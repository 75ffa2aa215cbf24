"""Every error says what, where and what to do."""

from gitops_lab.errors import ApiError, LabError


def test_an_error_says_what_where_and_what_to_do() -> None:
    error = LabError("it is broken", where="web.yaml", fix="Mend it")
    assert str(error) == "web.yaml: it is broken. Mend it"
    assert str(LabError("it is broken")) == "it is broken"


def test_an_api_error_is_a_kubernetes_status() -> None:
    cause = {"reason": "FieldValueRequired", "message": "Required value", "field": "spec"}
    error = ApiError(422, "Invalid", "no", details={"name": "web"}, causes=[cause])
    assert error.status == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "no",
        "reason": "Invalid",
        "details": {"name": "web", "causes": [cause]},
        "code": 422,
    }
