"""From files to desired objects: which count, where they go, and all faults at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.engine import collect
from gitops_lab.engine.render import MAX_SHOWN, render
from gitops_lab.engine.tree import Tree
from gitops_lab.errors import ApiError, ClusterUnreachable, RenderError
from gitops_lab.model import Artifact, Manifest, Revision

CLUSTER_SCOPED = ("Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition")
NAMESPACED = ("ConfigMap", "Service", "Deployment", "ServiceAccount", "RoleBinding", "Role")
APPS = Path(__file__).parents[2].parent / "shared" / "apps"

Files = Mapping[str, str | bytes | dict[str, Any]]


def is_namespaced(group: str, kind: str) -> bool:
    if kind in CLUSTER_SCOPED or kind in NAMESPACED:
        return kind in NAMESPACED
    raise ApiError(404, "NotFound", "the server could not find the requested resource")


def artifact(files: Files, links: Mapping[str, str] | None = None) -> Artifact:
    content = {
        path: file if isinstance(file, bytes) else _text(file).encode()
        for path, file in files.items()
    }
    digest = hashlib.sha256(repr((sorted(content.items()), links)).encode()).hexdigest()
    return Artifact(Revision("main", "0" * 40), content, f"sha256:{digest}", links or {})


def _text(file: str | dict[str, Any]) -> str:
    return file if isinstance(file, str) else yaml.safe_dump(file)


def rendered(
    files: Files, links: Mapping[str, str] | None = None, *, namespace: str = "default"
) -> tuple[Manifest, ...]:
    return render(artifact(files, links), namespace=namespace, is_namespaced=is_namespaced)


def names(files: Files, links: Mapping[str, str] | None = None) -> list[str]:
    return [str(manifest.key) for manifest in rendered(files, links)]


def fault(files: Files, links: Mapping[str, str] | None = None) -> RenderError:
    with pytest.raises(RenderError) as caught:
        rendered(files, links)
    return caught.value


def obj(
    name: Any = "a", kind: str = "ConfigMap", api: str = "v1", *, namespace: Any = None, **rest: Any
) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace is not None else {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


# -- which files count --------------------------------------------------------------------------


def test_yaml_files_of_all_folders_count_and_others_do_not_as_in_flux() -> None:
    files: Files = {
        "a.yaml": obj("a"),
        "d/b.yml": obj("b"),
        "d/e/.c.yaml": obj("c"),
        "package.json": json.dumps({"name": "shop"}),
        "README.md": "# not: [yaml",
        "run.sh": "#!/bin/sh",
        "d.YAML.bak": "x",
    }
    assert names(files) == [f"ConfigMap default/{name}" for name in "abc"]


def test_what_flux_excludes_and_what_a_sourceignore_names_does_not_count() -> None:
    files: Files = {
        "a.yaml": obj("a"),
        ".github/workflows/ci.yaml": "on: push",
        "x/.gitlab-ci.yml": "stages: []",
        "x/.sops.yaml": "creation_rules: []",
        "charts/web/values.yaml": "replicas: 2",
        ".sourceignore": "charts/\n# a comment\n",
        "d/.sourceignore": "/values.yaml\n*.tmp.yaml\n!kept.tmp.yaml\n",
        "d/values.yaml": "replicas: 2",
        "d/e/values.yaml": obj("b"),
        "d/e/x.tmp.yaml": "no",
        "d/e/kept.tmp.yaml": obj("c"),
    }
    assert names(files) == [f"ConfigMap default/{name}" for name in "abc"]


def test_no_manifest_at_all_renders_to_nothing() -> None:
    assert rendered({}) == ()
    assert rendered({"README.md": "hello", "empty.yaml": "---\n"}) == ()


def test_the_origin_names_file_document_and_item() -> None:
    two = yaml.safe_dump_all([obj("a"), obj("b")])
    listed = {"apiVersion": "v1", "kind": "List", "items": [obj("c"), obj("d")]}
    found = rendered({"d/web.yaml": two, "list.yaml": f"---\n{yaml.safe_dump(listed)}"})
    assert [manifest.origin for manifest in found] == [
        "d/web.yaml#1",
        "d/web.yaml#2",
        "list.yaml#1 item 1",
        "list.yaml#1 item 2",
    ]


def test_the_items_of_lists_are_objects_of_their_own() -> None:
    untyped = {"metadata": {"name": "p"}}
    files: Files = {
        "typed.yaml": {"apiVersion": "v1", "kind": "ConfigMapList", "items": [untyped]},
        "nested.yaml": {
            "apiVersion": "v1",
            "kind": "List",
            "items": [{"apiVersion": "v1", "kind": "List", "items": [obj("q")]}],
        },
        "empty.yaml": {"apiVersion": "v1", "kind": "List", "items": None},
    }
    assert names(files) == ["ConfigMap default/p", "ConfigMap default/q"]


def test_a_list_whose_items_are_no_list_is_refused() -> None:
    error = fault({"a.yaml": {"apiVersion": "v1", "kind": "List", "items": {"a": 1}}})
    assert "List" in error.what


# -- namespaces ---------------------------------------------------------------------------------


def test_only_a_namespaced_object_without_namespace_gets_the_default_one() -> None:
    found = rendered(
        {
            "a.yaml": obj("a"),
            "b.yaml": obj("b", namespace="own"),
            "c.yaml": obj("c", namespace=""),
            "n.yaml": obj("own", "Namespace"),
        },
        namespace="shop",
    )
    assert [str(manifest.key) for manifest in found] == [
        "ConfigMap own/b",
        "ConfigMap shop/a",
        "ConfigMap shop/c",
        "Namespace own",
    ]
    assert found[1].body["metadata"]["namespace"] == "shop"


def test_a_cluster_scoped_object_loses_a_namespace_that_it_cannot_have() -> None:
    role = obj("r", "ClusterRole", "rbac.authorization.k8s.io/v1", namespace="x")
    (manifest,) = rendered({"a.yaml": role})
    assert manifest.body["metadata"] == {"name": "r"}


def test_the_text_as_it_was_read_is_never_changed() -> None:
    files: Files = {"a.yaml": obj("a", data={"k": "v"})}
    first = rendered(files, namespace="one")
    assert rendered(files, namespace="two")[0].key.namespace == "two"
    assert first[0].body["metadata"]["namespace"] == "one"


def test_a_kind_that_the_revision_itself_defines_is_known() -> None:
    def crd(kind: str, scope: str) -> dict[str, Any]:
        spec = {"group": "shop.example", "names": {"kind": kind}, "scope": scope}
        return obj(
            f"{kind.lower()}s.shop.example",
            "CustomResourceDefinition",
            "apiextensions.k8s.io/v1",
            spec=spec,
        )

    files: dict[str, Any] = {
        "crd.yaml": yaml.safe_dump_all([crd("Cart", "Namespaced"), crd("Aisle", "Cluster")]),
        "cart.yaml": obj("c", "Cart", "shop.example/v1"),
        "aisle.yaml": obj("a", "Aisle", "shop.example/v1", namespace="x"),
    }
    assert names(files)[2:] == ["Aisle a", "Cart default/c"]
    del files["crd.yaml"]
    assert "no kind" in fault(files).what


def test_folders_without_end_are_refused() -> None:
    assert "50 deep" in fault({"d/" * 1500 + "a.yaml": obj("a")}).what


def test_a_git_lfs_pointer_is_named() -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 2048\n"
    error = fault({"big.yaml": pointer})
    assert (error.where, "Git LFS" in error.what) == ("big.yaml", True)


# -- symbolic links -----------------------------------------------------------------------------


def test_a_link_to_a_file_of_the_artifact_is_read() -> None:
    files: Files = {"d/.shared/a": yaml.safe_dump(obj("a")), ".b/b": yaml.safe_dump(obj("b"))}
    links = {"a.yaml": "d/.shared/./a", "e/b.yaml": "../to-b", "to-b": ".b/b"}
    assert names(files, links) == ["ConfigMap default/a", "ConfigMap default/b"]


def test_a_link_to_a_folder_adds_nothing() -> None:
    files: Files = {"v2/a.yaml": obj("a")}
    assert names(files, {"current": "v2"}) == ["ConfigMap default/a"]


@pytest.mark.parametrize(
    ("links", "what"),
    [
        ({"a.yaml": "/etc/passwd"}, "leads out of the folder that is deployed: the link says /etc"),
        ({"a.yaml": "../../etc/passwd"}, "leads out of the folder that is deployed"),
        ({"a.yaml": "d/../../x"}, "leads out of the folder that is deployed"),
        ({"prod": "../prod"}, "leads out of the folder that is deployed"),
        ({"a.yaml": "out/passwd", "out": "/etc"}, "leads out of the folder that is deployed"),
        ({"a.yaml": "gone.yaml"}, "there is no gone.yaml"),
        ({"a.yaml": "d/file/x"}, "there is no d/file/x"),
        ({"a.yaml": "a.yaml"}, "round in circles"),
        ({"a.yaml": "b.yaml", "b.yaml": "a.yaml"}, "round in circles"),
        ({"a.yaml": "l/x", "l": "./l"}, "round in circles"),
    ],
)
def test_a_link_that_leads_out_or_nowhere_or_in_circles_is_refused(
    links: dict[str, str], what: str
) -> None:
    error = fault({"d/file": "x"}, links)
    assert what in error.what
    assert error.where in links


@given(text=st.text(alphabet="ab./", max_size=12), other=st.text(alphabet="ab./", max_size=12))
@settings(max_examples=150, deadline=None)
def test_no_link_ever_leads_out(text: str, other: str) -> None:
    tree = Tree(artifact({"a/b": "", "b/a/a": ""}, {"a/l": text, "l": other}))
    for path in ("l", "a/l", "a/l/../l", "l/a"):
        try:
            reached = tree.resolve(path)
        except RenderError:
            continue
        assert reached in ("", "a", "b", "b/a", "a/b", "b/a/a")


# -- faults -------------------------------------------------------------------------------------


def test_every_fault_is_told_at_once() -> None:
    error = fault(
        {
            "a.yaml": "a: [1\n",
            "b.yaml": yaml.safe_dump_all([obj("Bad"), obj("good"), obj("")]),
            "c.yaml": obj("good"),
        }
    )
    assert error.where.startswith("a.yaml, line 2, column 1")
    text = str(error)
    assert "3 more to correct" in text
    assert "b.yaml#1, line 1: 'Bad' is not a valid name" in text
    assert "b.yaml#3, line 11: this ConfigMap has no name" in text
    assert "ConfigMap default/good is written twice, here and in b.yaml#2" in text


def test_more_faults_than_anybody_reads_are_counted() -> None:
    error = fault({f"{number:03}.yaml": "x" for number in range(100)})
    assert str(error).count(".yaml#1") == MAX_SHOWN
    assert "- and 80 more" in str(error)


def test_faults_come_in_the_same_order_whatever_the_order_of_files() -> None:
    files = {f"{name}.yaml": "x" for name in "dbca"}
    assert str(fault(files)) == str(fault(dict(reversed(files.items()))))


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ([obj()], "this is a list"),
        ("just text", "this is a string"),
        (1, "this is a number"),
        (True, "this is a boolean"),
        ({"kind": "ConfigMap", "metadata": {"name": "a"}}, "does not say its apiVersion"),
        ({"apiVersion": "v1", "metadata": {"name": "a"}}, "does not say its kind"),
        ({"apiVersion": "v1", "kind": ""}, "does not say its kind"),
        ({"apiVersion": 1, "kind": "ConfigMap"}, "does not say its apiVersion"),
        ({"name": "package.json", "version": "1"}, "does not say its apiVersion"),
        (obj(api="a/b/c"), "not of the form group/version"),
        (obj(api="/v1"), "not of the form group/version"),
        (obj(kind="Deplyoment", api="apps/v1"), "the cluster has no kind Deplyoment in apps"),
        (obj(kind="Pood"), "the cluster has no kind Pood in the core group"),
        ({"apiVersion": "v1", "kind": "ConfigMap"}, "has no metadata"),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": []}, "has no metadata"),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}, "has no name"),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}},
            "has a generateName",
        ),
        (obj(1), "the name 1 is not a string"),
        *(
            (obj(name), "is not a valid name")
            for name in ("A", "a_b", "-a", "a.", "a/b", "a" * 254)
        ),
        (obj("a:b", "Deployment", "apps/v1"), "is not a valid name"),
        (obj("a/b", "ClusterRole", "rbac.authorization.k8s.io/v1"), "is not a valid name"),
        *(
            (obj(namespace=name), "no name of a namespace")
            for name in ("A", "a.b", "a" * 64, 1, 0, False)
        ),
    ],
)
def test_what_is_no_object_is_told_with_its_place(value: Any, what: str) -> None:
    error = fault({"d/x.yaml": f"---\n# first\n---\n{yaml.safe_dump(value)}"})
    assert what in error.what
    assert error.where == "d/x.yaml#2, line 4"


@pytest.mark.parametrize("name", ["system:node", "Admin", "a_b"])
def test_a_role_may_have_a_name_that_others_may_not(name: str) -> None:
    role = obj(name, "ClusterRole", "rbac.authorization.k8s.io/v1")
    assert names({"a.yaml": role}) == [f"ClusterRole {name}"]


def test_two_files_with_the_same_object_are_refused_and_both_named() -> None:
    error = fault(
        {
            "a.yaml": obj("web", "Deployment", "apps/v1"),
            "b.yaml": obj("web", "Deployment", "apps/v1beta1", namespace="default"),
        }
    )
    assert error.what == "Deployment default/web is written twice, here and in a.yaml#1"
    assert error.where == "b.yaml#1, line 1"


def test_a_binary_file_with_a_manifests_name_is_refused() -> None:
    assert "this is not text" in fault({"logo.yaml": b"\x89PNG\r\n\x1a\n\xff"}).what


def test_a_file_of_fifty_megabytes_is_refused_unread() -> None:
    error = fault({"huge.yaml": b"a: [" * (50 * 2**20 // 4)})
    assert (error.where, "50 MiB" in error.what) == ("huge.yaml", True)
    assert rendered({"video.mp4": b"x" * (4 * 2**20)}) == ()


def test_many_files_that_are_too_large_together_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collect, "MAX_ARTIFACT", 100)
    files = {f"{name}.yaml": f"# {name * 40}\n" for name in "abc"}
    error = fault(files)
    assert (error.where, "together" in error.what) == ("c.yaml", True)
    del files["c.yaml"]
    assert rendered(files) == ()


def test_a_cluster_that_does_not_answer_is_not_blamed_on_the_files() -> None:
    for error in (ClusterUnreachable("no answer"), ApiError(403, "Forbidden", "no")):

        def ask(group: str, kind: str, error: Exception = error) -> bool:
            raise error

        with pytest.raises(type(error)):
            render(artifact({"a.yaml": obj()}), is_namespaced=ask)


# -- laws ---------------------------------------------------------------------------------------

OBJECTS = st.lists(
    st.builds(
        obj,
        st.sampled_from(["a", "b", "c-1", "d.e"]),
        st.sampled_from(["ConfigMap", "Service", "Namespace"]),
        namespace=st.sampled_from([None, "x", "y"]),
        data=st.dictionaries(st.text("ab1", min_size=1), st.text("yes1.0~é\n"), max_size=2),
    ),
    max_size=7,
    unique_by=lambda o: (
        o["kind"],
        o["metadata"]["name"],
        o["kind"] != "Namespace" and (o["metadata"].get("namespace") or "default"),
    ),
)


@settings(max_examples=60, deadline=None)
@given(OBJECTS, st.data())
def test_it_makes_no_difference_how_objects_are_cut_into_files(
    objects: list[dict[str, Any]], data: st.DataObject
) -> None:
    together = [m.body for m in rendered({"all.yaml": _dump_all(objects)})]
    files: dict[str, list[dict[str, Any]]] = {}
    for one in data.draw(st.permutations(objects)):
        place = data.draw(st.sampled_from(["a.yaml", "z/b.yml", "z/a/c.yaml", "0.yaml"]))
        files.setdefault(place, []).append(one)
    apart = rendered({place: _dump_all(content) for place, content in files.items()})
    assert [m.body for m in apart] == together


@settings(max_examples=60, deadline=None)
@given(OBJECTS)
def test_what_was_rendered_renders_to_itself(objects: list[dict[str, Any]]) -> None:
    once = [m.body for m in rendered({"a.yaml": _dump_all(objects)})]
    assert [m.body for m in rendered({"b.yaml": _dump_all(once)}, namespace="other")] == once
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": once})
    assert [m.body for m in rendered({"b.yaml": listed})] == once


def _dump_all(objects: list[dict[str, Any]]) -> str:
    # Quoted, because PyYAML does not quote a `y` that kubectl takes for a boolean.
    return yaml.safe_dump_all(objects, default_style='"')


# -- applications as people write them ----------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "count"),
    [("podinfo/kustomize", 3), ("online-boutique/kubernetes-manifests", 33)],
)
def test_a_real_application_renders(folder: str, count: int) -> None:
    root = APPS / folder
    if not root.is_dir():
        pytest.skip("the example applications are not on this machine")
    files = {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
    found = render(artifact(files), is_namespaced=lambda group, kind: True)
    assert len(found) == count
    assert [m.key for m in found] == sorted(m.key for m in found)
