"""Every error says what, where and what to do."""

import errno
import os

import pytest

from gitops_lab.errors import ApiError, LabError, of_machine


def test_an_error_says_what_where_and_what_to_do() -> None:
    error = LabError("it is broken", where="web.yaml", fix="Repair it")
    assert str(error) == "web.yaml: it is broken. Repair it"
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


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EACCES, "`gitops-lab doctor`"),
    ],
)
def test_what_the_machine_refuses_is_told_with_a_cure(number: int, cure: str) -> None:
    told = str(of_machine(OSError(number, os.strerror(number), "lock")))
    assert told.startswith(f"lock: {os.strerror(number)}. ") and cure in told


def test_a_missing_library_is_told_by_its_name() -> None:
    assert "'h11' is not installed" in str(of_machine(ModuleNotFoundError(name="h11")))
