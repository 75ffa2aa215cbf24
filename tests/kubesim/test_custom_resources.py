"""Custom resources: what a definition has served, and what becomes of its objects."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_lab.errors import ApiError
from gitops_lab.model import Object, copied
from kubesim.admission import structural
from kubesim.admission.validation import custom
from kubesim.api import Api, Options
from kubesim.clock import EPOCH
from kubesim.controllers.definitions import Definitions
from kubesim.controllers.garbage import GarbageCollector
from kubesim.controllers.index import Indexes
from kubesim.controllers.loop import Controller, Loop
from kubesim.controllers.namespace import Namespaces
from tests.kubesim.world import World, config_map, namespace, refused

GROUP = "stable.example.com"
NAME = f"crontabs.{GROUP}"
CRON = r"^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$"
SPEC = {
    "type": "object",
    "required": ["cronSpec"],
    "properties": {
        "cronSpec": {"type": "string", "pattern": CRON},
        "replicas": {"type": "integer", "default": 1, "minimum": 1, "maximum": 10},
    },
}


class CustomWorld(World):
    """An API server with the one controller that custom resources need."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = Loop(self.api, [Definitions(self.api, Indexes(self.api.store))])

    def step(self) -> None:
        self.loop.step(self.now)

    def define(self, body: Object | None = None) -> Object:
        """Create a definition, and have it served."""
        body = crd() if body is None else body
        self.create(body)
        self.step()
        return self.get("CustomResourceDefinition", body["metadata"]["name"])


@pytest.fixture
def world() -> CustomWorld:
    return CustomWorld()


def version(
    spec: dict[str, Any] = SPEC, name: str = "v1", storage: bool = True, **more: Any
) -> Object:
    schema = {"type": "object", "properties": {"spec": spec, "status": {
        "type": "object", "properties": {"replicas": {"type": "integer"}}}}}  # fmt: skip
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        **more,
    }


def crd(*versions: Object, plural: str = "crontabs", kind: str = "CronTab", **names: Any) -> Object:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, **names},
            "versions": list(versions) or [version()],
        },
    }


def field(**schema: Any) -> Object:
    """A definition whose spec has one field, `x`."""
    return crd(version({"type": "object", "properties": {"x": schema}}))


def tab(api_version: str = "v1", name: str = "backup", **spec: Any) -> Object:
    return {
        "apiVersion": f"{GROUP}/{api_version}",
        "kind": "CronTab",
        "metadata": {"name": name},
        "spec": spec,
    }


NIGHTLY = tab(cronSpec="0 3 * * *")


def conditions(definition: Object) -> dict[str, tuple[str, str, str]]:
    return {
        each["type"]: (each["status"], each["reason"], each["message"])
        for each in definition["status"]["conditions"]
    }


# -- The definition -------------------------------------------------------------------------------


def test_a_new_definition_knows_its_storage_version_and_serves_nothing_yet(
    world: CustomWorld,
) -> None:
    made = world.create(crd())
    assert made["status"] == {
        "storedVersions": ["v1"],
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
    }
    with pytest.raises(ApiError) as error:
        world.resource("CronTab", f"{GROUP}/v1")
    assert error.value.code == 404


def test_a_definition_is_established_and_its_kind_served(world: CustomWorld) -> None:
    definition = world.define(crd(shortNames=["ct"], categories=["all"]))
    assert conditions(definition) == {
        "NamesAccepted": ("True", "NoConflicts", "no conflicts found"),
        "Established": ("True", "InitialNamesAccepted", "the initial names have been accepted"),
    }
    assert definition["status"]["acceptedNames"] == {
        "plural": "crontabs",
        "singular": "crontab",
        "kind": "CronTab",
        "listKind": "CronTabList",
        "shortNames": ["ct"],
        "categories": ["all"],
    }
    served = world.resource("CronTab", f"{GROUP}/v1")
    assert (served.plural, served.short_names, served.categories) == ("crontabs", ("ct",), ("all",))
    assert served.namespaced
    assert served.subresources == ("status",)


@pytest.mark.parametrize(
    ("names", "reason", "taken"),
    [
        ({"singular": "crontabs"}, "SingularConflict", "crontabs"),
        ({"shortNames": ["crontab"]}, "ShortNamesConflict", "crontab"),
        ({"kind": "CronTab", "listKind": "OtherList"}, "KindConflict", "CronTab"),
        ({"listKind": "CronTabList"}, "ListKindConflict", "CronTabList"),
    ],
)
def test_names_that_another_definition_has_are_not_accepted(
    world: CustomWorld, names: dict[str, Any], reason: str, taken: str
) -> None:
    world.define()
    definition = world.define(crd(plural="jobs", **{"kind": "Other", **names}))
    assert conditions(definition) == {
        "NamesAccepted": ("False", reason, f'"{taken}" is already in use'),
        "Established": ("False", "NotAccepted", "not all names are accepted"),
    }
    assert not [
        each for each in world.api.registry.all() if each.plural == "jobs" and each.is_custom
    ]


def test_names_are_accepted_once_the_other_definition_is_gone(world: CustomWorld) -> None:
    world.define()
    world.define(crd(plural="jobs", kind="CronTab"))
    world.delete("CustomResourceDefinition", NAME)
    world.step()
    other = world.get("CustomResourceDefinition", f"jobs.{GROUP}")
    assert conditions(other)["NamesAccepted"][0] == "True"
    assert world.resource("CronTab", f"{GROUP}/v1").plural == "jobs"


def test_a_definition_that_changes_changes_what_is_served(world: CustomWorld) -> None:
    definition = world.define(field(type="string"))
    assert world.create(tab(x="1"))["spec"] == {"x": "1"}
    changed = field(type="string", maxLength=1)
    changed["metadata"]["resourceVersion"] = definition["metadata"]["resourceVersion"]
    world.update(changed)
    with pytest.raises(ApiError) as error:
        world.create(tab(name="long", x="12"))
    assert error.value.code == 422


def test_what_is_served_stays_the_same_while_its_definition_does(world: CustomWorld) -> None:
    world.define()
    before = world.resource("CronTab").schema
    world.patch("CustomResourceDefinition", NAME, {"metadata": {"labels": {"a": "b"}}})
    world.step()
    assert world.resource("CronTab").schema is before


def test_instances_go_before_their_definition(world: CustomWorld) -> None:
    world.define()
    world.create({**NIGHTLY, "metadata": {"name": "kept", "finalizers": ["example.com/wait"]}})
    world.create(NIGHTLY)
    world.delete("CustomResourceDefinition", NAME)
    world.step()
    leaving = world.get("CustomResourceDefinition", NAME)
    assert leaving["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    assert conditions(leaving)["Terminating"] == (
        "True",
        "InstanceDeletionInProgress",
        "CustomResource deletion is in progress",
    )
    assert world.names("CronTab") == ["kept"]
    with pytest.raises(ApiError) as error:
        world.create(tab(name="late", cronSpec="0 3 * * *"))
    assert error.value.code == 405
    world.patch("CronTab", "kept", {"metadata": {"finalizers": None}})
    world.step()
    assert not world.has("CustomResourceDefinition", NAME)
    with pytest.raises(ApiError) as error:
        world.resource("CronTab", f"{GROUP}/v1")
    assert error.value.code == 404


def test_an_api_server_that_restarts_serves_what_is_established() -> None:
    world = CustomWorld()
    world.define()
    later = Api(now=lambda: EPOCH, rng=Random(1), store=world.api.store)
    Definitions(later, Indexes(later.store))
    assert later.registry.by_kind(f"{GROUP}/v1", "CronTab").plural == "crontabs"


# -- Decoding and defaults ------------------------------------------------------------------------


def test_unknown_fields_are_refused_told_or_dropped_as_asked(world: CustomWorld) -> None:
    world.define()
    body = tab(cronSpec="0 3 * * *", colour="red")
    with pytest.raises(ApiError) as error:
        world.create(body, field_validation="Strict")
    assert refused(error) == (
        400,
        "BadRequest",
        'CronTab in version "v1" cannot be handled as a CronTab: strict decoding error: '
        'unknown field "spec.colour"',
    )
    told: list[str] = []
    world.api.warn = told.append
    assert "colour" not in world.create(body, field_validation="Warn")["spec"]
    assert told == ['unknown field "spec.colour"']


def test_fields_are_kept_where_the_schema_preserves_unknown_ones(world: CustomWorld) -> None:
    keeps = {"x-kubernetes-preserve-unknown-fields": True}
    inner = {"type": "object", "properties": {"b": {"type": "string"}}}
    world.define(field(type="object", properties={"a": inner}, **keeps))
    body = tab(x={"a": {"b": "1", "c": "2"}, "d": {"e": [1]}})
    assert world.create(body, field_validation="Ignore")["spec"]["x"] == {
        "a": {"b": "1"},
        "d": {"e": [1]},
    }


def test_an_embedded_resource_has_a_header_of_its_own(world: CustomWorld) -> None:
    spec = {"type": "object"}
    world.define(
        field(type="object", properties={"s": spec}, **{"x-kubernetes-embedded-resource": True})
    )
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}
    made = world.create(tab(x={**pod, "spec": {}}), field_validation="Ignore")
    assert made["spec"]["x"] == pod
    with pytest.raises(ApiError, match=r"spec.x.kind: Required value$"):
        world.create(tab(name="b", x={"apiVersion": "v1"}))
    with pytest.raises(ApiError, match=r"spec.x.kind: Required value: must not be empty"):
        world.create(tab(name="b", x={"apiVersion": "v1", "kind": ""}))


DEFAULTS: dict[str, tuple[Object, Any, Any]] = {
    "an absent field": ({"type": "integer", "default": 3}, {}, {"x": 3}),
    "a given field": ({"type": "integer", "default": 3}, {"x": 4}, {"x": 4}),
    "a null": ({"type": "integer", "default": 3}, {"x": None}, {"x": 3}),
    "a null without a default": ({"type": "integer"}, {"x": None}, {}),
    "a null that is allowed": ({"type": "integer", "nullable": True}, {"x": None}, {"x": None}),
    "fields of an absent struct": (
        {"type": "object", "properties": {"y": {"type": "string", "default": "z"}}}, {}, {},
    ),
    "fields of a default": (
        {"type": "object", "default": {}, "properties": {"y": {"type": "string", "default": "z"}}},
        {},
        {"x": {"y": "z"}},
    ),
    "fields of items": (
        {"type": "array", "items": {"type": "object", "properties": {
            "y": {"type": "string", "default": "z"}}}},
        {"x": [{}, {"y": "a"}]},
        {"x": [{"y": "z"}, {"y": "a"}]},
    ),
    "fields of a map's values": (
        {"type": "object", "additionalProperties": {"type": "object", "properties": {
            "y": {"type": "string", "default": "z"}}}},
        {"x": {"k": {}}},
        {"x": {"k": {"y": "z"}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DEFAULTS)
def test_defaults_fill_in_what_is_missing(world: CustomWorld, case: str) -> None:
    schema, given, stored = DEFAULTS[case]
    world.define(field(**schema))
    assert world.create(tab(**given))["spec"] == stored


# -- Validation -----------------------------------------------------------------------------------

INVALID: list[tuple[Object, Any, str]] = [
    (
        {"type": "integer"},
        "a",
        'spec.x: Invalid value: "string": spec.x in body must be of type integer: "string"',
    ),
    (
        {"type": "string"},
        1,
        'spec.x: Invalid value: "integer": spec.x in body must be of type string: "integer"',
    ),
    (
        {"x-kubernetes-int-or-string": True},
        True,
        'spec.x: Invalid value: "boolean": spec.x in body must be of type integer,string: '
        '"boolean"',
    ),
    (
        {"type": "array", "items": {"type": "string"}},
        ["a", None],
        'spec.x[1]: Invalid value: "null": spec.x[1] in body must be of type string: "null"',
    ),
    (
        {"type": "string", "enum": ["a", "b"]},
        "c",
        'spec.x: Unsupported value: "c": supported values: "a", "b"',
    ),
    ({"type": "string", "maxLength": 2}, "abc", "spec.x: Too long: may not be more than 2 bytes"),
    (
        {"type": "string", "minLength": 2},
        "a",
        'spec.x: Invalid value: "a": spec.x in body should be at least 2 chars long',
    ),
    (
        {"type": "string", "pattern": "^[[:alpha:]]+$"},
        "a1",
        "spec.x: Invalid value: \"a1\": spec.x in body should match '^[[:alpha:]]+$'",
    ),
    (
        {"type": "string", "format": "date-time"},
        "today",
        'spec.x: Invalid value: "today": spec.x in body must be of type date-time: "today"',
    ),
    (
        {"type": "integer", "maximum": 10},
        11,
        "spec.x: Invalid value: 11: spec.x in body should be less than or equal to 10",
    ),
    (
        {"type": "number", "minimum": 0, "exclusiveMinimum": True},
        0,
        "spec.x: Invalid value: 0: spec.x in body should be greater than 0",
    ),
    (
        {"type": "integer", "multipleOf": 5},
        7,
        "spec.x: Invalid value: 7: spec.x in body should be a multiple of 5",
    ),
    (
        {"type": "array", "maxItems": 1, "items": {"type": "integer"}},
        [1, 2],
        "spec.x: Too many: 2: must have at most 1 items",
    ),
    (
        {"type": "array", "minItems": 1, "items": {"type": "integer"}},
        [],
        "spec.x: Invalid value: []: spec.x in body should have at least 1 items",
    ),
    (
        {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
        {},
        "spec.x: Invalid value: {}: spec.x in body should have at least 1 properties",
    ),
    (
        {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        ["a", "a"],
        'spec.x[1]: Duplicate value: "a"',
    ),
    (
        {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "port": {"type": "integer"}},
            },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        [{"name": "a", "port": 1}, {"name": "a"}],
        'spec.x[1]: Duplicate value: {"name":"a"}',
    ),
    (
        {"type": "object", "required": ["y"], "properties": {"y": {"type": "string"}}},
        {},
        "spec.x.y: Required value",
    ),
    (
        {"type": "integer", "allOf": [{"minimum": 5}]},
        3,
        '[<nil>: Invalid value: "": "spec.x" must validate all the schemas (allOf), '
        "spec.x: Invalid value: 3: spec.x in body should be greater than or equal to 5]",
    ),
    (
        {"type": "integer", "anyOf": [{"minimum": 5}, {"maximum": 1}]},
        3,
        '[<nil>: Invalid value: "": "spec.x" must validate at least one schema (anyOf), '
        "spec.x: Invalid value: 3: spec.x in body should be greater than or equal to 5]",
    ),
    (
        {"type": "integer", "format": "int32"},
        2**31,
        '<nil>: Invalid value: "": Checked value must be of type integer with format int32 in '
        "spec.x",
    ),
    (
        {"type": "integer", "oneOf": [{"minimum": 5}, {"maximum": 1}]},
        3,
        '[<nil>: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). '
        "Found none valid, spec.x: Invalid value: 3: spec.x in body should be greater than or "
        "equal to 5]",
    ),
    (
        {"type": "integer", "not": {"minimum": 5}},
        6,
        '<nil>: Invalid value: "": "spec.x" must not validate the schema (not)',
    ),
]


@pytest.mark.parametrize(("schema", "value", "said"), INVALID)
def test_a_value_that_its_schema_forbids_is_refused_in_the_servers_words(
    world: CustomWorld, schema: Object, value: Any, said: str
) -> None:
    world.define(field(**schema))
    with pytest.raises(ApiError) as error:
        world.create(tab(x=value))
    assert refused(error) == (
        422,
        "Invalid",
        f'CronTab.{GROUP} "backup" is invalid: {said}',
    )


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("byte", "YQ==", "a"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("date", "2026-01-31", "2026-01-32"),
        ("date-time", "2026-01-31T10:00:00+01:00", "2026-01-31T10:00:00"),
        ("duration", "1h30m", "soon"),
        ("email", "a@example.com", "example.com"),
        ("hostname", "web.example.com", "-web"),
        ("ipv4", "10.0.0.1", "::1"),
        ("ipv6", "::1", "10.0.0.1"),
        ("mac", "00:1a:2b:3c:4d:5e", "00:1a"),
        ("uri", "https://example.com", "example com"),
        ("uuid", "0fa3b1d4-2b7a-4c8e-9d63-5e3c6f6c1a11", "0fa3b1d4"),
        ("no-such-format", "anything", None),
    ],
)
def test_texts_are_held_to_their_format(
    world: CustomWorld, name: str, good: str, bad: str | None
) -> None:
    world.define(field(type="string", format=name))
    assert world.create(tab(x=good))["spec"]["x"] == good
    if bad is not None:
        with pytest.raises(ApiError, match=f"must be of type {name}"):
            world.create(tab(name="bad", x=bad))


def test_an_object_that_became_invalid_can_still_be_written_elsewhere(world: CustomWorld) -> None:
    properties: dict[str, Any] = {"x": {"type": "string"}, "y": {"type": "string"}}
    definition = world.define(crd(version({"type": "object", "properties": properties})))
    world.create(tab(x="long", y="a"))
    stricter = {"type": "object", "properties": {**properties, "x": {**properties["x"],
                                                                     "maxLength": 2}}}  # fmt: skip
    changed = crd(version(stricter))
    changed["metadata"]["resourceVersion"] = definition["metadata"]["resourceVersion"]
    world.update(changed)
    world.step()
    assert world.patch("CronTab", "backup", {"spec": {"y": "b"}})["spec"]["y"] == "b"
    with pytest.raises(ApiError, match="Too long"):
        world.patch("CronTab", "backup", {"spec": {"x": "longer"}})


# -- Writing --------------------------------------------------------------------------------------


def test_generation_moves_with_the_spec_and_status_is_written_apart(world: CustomWorld) -> None:
    world.define()
    made = world.create({**NIGHTLY, "status": {"replicas": 9}})
    assert made["metadata"]["generation"] == 1
    assert "status" not in made
    told = world.patch("CronTab", "backup", {"status": {"replicas": 2}, "spec": {"replicas": 7}},
                       subresource="status")  # fmt: skip
    assert (told["status"], told["spec"]["replicas"]) == ({"replicas": 2}, 1)
    assert told["metadata"]["generation"] == 1
    assert (
        world.patch("CronTab", "backup", {"spec": {"replicas": 3}})["metadata"]["generation"] == 2
    )


def test_without_a_status_subresource_status_is_a_field_like_others(world: CustomWorld) -> None:
    world.define(crd({**version(), "subresources": {}}))
    made = world.create({**NIGHTLY, "status": {"replicas": 9}})
    assert made["status"] == {"replicas": 9}
    changed = world.patch("CronTab", "backup", {"status": {"replicas": 2}})
    assert changed["metadata"]["generation"] == 2
    labelled = world.patch("CronTab", "backup", {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 2
    with pytest.raises(ApiError) as error:
        world.patch("CronTab", "backup", {"status": {}}, subresource="status")
    assert error.value.code == 404


SCALE = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}


def test_a_scale_comes_from_where_the_definition_says(world: CustomWorld) -> None:
    below = {"status": {}, "scale": SCALE}
    world.define(crd(version(subresources=below)))
    world.create(NIGHTLY)
    world.patch("CronTab", "backup", {"status": {"replicas": 4}}, subresource="status")
    scaled = world.patch("CronTab", "backup", {"spec": {"replicas": 5}}, subresource="scale")
    assert (scaled["spec"], scaled["status"]) == (
        {"replicas": 5},
        {"replicas": 4},
    )
    assert world.get("CronTab", "backup")["spec"]["replicas"] == 5
    with pytest.raises(ApiError, match="should be less than or equal to 10"):
        world.patch("CronTab", "backup", {"spec": {"replicas": 50}}, subresource="scale")


def test_a_patch_gives_a_number_of_replicas_to_a_workload_that_has_none(
    world: CustomWorld,
) -> None:
    spec = {"type": "object", "properties": {"replicas": {"type": "integer"}}}
    world.define(crd(version(spec, subresources={"scale": SCALE})))
    world.create(tab())
    with pytest.raises(ApiError, match=r'field ".spec.replicas" does not exist') as missing:
        resource = world.api.registry.preferred(GROUP, "CronTab")
        world.api.get(resource, "backup", namespace="default", subresource="scale")
    assert missing.value.code == 500
    with pytest.raises(ApiError, match=r'field ".spec.replicas" cannot be empty') as empty:
        world.patch("CronTab", "backup", {"spec": {}}, subresource="scale")
    assert empty.value.code == 400
    scaled = world.patch("CronTab", "backup", {"spec": {"replicas": 5}}, subresource="scale")
    assert scaled["spec"] == {"replicas": 5}


def test_an_update_must_say_which_revision_it_replaces(world: CustomWorld) -> None:
    world.define()
    world.create(NIGHTLY)
    with pytest.raises(ApiError, match="must be specified for an update"):
        world.update(NIGHTLY)


def test_a_strategic_merge_patch_is_not_for_custom_resources(world: CustomWorld) -> None:
    world.define()
    world.create(NIGHTLY)
    with pytest.raises(ApiError) as error:
        world.patch("CronTab", "backup", {"spec": {}}, type="strategic")
    assert (error.value.code, error.value.reason) == (415, "UnsupportedMediaType")


def test_managers_share_a_list_whose_items_have_keys(world: CustomWorld) -> None:
    item = {
        "type": "object",
        "required": ["port"],
        "properties": {
            "port": {"type": "integer"},
            "protocol": {"type": "string", "default": "UDP"},
            "note": {"type": "string"},
        },
    }
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"]}
    world.define(field(type="array", items=item, **keyed))
    world.apply(tab(x=[{"port": 1, "note": "a"}]), field_manager="one")
    both = world.apply(tab(x=[{"port": 2}]), field_manager="two")
    assert [each["port"] for each in both["spec"]["x"]] == [1, 2]
    same = world.apply(tab(x=[{"port": 1, "protocol": "UDP", "note": "a"}]), field_manager="one")
    assert [each["port"] for each in same["spec"]["x"]] == [1, 2]
    with pytest.raises(ApiError, match='conflict with "one"'):
        world.apply(tab(x=[{"port": 1, "note": "b"}]), field_manager="two")


def test_a_list_without_a_type_is_replaced_as_a_whole(world: CustomWorld) -> None:
    world.define(field(type="array", items={"type": "integer"}))
    world.apply(tab(x=[1]), field_manager="one")
    replaced = world.apply(tab(x=[2]), field_manager="two", force=True)
    assert replaced["spec"]["x"] == [2]


# -- Several versions -----------------------------------------------------------------------------


def two_versions(storage: str = "v1") -> Object:
    only_new: dict[str, Any] = {**SPEC["properties"], "zone": {"type": "string"}}  # type: ignore[dict-item]
    return crd(
        version(storage=storage == "v1"),
        version({**SPEC, "properties": only_new}, "v2", storage == "v2"),
    )


def test_an_object_is_served_in_every_version(world: CustomWorld) -> None:
    world.define(two_versions())
    assert world.create(tab("v2", cronSpec="0 3 * * *"))["apiVersion"] == f"{GROUP}/v2"
    stored = world.api.store.get((GROUP, "crontabs", "default", "backup"))
    assert stored is not None and stored["apiVersion"] == f"{GROUP}/v1"
    for name in ("v1", "v2"):
        resource = world.resource("CronTab", f"{GROUP}/{name}")
        assert world.api.get(resource, "backup", namespace="default")["apiVersion"].endswith(name)
        listed = world.api.list(resource)["items"]
        assert [each["apiVersion"] for each in listed] == [f"{GROUP}/{name}"]


def test_what_the_storage_version_has_no_field_for_is_lost(world: CustomWorld) -> None:
    world.define(two_versions())
    assert "zone" not in world.create(tab("v2", cronSpec="0 3 * * *", zone="a"))["spec"]


def test_objects_outlive_a_change_of_the_storage_version(world: CustomWorld) -> None:
    definition = world.define(two_versions())
    world.create(NIGHTLY)
    changed = two_versions("v2")
    changed["metadata"]["resourceVersion"] = definition["metadata"]["resourceVersion"]
    assert world.update(changed)["status"]["storedVersions"] == ["v1", "v2"]
    world.step()
    v2 = world.resource("CronTab", f"{GROUP}/v2")
    assert world.api.get(v2, "backup", namespace="default")["apiVersion"] == f"{GROUP}/v2"
    options = Options(field_manager="test")
    patch = {"spec": {"zone": "a"}}
    world.api.patch(v2, "backup", patch, type="merge", namespace="default", options=options)
    stored = world.api.store.get((GROUP, "crontabs", "default", "backup"))
    assert stored is not None
    assert (stored["apiVersion"], stored["spec"]["zone"]) == (f"{GROUP}/v2", "a")


def test_objects_are_reached_through_a_version_while_their_storage_version_is_not_served(
    world: CustomWorld,
) -> None:
    definition = two_versions()
    definition["spec"]["versions"][0]["served"] = False
    definition = world.define(definition)
    assert [each["name"] for each in definition["spec"]["versions"]] == ["v1", "v2"]
    made = world.create(tab("v2", cronSpec="0 3 * * *"))
    assert made["apiVersion"] == f"{GROUP}/v2"
    world.delete("CustomResourceDefinition", NAME)
    world.step()
    assert not world.has("CustomResourceDefinition", NAME)


def test_a_cluster_scoped_kind_has_no_namespace(world: CustomWorld) -> None:
    definition = crd()
    definition["spec"]["scope"] = "Cluster"
    world.define(definition)
    assert "namespace" not in world.create(NIGHTLY)["metadata"]


def test_a_conversion_webhook_that_is_not_called_is_told_of(world: CustomWorld) -> None:
    told: list[str] = []
    world.api.warn = told.append
    body = two_versions()
    service = {"namespace": "default", "name": "convert"}
    webhook = {"conversionReviewVersions": ["v1"], "clientConfig": {"service": service}}
    body["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}
    world.create(body)
    assert told == [
        f"{NAME}: the conversion webhook is not called here; only the apiVersion is converted"
    ]


# -- Schemas that are not structural --------------------------------------------------------------

BELOW = "spec.validation.openAPIV3Schema.properties[spec].properties[x]"

NOT_STRUCTURAL: list[tuple[Object, list[str]]] = [
    ({}, [f"{BELOW}.type: Required value: must not be empty for specified object fields"]),
    (
        {"type": "text"},
        [
            f'{BELOW}.type: Unsupported value: "text": supported values: "array", "boolean", '
            '"integer", "number", "object", "string"'
        ],
    ),
    ({"type": "array"}, [f"{BELOW}.items: Required value: must be specified"]),
    (
        {"type": "array", "items": {}},
        [f"{BELOW}.items.type: Required value: must not be empty for specified array items"],
    ),
    (
        {
            "type": "object",
            "properties": {"y": {"type": "string"}},
            "additionalProperties": {"type": "string"},
        },
        [
            f"{BELOW}.additionalProperties: Forbidden: additionalProperties and properties are "
            "mutual exclusive"
        ],
    ),
    (
        {"type": "string", "pattern": "("},
        [
            f'{BELOW}.pattern: Invalid value: "(": must be a valid regular expression, but '
            "isn't: error parsing regexp: missing closing ): `(`"
        ],
    ),
    (
        {"type": "array", "items": [{"type": "string"}]},
        [f"{BELOW}.items: Forbidden: items must be a schema object and not an array"],
    ),
    (
        {"type": "array", "items": {"type": "string", "pattern": 3}},
        [
            f"{BELOW}.items: json: cannot unmarshal number into Go struct field "
            "JSONSchemaProps.pattern of type string"
        ],
    ),
    (
        {"type": "integer", "default": "one"},
        [f'{BELOW}.default: Invalid value: "string":  in body must be of type integer: "string"'],
    ),
    (
        {
            "type": "object",
            "properties": {"y": {"type": "string"}},
            "anyOf": [{"properties": {"y": {"type": "string"}, "z": {"minLength": 1}}}],
        },
        [
            f"{BELOW}.anyOf[0].properties[y].type: Forbidden: must be empty to be structural",
            f"{BELOW}.properties[z]: Required value: because it is defined in "
            f"{BELOW}.anyOf[0].properties[z]",
        ],
    ),
    (
        {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["y", "z"],
            "items": {"type": "object", "properties": {"y": {"type": "string"}}},
        },
        [
            f"{BELOW}.items.properties[y].default: Required value: this property is in "
            "x-kubernetes-list-map-keys, so it must have a default or be a required property",
            f'{BELOW}.x-kubernetes-list-map-keys[1]: Invalid value: "z": entries must all be '
            "names of item properties",
        ],
    ),
]


@pytest.mark.parametrize(("schema", "said"), NOT_STRUCTURAL)
def test_a_schema_that_is_not_structural_is_refused(
    world: CustomWorld, schema: Object, said: list[str]
) -> None:
    with pytest.raises(ApiError) as error:
        world.create(field(**schema))
    assert error.value.code == 422
    assert [f"{each['field']}: {each['message']}" for each in error.value.causes] == said


@pytest.mark.parametrize(
    "schema",
    [
        {"x-kubernetes-preserve-unknown-fields": True},
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": "^[0-9]+%?$",
        },
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "additionalProperties": True},
        {
            "type": "object",
            "properties": {"y": {"type": "string"}, "z": {"type": "string"}},
            "oneOf": [{"required": ["y"]}, {"required": ["z"], "properties": {"z": {"not": {}}}}],
        },
    ],
)
def test_a_structural_schema_is_accepted(world: CustomWorld, schema: Object) -> None:
    world.define(field(**schema))
    assert world.resource("CronTab", f"{GROUP}/v1").is_custom


def test_a_version_that_was_stored_in_cannot_be_taken_away(world: CustomWorld) -> None:
    definition = world.define(two_versions())
    changed = crd(version(name="v2"))
    changed["metadata"]["resourceVersion"] = definition["metadata"]["resourceVersion"]
    with pytest.raises(ApiError, match=r"missing from spec\.versions; v1 was previously a storage"):
        world.update(changed)


def test_a_scale_comes_from_spec_and_status(world: CustomWorld) -> None:
    below = {"scale": {"specReplicasPath": ".status.n", "statusReplicasPath": ".status.n"}}
    with pytest.raises(ApiError, match=r"should be a json path under \.spec"):
        world.create(crd(version(subresources=below)))


def test_groups_of_the_community_need_its_approval(world: CustomWorld) -> None:
    body = crd()
    body["spec"]["group"] = "gateway.networking.k8s.io"
    body["metadata"]["name"] = "crontabs.gateway.networking.k8s.io"
    with pytest.raises(ApiError, match="protected groups must have approval annotation"):
        world.create(body)
    body["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, testing"}
    world.create(body)


# -- Among the other controllers ------------------------------------------------------------------


def test_custom_resources_go_with_their_namespace_and_their_owner(world: CustomWorld) -> None:
    indexes = Indexes(world.api.store)
    others: list[Controller] = [
        GarbageCollector(world.api, indexes),
        Namespaces(world.api, indexes),
    ]
    loop = Loop(world.api, others)
    world.define()
    world.create(namespace("shop"))
    resource = world.resource("CronTab")
    world.api.create(resource, NIGHTLY, namespace="shop")
    owner = world.create(config_map())
    owned = tab(name="owned", cronSpec="0 3 * * *")
    owned["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "settings",
         "uid": owner["metadata"]["uid"]}
    ]  # fmt: skip
    world.create(owned)
    world.delete("Namespace", "shop")
    world.delete("ConfigMap", "settings")
    loop.step(world.now)
    assert world.names("CronTab") == []
    assert not world.has("Namespace", "shop")


def test_a_schema_may_restrict_names_and_nothing_else_of_the_metadata(world: CustomWorld) -> None:
    body = crd()
    properties = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    name = {"type": "string", "maxLength": 6}
    properties["metadata"] = {"type": "object", "properties": {"name": name}}
    world.define(body)
    made = tab(cronSpec="0 3 * * *")
    made["metadata"]["labels"] = {"app": "web"}
    assert world.create(made)["metadata"]["labels"] == {"app": "web"}
    with pytest.raises(ApiError, match=r"is invalid: metadata\.name: Too long") as error:
        world.create(tab(name="too-long", cronSpec="0 3 * * *"))
    assert len(error.value.causes) == 1
    other = copied(body)
    schema = other["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["metadata"]["properties"]["labels"] = {"type": "object"}
    with pytest.raises(ApiError, match="must not specify anything other than name"):
        world.patch("CustomResourceDefinition", NAME, {"spec": other["spec"]})


# -- Laws -----------------------------------------------------------------------------------------

SHAPE = structural.node(
    {
        "type": "object",
        "properties": {
            "a": {"type": "string", "default": "z"},
            "b": {"type": "array", "items": {"type": "object", "properties": {
                "c": {"type": "integer", "default": 1}, "d": {"type": "string"}}}},
            "e": {"type": "object", "additionalProperties": {"type": "object", "properties": {
                "c": {"type": "integer", "nullable": True, "default": 2}}}},
        },
    }
)  # fmt: skip

values = st.recursive(
    st.none() | st.integers(0, 2) | st.sampled_from("xyz"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcdef"), inner, max_size=4)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from("abcdef"), values, max_size=4)


@settings(max_examples=150, deadline=None)
@given(objects)
def test_what_was_decoded_and_defaulted_once_stays_as_it_is(obj: Object) -> None:
    before = copied(obj)
    once = structural.defaulted(structural.decoded(obj, SHAPE)[0], SHAPE)
    assert obj == before
    again, findings = structural.decoded(once, SHAPE)
    assert again is once and not findings
    assert structural.defaulted(again, SHAPE) is once


@settings(max_examples=150, deadline=None)
@given(objects)
def test_an_object_that_did_not_change_is_never_refused(obj: Object) -> None:
    assert not list(custom.custom_object(obj, copied(obj), SHAPE))
