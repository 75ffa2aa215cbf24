from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.admission import limit_ranges
from tests.kubesim.world import World, pod, refused


def limit_range(*limits: Object, name: str = "limits") -> Object:
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": name},
        "spec": {"limits": list(limits)},
    }


def container(name: str = "web", /, **resources: Any) -> Object:
    return {"name": name, "image": "web:1", **({"resources": resources} if resources else {})}


def claim(size: str, **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
            **spec,
        },
    }


def world(*limits: Object) -> World:
    made = World()
    made.create(limit_range(*limits))
    return made


def refusal(in_: World, body: Object) -> str:
    with pytest.raises(ApiError) as error:
        in_.create(body)
    assert (error.value.code, error.value.reason) == (403, "Forbidden")
    return str(error.value.message)


def test_containers_that_say_nothing_get_the_defaults_and_the_pod_tells() -> None:
    there = world(
        {
            "type": "Container",
            "default": {"cpu": "500m", "memory": "256Mi"},
            "defaultRequest": {"cpu": "100m"},
        }
    )
    made = there.create(
        pod(
            containers=[container(), container("own", requests={"cpu": "2"}, limits={"cpu": "3"})],
            initContainers=[container("setup")],
        )
    )
    web, own = made["spec"]["containers"]
    assert web["resources"] == {
        "limits": {"cpu": "500m", "memory": "256Mi"},
        "requests": {"cpu": "100m", "memory": "256Mi"},
    }
    assert own["resources"]["limits"] == {"cpu": "3", "memory": "256Mi"}
    assert made["spec"]["initContainers"][0]["resources"] == web["resources"]
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: "
        "cpu, memory request for container web; cpu, memory limit for container web; "
        "memory request for container own; memory limit for container own; "
        "cpu, memory request for init container setup; cpu, memory limit for init container setup"
    )
    assert made["status"]["qosClass"] == "Burstable"


def test_defaults_make_a_pod_guaranteed_if_they_ask_for_all_that_may_be_used() -> None:
    there = world({"type": "Container", "default": {"cpu": "1", "memory": "1Gi"}})
    assert there.create(pod())["status"]["qosClass"] == "Guaranteed"


def test_a_namespace_without_limits_changes_nothing() -> None:
    made = World().create(pod())
    assert made["spec"]["containers"][0]["resources"] == {}
    assert "annotations" not in made["metadata"]


@pytest.mark.parametrize(
    ("limit", "resources", "fault"),
    [
        (
            {"max": {"cpu": "1"}},
            {"limits": {"cpu": "2"}},
            "maximum cpu usage per Container is 1, but limit is 2",
        ),
        (
            {"max": {"memory": "1Gi"}, "default": {"cpu": "1"}},
            {"limits": {"memory": "1536Mi"}},
            "maximum memory usage per Container is 1Gi, but limit is 1536Mi",
        ),
        (
            {"min": {"cpu": "500m"}},
            {"requests": {"cpu": "100m"}, "limits": {"cpu": "1"}},
            "minimum cpu usage per Container is 500m, but request is 100m",
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"requests": {"cpu": "100m"}, "limits": {"cpu": "500m"}},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 5.000000",
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {},
            "cpu max limit to request ratio per Container is 2, "
            "but no request is specified or request is 0",
        ),
        (
            {"min": {"cpu": "2"}, "max": {"memory": "1Mi"}},
            {"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "1Gi"}},
            "[minimum cpu usage per Container is 2, but request is 1, "
            "maximum memory usage per Container is 1Mi, but limit is 1Gi]",
        ),
    ],
)
def test_a_container_must_keep_within_the_limits(
    limit: Object, resources: Object, fault: str
) -> None:
    there = world({"type": "Container", **limit})
    body = pod(containers=[container(**resources)])
    assert refusal(there, body) == f'pods "web-1" is forbidden: {fault}'


def test_a_pods_containers_count_together() -> None:
    there = world({"type": "Pod", "max": {"cpu": "1"}})
    one = {"limits": {"cpu": "600m"}}
    there.create(pod("small", containers=[container(**one)]))
    body = pod("large", containers=[container(**one), container("b", **one)])
    assert refusal(there, body) == (
        'pods "large" is forbidden: maximum cpu usage per Pod is 1, but limit is 1200m'
    )
    assert refusal(there, pod("silent")) == (
        'pods "silent" is forbidden: maximum cpu usage per Pod is 1.  No limit is specified'
    )


def test_init_containers_count_as_much_as_the_largest_of_them() -> None:
    there = world({"type": "Pod", "max": {"cpu": "1"}})
    limited = {"limits": {"cpu": "800m"}}
    setup = [container("a", **limited), container("b", **limited)]
    there.create(pod(containers=[container(**limited)], initContainers=setup))


def test_a_claim_must_keep_within_the_limits() -> None:
    there = world({"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"},
                   "max": {"storage": "10Gi"}})  # fmt: skip
    text = 'persistentvolumeclaims "data" is forbidden:'
    assert refusal(there, claim("500Mi")) == (
        f"{text} minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 500Mi"
    )
    assert refusal(there, claim("20Gi")) == (
        f"{text} maximum storage usage per PersistentVolumeClaim is 10Gi, but request is 20Gi"
    )
    there.create(claim("10Gi"))


def test_what_is_there_already_may_stay_as_it_is() -> None:
    there = World()
    there.create(pod())
    there.create(limit_range({"type": "Container", "max": {"cpu": "1"}}))
    there.patch("Pod", "web-1", {"metadata": {"labels": {"a": "b"}}})
    with pytest.raises(ApiError):
        there.create(pod("web-2", containers=[container(limits={"cpu": "2"})]))


def test_a_dry_run_is_limited_too() -> None:
    there = world({"type": "Container", "max": {"cpu": "1"}})
    with pytest.raises(ApiError) as error:
        there.create(pod(containers=[container(limits={"cpu": "2"})]), dry_run=True)
    assert refused(error)[:2] == (403, "Forbidden")


AMOUNTS = st.dictionaries(
    st.sampled_from(["cpu", "memory"]), st.sampled_from(["1", "2", "500m", "3Gi"]), max_size=2
)
CONTAINERS = st.lists(
    st.builds(lambda requests, limits: {"requests": requests, "limits": limits}, AMOUNTS, AMOUNTS),
    min_size=1,
    max_size=3,
)


@settings(max_examples=60)
@given(CONTAINERS, AMOUNTS, AMOUNTS)
def test_defaults_fill_gaps_only_and_leave_none(
    resources: list[Object], limits: Object, requests: Object
) -> None:
    body = pod(containers=[container(str(i), **each) for i, each in enumerate(resources)])
    ranges = [limit_range({"type": "Container", "default": limits, "defaultRequest": requests})]
    made = limit_ranges.filled(body, ranges)
    for before, after in zip(resources, made["spec"]["containers"], strict=True):
        for kind, defaults in (("requests", requests), ("limits", limits)):
            assert after["resources"][kind] == {**defaults, **before[kind]}
    assert limit_ranges.filled(made, ranges) is made


@settings(max_examples=60)
@given(CONTAINERS, AMOUNTS)
def test_a_pod_that_stays_as_it_is_has_no_faults_whatever_the_limits(
    resources: list[Object], most: Object
) -> None:
    body = pod(containers=[container(str(i), **each) for i, each in enumerate(resources)])
    ranges = [limit_range({"type": "Container", "max": most}, {"type": "Pod", "min": most})]
    assert limit_ranges.faults(body, body, ranges) == []
