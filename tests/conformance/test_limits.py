"""What a namespace allows: LimitRanges, ResourceQuotas, Pod Security.

A real server learns of a policy a moment after it was written, so that what it does is waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gitops_lab.errors import ApiError
from gitops_lab.model import Object, ObjectKey
from tests.conformance.conftest import Subject
from tests.conftest import deployment


def pod(name: str = "web", **container: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "web", "image": "shop:1", **container}]},
    }


def secret(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}


def quota(subject: Subject, **hard: str) -> None:
    """Set a quota, and wait until the server says what is used of it."""
    limits = {name.replace("__", "/").replace("_", "."): n for name, n in hard.items()}
    subject.apply(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "few"},
            "spec": {"hard": limits},
        }
    )
    subject.until(lambda: used(subject).keys() == limits.keys(), "what is used")


def used(subject: Subject) -> dict[str, str]:
    status = subject.get(subject.key("ResourceQuota", "few")).get("status") or {}
    found: dict[str, str] = status.get("used") or {}
    return found


def limit_range(subject: Subject, **limit: Any) -> None:
    subject.apply(
        {
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": {"name": "limits"},
            "spec": {"limits": [{"type": "Container", **limit}]},
        }
    )


def secure(subject: Subject, level: str) -> None:
    """Have the pods of the namespace be at least so secure."""
    labels = {"pod-security.kubernetes.io/enforce": level}
    key = ObjectKey("", "Namespace", "", subject.namespace)
    subject.cluster.patch(key, {"metadata": {"labels": labels}}, manager="test")


def refusal(action: Callable[[], Any]) -> str:
    """What a refused write is told; empty if it is not refused."""
    try:
        action()
    except ApiError as error:
        assert (error.code, error.reason) == (403, "Forbidden")
        return error.message
    return ""


def tried(subject: Subject, body: Object) -> str:
    """What would be said if an object was created; nothing comes of it."""
    return refusal(lambda: subject.apply(body, dry_run=True))


def admitted(subject: Subject, body: Object) -> Object:
    """The pod as it would be, once its namespace has the account that it needs."""
    subject.until(
        lambda: "error looking up service account" not in tried(subject, body), "an account"
    )
    return subject.apply(body, dry_run=True)


def test_a_quota_refuses_one_object_too_many_and_says_what_is_used(subject: Subject) -> None:
    quota(subject, count__secrets="1")
    subject.apply(secret("a"))
    assert refusal(lambda: subject.apply(secret("b"))) == (
        'secrets "b" is forbidden: exceeded quota: few, requested: count/secrets=1, '
        "used: count/secrets=1, limited: count/secrets=1"
    )


def test_what_is_deleted_is_given_back_to_the_quota(subject: Subject) -> None:
    quota(subject, count__secrets="1")
    subject.apply(secret("a"))
    subject.until(lambda: used(subject) == {"count/secrets": "1"}, "the charge")
    subject.cluster.delete(subject.key("Secret", "a"))
    subject.until(lambda: used(subject) == {"count/secrets": "0"}, "the refund")
    subject.apply(secret("b"))


def test_a_dry_run_is_refused_but_never_charged(subject: Subject) -> None:
    quota(subject, count__secrets="1")
    assert tried(subject, secret("a")) == ""
    subject.apply(secret("b"))
    assert "exceeded quota: few" in tried(subject, secret("c"))


def test_what_a_quota_limits_containers_must_say(subject: Subject) -> None:
    quota(subject, limits_cpu="1", requests_memory="1Gi")
    subject.until(lambda: "failed quota" in tried(subject, pod()), "a refusal")
    assert tried(subject, pod()) == (
        'pods "web" is forbidden: failed quota: few: '
        "must specify limits.cpu for: web; requests.memory for: web"
    )


def test_a_deployment_tells_that_its_pods_are_refused(subject: Subject) -> None:
    quota(subject, pods="0")
    subject.apply(deployment(replicas=1))

    def failure() -> Object | None:
        status = subject.get(subject.key("Deployment", "web", "apps")).get("status") or {}
        conditions = status.get("conditions") or ()
        return next((each for each in conditions if each["type"] == "ReplicaFailure"), None)

    found = subject.until(failure, "a ReplicaFailure")
    assert (found["status"], found["reason"]) == ("True", "FailedCreate")
    assert (
        "exceeded quota: few, requested: pods=1, used: pods=0, limited: pods=0"
        in (found["message"])
    )


def test_a_limit_range_fills_in_what_containers_do_not_say(subject: Subject) -> None:
    limit_range(subject, default={"cpu": "500m"}, defaultRequest={"cpu": "100m"})

    def resources() -> Object | None:
        found: Object = admitted(subject, pod())["spec"]["containers"][0]
        return found.get("resources")

    assert subject.until(resources, "the defaults") == {
        "limits": {"cpu": "500m"},
        "requests": {"cpu": "100m"},
    }
    annotations = admitted(subject, pod())["metadata"]["annotations"]
    assert annotations["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu request for container web; cpu limit for container web"
    )


def test_a_limit_range_refuses_too_much(subject: Subject) -> None:
    limit_range(subject, max={"cpu": "1"})
    body = pod(resources={"limits": {"cpu": "2"}})
    text = 'pods "web" is forbidden: maximum cpu usage per Container is 1, but limit is 2'
    subject.until(lambda: tried(subject, body) == text, text)


def test_a_restricted_namespace_tells_all_that_a_pod_lacks(subject: Subject) -> None:
    secure(subject, "restricted")
    text = (
        'pods "web" is forbidden: violates PodSecurity "restricted:latest": '
        "allowPrivilegeEscalation != false "
        '(container "web" must set securityContext.allowPrivilegeEscalation=false), '
        "unrestricted capabilities "
        '(container "web" must set securityContext.capabilities.drop=["ALL"]), '
        "runAsNonRoot != true "
        '(pod or container "web" must set securityContext.runAsNonRoot=true), '
        'seccompProfile (pod or container "web" must set '
        'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
    )
    subject.until(lambda: tried(subject, pod()) == text, text)
    good = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert admitted(subject, pod(securityContext=good))


def test_the_baseline_lets_ordinary_pods_pass_and_no_privileged_ones(subject: Subject) -> None:
    secure(subject, "baseline")
    assert admitted(subject, pod())
    text = (
        'pods "web" is forbidden: violates PodSecurity "baseline:latest": '
        'privileged (container "web" must not set securityContext.privileged=true)'
    )
    body = pod(securityContext={"privileged": True})
    subject.until(lambda: tried(subject, body) == text, text)


def test_a_level_that_is_none_is_refused(subject: Subject) -> None:
    try:
        secure(subject, "strict")
    except ApiError as error:
        assert (error.code, error.reason) == (422, "Invalid")
        assert 'Invalid value: "strict": must be one of privileged, baseline, restricted' in (
            error.message
        )
    else:
        raise AssertionError("it is taken")
