"""`kubectl apply`, `diff`, and what belongs to declaring things in files."""

from __future__ import annotations

import copy
import json
import textwrap
from typing import Any

import pytest
import yaml

from tests.kubectl.live import Kubectl
from tests.kubectl.objects import DEFINITION, book, config_map, deployment

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def managers(kubectl: Kubectl, what: str) -> list[str]:
    """Who owns fields of an object, by what operation, apart from the controllers."""
    entries = json.loads(kubectl(f"get {what} -o", "jsonpath={.metadata.managedFields}"))
    return sorted(
        f"{each['manager']} {each['operation']}"
        for each in entries
        if each["manager"] != "kube-controller-manager"
    )


def test_what_is_applied_is_created_then_unchanged_then_configured(kubectl: Kubectl) -> None:
    file = kubectl.file("web.yaml", deployment())
    assert kubectl(f"apply -f {file}") == "deployment.apps/web created\n"
    assert kubectl(f"apply -f {file}") == "deployment.apps/web unchanged\n"
    kubectl.file("web.yaml", deployment("web:2"))
    assert kubectl(f"apply -f {file}") == "deployment.apps/web configured\n"
    assert kubectl("get deploy web -o", "jsonpath={..image}") == "web:2"
    assert managers(kubectl, "deploy web") == ["kubectl-client-side-apply Update"]


def test_a_field_that_is_no_longer_declared_goes(kubectl: Kubectl) -> None:
    file = kubectl.file("book.yaml", config_map(page="1", author="Melville"))
    kubectl(f"apply -f {file}")
    kubectl("patch cm book --type merge -p", '{"data": {"note": "mine"}}')
    kubectl.file("book.yaml", config_map(page="2"))
    kubectl(f"apply -f {file}")
    data = json.loads(kubectl("get cm book -o", "jsonpath={.data}"))
    assert data == {"page": "2", "note": "mine"}
    told = kubectl(f"apply view-last-applied -f {file} -o json")
    assert json.loads(told)["data"] == {"page": "2"}


def test_a_dry_run_on_the_server_changes_nothing(kubectl: Kubectl) -> None:
    file = kubectl.file("book.yaml", config_map())
    for where in ("server", "client"):
        dry = " (server dry run)" if where == "server" else " (dry run)"
        assert kubectl(f"apply -f {file} --dry-run={where}") == f"configmap/book created{dry}\n"
    assert "not found" in kubectl.fails("get configmap book")


def test_diff_says_by_its_exit_code_whether_anything_would_change(kubectl: Kubectl) -> None:
    file = kubectl.file("web.yaml", deployment())
    added = kubectl.fails(f"diff -f {file}")
    assert "+  name: web" in added
    kubectl(f"apply -f {file}")
    assert kubectl(f"diff -f {file}") == ""
    kubectl.file("web.yaml", deployment("web:2"))
    changed = kubectl.fails(f"diff -f {file}")
    assert "-      - image: web:1\n+      - image: web:2\n" in changed
    assert kubectl("get deploy web -o", "jsonpath={..image}") == "web:1"
    kubectl.file("web.yaml", {**deployment(), "spec": {}})
    kubectl.fails(f"diff -f {file}", code=2)


def test_the_server_applies_and_tells_of_conflicts(kubectl: Kubectl) -> None:
    file = kubectl.file("web.yaml", deployment())
    serverside = f"apply --server-side -f {file}"
    assert (
        kubectl(f"{serverside} --field-manager one") == "deployment.apps/web serverside-applied\n"
    )
    kubectl.file("web.yaml", deployment(replicas=5))
    refused = kubectl.fails(f"{serverside} --field-manager two")
    assert 'conflict with "one": .spec.replicas\n' in refused
    assert "re-run the apply\n  command with the `--force-conflicts` flag" in refused
    kubectl(f"{serverside} --field-manager two --force-conflicts")
    assert managers(kubectl, "deploy web") == ["one Apply", "two Apply"]
    assert kubectl("get deploy web -o", "jsonpath={.spec.replicas}") == "5"
    assert kubectl(f"diff --server-side --field-manager two -f {file}") == ""


@pytest.mark.since(26)
def test_who_moves_to_the_servers_apply_takes_the_fields_along(kubectl: Kubectl) -> None:
    file = kubectl.file("book.yaml", config_map(page="1", author="Melville"))
    kubectl(f"apply -f {file}")
    kubectl(f"apply --server-side -f {file}")
    assert managers(kubectl, "cm book")[0] == "kubectl Apply"
    assert "kubectl-client-side-apply Update" not in managers(kubectl, "cm book")
    kubectl.file("book.yaml", config_map(page="2"))
    kubectl(f"apply --server-side -f {file}")
    assert kubectl("get cm book -o", "jsonpath={.data}") == '{"page":"2"}'
    last = json.loads(kubectl("get cm book -o", "jsonpath={.metadata.annotations}"))[LAST_APPLIED]
    assert json.loads(last)["data"] == {"page": "2"}
    kubectl.file("book.yaml", config_map(page="3"))
    assert kubectl(f"apply -f {file}") == "configmap/book configured\n"


def test_the_servers_apply_takes_over_what_kubectl_applied_before(kubectl: Kubectl) -> None:
    kubectl(f"apply -f {kubectl.file('web.yaml', deployment())}")
    changed = kubectl.file("web.yaml", deployment("web:2"))
    kubectl(f"apply --server-side -f {changed}")
    assert kubectl("get deploy web -o", "jsonpath={..image}") == "web:2"
    changed = kubectl.file("web.yaml", deployment("web:3"))
    refused = kubectl.fails(f"apply --server-side -f {changed} --field-manager other")
    assert '.spec.template.spec.containers[name="web"].image' in refused


def test_pruning_takes_what_is_no_longer_in_the_folder(kubectl: Kubectl) -> None:
    kubectl.file("all/one.yaml", config_map("one"))
    gone = kubectl.file("all/sub/two.yaml", config_map("two"))
    kubectl("apply -R -f all")
    (kubectl.folder / gone).unlink()
    kind = "allowlist" if kubectl.program.minor >= 26 else "whitelist"
    told = kubectl(f"apply -R -f all --prune -l part=one --prune-{kind} core/v1/ConfigMap")
    assert told == "configmap/one unchanged\nconfigmap/two pruned\n"
    assert kubectl("get cm -l part=one -o name") == "configmap/one\n"


@pytest.mark.since(27)
def test_an_apply_set_prunes_what_it_had_and_has_no_more(kubectl: Kubectl) -> None:
    kubectl.file("all/one.yaml", config_map("one"))
    two = kubectl.file("all/two.yaml", config_map("two"))
    kubectl.create(config_map("bystander"))
    prune = f"apply -f all --prune --applyset mine -n {kubectl.namespace}"
    alpha = {"KUBECTL_APPLYSET": "true"}
    kubectl(prune, **alpha)
    (kubectl.folder / two).unlink()
    assert kubectl(prune, **alpha) == "configmap/one unchanged\nconfigmap/two pruned\n"
    assert kubectl("get cm -l part=one -o name").split() == ["configmap/bystander", "configmap/one"]
    parent = yaml.safe_load(kubectl("get secret mine -o yaml"))["metadata"]
    assert parent["annotations"]["applyset.kubernetes.io/contains-group-kinds"] == "ConfigMap"


def test_a_kustomization_is_applied_and_deleted_whole(kubectl: Kubectl) -> None:
    kubectl.file("site/book.yaml", config_map())
    (kubectl.folder / "site/kustomization.yaml").write_text(
        "resources: [book.yaml]\nnamePrefix: my-\n"
        "configMapGenerator: [{name: made, literals: [a=b]}]\n"
    )
    book, made = sorted(kubectl("apply -k site").splitlines())
    assert book == "configmap/my-book created" and made.startswith("configmap/my-made-")
    assert kubectl("diff -k site") == ""
    assert kubectl("delete -k site").count("deleted") == 2


def test_a_misspelt_field_is_refused(kubectl: Kubectl) -> None:
    wrong = deployment()
    wrong["spec"]["replica"] = wrong["spec"].pop("replicas")
    file = kubectl.file("web.yaml", wrong)
    refused = kubectl.fails(f"apply -f {file}")
    assert 'unknown field "spec.replica"' in refused or 'unknown field "replica"' in refused
    assert "not found" in kubectl.fails("get deployment web")
    kubectl(f"apply -f {file} --validate=false")
    assert kubectl("get deploy web -o", "jsonpath={.spec.replicas}") == "1"


def test_what_is_no_object_is_refused(kubectl: Kubectl) -> None:
    def refused(text: str) -> str:
        return kubectl.fails("apply -f -", stdin=textwrap.dedent(text))

    assert "apiVersion not set" in refused("kind: Pod\n")
    assert "error converting YAML to JSON" in refused("a: [")
    assert 'no matches for kind "Pod" in version "v9"' in refused(
        '{"apiVersion": "v9", "kind": "Pod", "metadata": {"name": "web"}}'
    )
    assert 'The ConfigMap "A" is invalid: metadata.name: Invalid value: "A"' in refused(
        '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "A"}}'
    )


def test_instances_of_a_definition_are_applied_like_anything_else(kubectl: Kubectl) -> None:
    file = kubectl.file("definition.yaml", DEFINITION)
    kubectl(f"apply -f {file}")
    kubectl("wait --for condition=Established --timeout 30s crd/books.lab.example")
    file = kubectl.file("book.yaml", book())
    assert kubectl(f"apply -f {file}") == "book.lab.example/moby created\n"
    header, row = kubectl.rows("get bk -o wide")
    assert header == ["NAME", "TITLE", "COPIES"] and row == ["moby", "Moby", "1"]
    assert kubectl("scale book/moby --replicas 3") == "book.lab.example/moby scaled\n"
    assert kubectl(f"apply -f {file}") == "book.lab.example/moby unchanged\n"
    assert "Too long: may not be more than 20 bytes" in kubectl.fails(
        "patch bk moby --type merge -p", json.dumps({"spec": {"title": "x" * 21}})
    )
    assert "Copies:  3" in kubectl("describe bk moby")
    assert "What is on the cover." in kubectl("explain book.spec.title")
    wrong = kubectl.file("book.yaml", book(pages=600))
    assert "unknown field" in kubectl.fails(f"apply -f {wrong}")
    kubectl("delete book moby")


def test_a_definition_that_is_deleted_takes_its_kind_along(kubectl: Kubectl) -> None:
    definition: dict[str, Any] = copy.deepcopy(DEFINITION)
    definition["metadata"]["name"] = "songs.lab.example"
    definition["spec"]["names"] = {"kind": "Song", "plural": "songs", "singular": "song"}
    kubectl(f"apply -f {kubectl.file('definition.yaml', definition)}")
    kubectl("wait --for condition=Established --timeout 30s crd/songs.lab.example")
    kubectl(f"apply -f {kubectl.file('song.yaml', {**book(), 'kind': 'Song'})}")
    kubectl("delete crd songs.lab.example --timeout 30s")
    # kubectl remembers for a while what was served.
    assert "the server could not find the requested resource" in kubectl.fails("get songs")
