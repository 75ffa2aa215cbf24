from __future__ import annotations

from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object
from kubesim.admission.pod_security import Level, described, policy_of, violations
from tests.kubesim.world import World, deployment, namespace, pod, refused

GOOD = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
BARE = (
    "allowPrivilegeEscalation != false "
    '(container "web" must set securityContext.allowPrivilegeEscalation=false), '
    "unrestricted capabilities "
    '(container "web" must set securityContext.capabilities.drop=["ALL"]), '
    "runAsNonRoot != true "
    '(pod or container "web" must set securityContext.runAsNonRoot=true), '
    'seccompProfile (pod or container "web" must set securityContext.seccompProfile.type to '
    '"RuntimeDefault" or "Localhost")'
)


def labels(**modes: str) -> dict[str, str]:
    return {
        f"pod-security.kubernetes.io/{mode.replace('_', '-')}": value
        for mode, value in modes.items()
    }


class Secured(World):
    """A world whose namespace `default` has pod-security labels, and that keeps warnings."""

    def __init__(self, **modes: str) -> None:
        super().__init__()
        self.warnings: list[str] = []
        self.api.warn = self.warnings.append
        self.label(**modes)

    def label(self, **modes: str | None) -> None:
        given = {
            f"pod-security.kubernetes.io/{mode.replace('_', '-')}": v for mode, v in modes.items()
        }
        self.patch("Namespace", "default", {"metadata": {"labels": given}})


def found(body: Object, level: str = "baseline", minor: int = 999) -> str:
    return described(violations(body, Level(level, minor)))


def with_context(context: Object, **more: Any) -> Object:
    container = {"name": "web", "image": "web:1", "securityContext": context, **more}
    return pod(containers=[container])


def test_a_pod_that_says_nothing_violates_restricted() -> None:
    there = Secured(enforce="restricted")
    with pytest.raises(ApiError) as error:
        there.create(pod())
    assert refused(error) == (
        403,
        "Forbidden",
        f'pods "web-1" is forbidden: violates PodSecurity "restricted:latest": {BARE}',
    )


def test_a_pod_with_good_manners_is_restricted_enough() -> None:
    there = Secured(enforce="restricted", warn="restricted")
    there.create(with_context(GOOD))
    whole = {key: GOOD[key] for key in ("runAsNonRoot", "seccompProfile")}
    rest = {key: GOOD[key] for key in ("allowPrivilegeEscalation", "capabilities")}
    body = with_context(rest)
    body["metadata"]["name"] = "other"
    body["spec"]["securityContext"] = whole
    there.create(body)
    assert there.warnings == []


def test_a_namespace_without_labels_allows_everything() -> None:
    there = Secured()
    there.create(pod(hostNetwork=True))
    assert there.warnings == []


def test_warn_only_warns_and_names_its_version() -> None:
    there = Secured(warn="restricted", warn_version="v1.30")
    there.create(pod())
    assert there.warnings == [f'would violate PodSecurity "restricted:v1.30": {BARE}']


def test_a_deployment_is_warned_about_but_not_refused() -> None:
    there = Secured(enforce="restricted", warn="restricted")
    there.create(deployment())
    assert there.warnings == [f'would violate PodSecurity "restricted:latest": {BARE}']


def test_a_cron_jobs_template_lies_deeper() -> None:
    there = Secured(warn="baseline")
    spec = {"hostPID": True, "restartPolicy": "Never", **pod()["spec"]}
    template = {"spec": spec}
    there.create(
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "nightly"},
            "spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": template}}},
        }
    )
    assert there.warnings == [
        'would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)'
    ]


def test_labels_that_say_nothing_are_refused() -> None:
    with pytest.raises(ApiError) as error:
        Secured(enforce="strict", warn_version="1.30")
    assert refused(error)[0::2] == (
        422,
        'Namespace "default" is invalid: ['
        "metadata.labels[pod-security.kubernetes.io/enforce]: "
        'Invalid value: "strict": must be one of privileged, baseline, restricted, '
        "metadata.labels[pod-security.kubernetes.io/warn-version]: "
        'Invalid value: "1.30": must be "latest" or "v1.x"]',
    )


def test_a_new_namespace_must_have_labels_that_can_be_read() -> None:
    body = namespace("shop")
    body["metadata"]["labels"] = labels(audit="unknown")
    with pytest.raises(ApiError, match=r"pod-security\.kubernetes\.io/audit"):
        World().create(body)


def test_a_level_that_cannot_be_read_counts_as_restricted_if_enforced() -> None:
    policy = policy_of({"metadata": {"labels": labels(enforce="x", warn="y")}})
    assert (str(policy.enforce), str(policy.warn)) == ("restricted:latest", "privileged:latest")


def test_a_stricter_level_tells_which_pods_violate_it_already() -> None:
    there = Secured()
    there.create(pod("b"))
    there.create(pod("a"))
    there.create(pod("c", hostNetwork=True))
    there.label(enforce="restricted", enforce_version="v1.37")
    bare = "allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true"
    assert there.warnings == [
        'existing pods in namespace "default" violate the new PodSecurity enforce level '
        '"restricted:v1.37"',
        f"a (and 1 other pod): {bare}, seccompProfile",
        f"c: host namespaces, {bare}, seccompProfile",
    ]


def test_a_laxer_level_tells_nothing() -> None:
    there = Secured(enforce="restricted")
    there.label(enforce=None)
    there.create(pod(hostNetwork=True))
    there.label(enforce="restricted")
    there.warnings.clear()
    there.label(enforce="baseline")
    there.label(enforce="privileged")
    assert there.warnings == []


def test_a_pod_that_is_there_may_be_labelled_but_not_get_another_image() -> None:
    there = Secured()
    there.create(pod())
    there.label(enforce="restricted")
    there.patch("Pod", "web-1", {"metadata": {"labels": {"a": "b"}}})
    image = {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}
    with pytest.raises(ApiError, match="violates PodSecurity"):
        there.patch("Pod", "web-1", image, "strategic")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            pod(hostNetwork=True, hostIPC=True),
            "host namespaces (hostNetwork=true, hostIPC=true)",
        ),
        (
            with_context({"privileged": True}),
            'privileged (container "web" must not set securityContext.privileged=true)',
        ),
        (
            with_context({"capabilities": {"add": ["NET_ADMIN", "CHOWN", "BPF"]}}),
            'non-default capabilities (container "web" must not include "BPF", "NET_ADMIN" in '
            "securityContext.capabilities.add)",
        ),
        (
            pod(volumes=[{"name": "a", "hostPath": {}}, {"name": "b", "hostPath": {}}]),
            'hostPath volumes (volumes "a", "b")',
        ),
        (
            with_context({}, ports=[{"containerPort": 80, "hostPort": 80}]),
            'hostPort (container "web" uses hostPort 80)',
        ),
        (
            with_context({}, livenessProbe={"httpGet": {"host": "10.0.0.1"}}),
            'probe or lifecycle host (container "web" uses probe or lifecycle host "10.0.0.1")',
        ),
        (
            with_context({"procMount": "Unmasked"}),
            'procMount (container "web" must not set securityContext.procMount to "Unmasked")',
        ),
        (
            pod(securityContext={"seLinuxOptions": {"type": "spc_t", "user": "root"}}),
            "seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: "
            'type "spc_t"; user may not be set)',
        ),
        (
            with_context({"seccompProfile": {"type": "Unconfined"}}),
            'seccompProfile (container "web" must not set securityContext.seccompProfile.type to '
            '"Unconfined")',
        ),
        (
            with_context({"appArmorProfile": {"type": "Unconfined"}}),
            'forbidden AppArmor profile (container "web" must not set AppArmor profile type to '
            '"Unconfined")',
        ),
        (
            pod(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}),
            "forbidden sysctls (kernel.msgmax)",
        ),
        (
            pod(securityContext={"windowsOptions": {"hostProcess": True}}),
            "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
        ),
        (pod(), ""),
        (with_context({"capabilities": {"add": ["CHOWN"]}}), ""),
    ],
)
def test_the_baseline_forbids_what_reaches_the_node(body: Object, text: str) -> None:
    assert found(body) == text


@pytest.mark.parametrize(
    ("context", "text"),
    [
        (
            {"capabilities": {"drop": ["ALL"], "add": ["CHOWN", "NET_BIND_SERVICE"]}},
            'unrestricted capabilities (container "web" must not include "CHOWN" in '
            "securityContext.capabilities.add)",
        ),
        (
            {"runAsNonRoot": False},
            'runAsNonRoot != true (container "web" must not set '
            "securityContext.runAsNonRoot=false)",
        ),
        ({"runAsUser": 0}, 'runAsUser=0 (container "web" must not set runAsUser=0)'),
        (
            {"seccompProfile": {"type": "Unconfined"}},
            'seccompProfile (container "web" must not set securityContext.seccompProfile.type to '
            '"Unconfined")',
        ),
    ],
)
def test_restricted_demands_more(context: Object, text: str) -> None:
    assert found(with_context({**GOOD, **context}), "restricted") == text


def test_restricted_volumes_take_the_place_of_host_paths() -> None:
    body = with_context(GOOD)
    body["spec"]["volumes"] = [
        {"name": "a", "hostPath": {"path": "/"}},
        {"name": "b", "nfs": {}},
        {"name": "c", "emptyDir": {}},
    ]
    assert found(body, "restricted") == (
        'restricted volume types (volumes "a", "b" use restricted volume types "hostPath", "nfs")'
    )


def test_init_and_ephemeral_containers_count_and_come_in_their_order() -> None:
    bad = {"image": "web:1", "securityContext": {"privileged": True}}
    body = pod(
        containers=[{"name": "web", **bad}],
        initContainers=[{"name": "setup", **bad}],
        ephemeralContainers=[{"name": "debug", **bad}],
    )
    assert 'containers "setup", "web", "debug" must not' in found(body)


@pytest.mark.parametrize(
    ("body", "level", "first"),
    [
        (with_context({}, livenessProbe={"tcpSocket": {"host": "a"}}), "baseline", 34),
        (with_context({k: v for k, v in GOOD.items() if k != "capabilities"}), "restricted", 22),
        (with_context({**GOOD, "runAsUser": 0}), "restricted", 23),
    ],
)
def test_a_check_binds_from_its_version_on(body: Object, level: str, first: int) -> None:
    assert not found(body, level, first - 1)
    assert found(body, level, first)


def test_what_became_harmless_is_allowed_from_that_version_on() -> None:
    sysctls = [{"name": "net.ipv4.tcp_rmem", "value": "1"}]
    body = pod(securityContext={"sysctls": sysctls})
    assert found(body, minor=31)
    assert not found(body, minor=32)


def test_users_do_not_matter_where_they_are_not_the_nodes() -> None:
    body = with_context({**GOOD, "runAsNonRoot": False, "runAsUser": 0})
    body["spec"]["hostUsers"] = False
    assert not found(body, "restricted")
    assert found(body, "restricted", 34)
    mounting = with_context({**GOOD, "procMount": "Unmasked"})
    mounting["spec"]["hostUsers"] = False
    assert not found(mounting)
    assert "procMount" in found(mounting, "restricted")


def test_windows_pods_need_not_say_what_means_nothing_there() -> None:
    body = pod(os={"name": "windows"}, securityContext={"runAsNonRoot": True})
    assert not found(body, "restricted")
    assert found(body, "restricted", 24)
