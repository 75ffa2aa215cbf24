"""CustomResourceDefinitions, and the objects of the kinds that they make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gitops_lab.errors import ApiError
from gitops_lab.model import Object, named
from tests.conformance.conftest import Subject
from tests.conformance.requests import names, refused

DEFINITIONS = "apiextensions.k8s.io/v1/customresourcedefinitions"
SPEC: Any = {
    "type": "object",
    "required": ["title"],
    "properties": {
        "title": {"type": "string", "maxLength": 20, "pattern": "^[A-Z]"},
        "pages": {"type": "integer", "default": 1, "minimum": 1},
        "size": {"type": "string", "enum": ["small", "large"]},
        "tags": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "color": {"type": "string"}},
            },
        },
        "extra": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}


class Books:
    """Books, a kind of this test only."""

    def __init__(self, subject: Subject) -> None:
        self.requests = subject.requests
        self.group = f"{subject.namespace}.example.com"
        self.name, self.place = f"books.{self.group}", f"{self.group}/v1/books"

    def definition(self, spec: Any = SPEC, **names: Any) -> Object:
        status = {"type": "object", "properties": {"read": {"type": "boolean"}}}
        schema = {"type": "object", "properties": {"spec": spec, "status": status}}
        version = {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": schema},
            "subresources": {
                "status": {},
                "scale": {
                    "specReplicasPath": ".spec.pages", "statusReplicasPath": ".status.pages",
                },
            },
        }  # fmt: skip
        body = named("apiextensions.k8s.io/v1", "CustomResourceDefinition", self.name)
        more = {"plural": "books", "kind": "Book", **names}
        return {
            **body,
            "spec": {
                "group": self.group, "scope": "Namespaced", "names": more, "versions": [version],
            },
        }  # fmt: skip

    def book(self, name: str = "a", **spec: Any) -> Object:
        return named(f"{self.group}/v1", "Book", name, spec={"title": "Emma", **spec})

    def create(self, name: str = "a", **spec: Any) -> Object:
        return self.requests.create(self.place, self.book(name, **spec))


@pytest.fixture
def undefined(subject: Subject) -> Books:
    return Books(subject)


@pytest.fixture
def books(subject: Subject, undefined: Books) -> Iterator[Books]:
    """Books whose definition is established."""
    subject.requests.create(DEFINITIONS, undefined.definition())
    subject.until(lambda: served(undefined), "books are served")
    yield undefined
    try:
        subject.requests.delete(DEFINITIONS, undefined.name)
    except ApiError as error:
        assert error.code == 404


def conditions(books: Books) -> dict[str, str]:
    status = books.requests.read(DEFINITIONS, books.name).get("status", {})
    return {each["type"]: each["status"] for each in status.get("conditions") or ()}


def served(books: Books) -> bool:
    try:
        books.requests.list(books.place)
    except ApiError as error:
        assert error.code == 404
        return False
    return conditions(books).get("Established") == "True"


def test_a_definition_is_accepted_and_established(books: Books) -> None:
    found = conditions(books)
    assert (found["NamesAccepted"], found["Established"]) == ("True", "True")
    status = books.requests.read(DEFINITIONS, books.name)["status"]
    assert status["storedVersions"] == ["v1"]
    assert status["acceptedNames"] == {
        "plural": "books", "singular": "book", "kind": "Book", "listKind": "BookList",
    }  # fmt: skip


def test_a_definition_bears_its_plural_and_its_group(undefined: Books) -> None:
    body = undefined.definition(plural="tomes")
    why = 'must be spec.names.plural+"."+spec.group'
    with refused(422, "Invalid", why, field="metadata.name"):
        undefined.requests.create(DEFINITIONS, body)


def test_a_schema_is_structural(undefined: Books) -> None:
    spec = {"type": "object", "properties": {"a": {"description": "of no type"}}}
    field = "spec.validation.openAPIV3Schema.properties[spec].properties[a].type"
    with refused(422, "Invalid", "must not be empty for specified object fields", field=field):
        undefined.requests.create(DEFINITIONS, undefined.definition(spec))


def test_one_version_is_stored(undefined: Books) -> None:
    body = undefined.definition()
    body["spec"]["versions"][0]["storage"] = False
    why = "must have exactly one version marked as storage version"
    with refused(422, "Invalid", why, field="spec.versions"):
        undefined.requests.create(DEFINITIONS, body)


def test_an_object_gets_its_defaults(books: Books) -> None:
    made = books.create()
    assert made["spec"] == {"title": "Emma", "pages": 1}
    assert made["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("spec", "field", "why"),
    [
        ({"title": None}, "spec.title", "Required value"),
        ({"title": "E" * 21}, "spec.title", "Too long: may not be more than 20"),
        ({"title": "emma"}, "spec.title", "should match '^[A-Z]'"),
        ({"pages": 0}, "spec.pages", "should be greater than or equal to 1"),
        ({"pages": "many"}, "spec.pages", 'must be of type integer: "string"'),
        ({"size": "huge"}, "spec.size",
         'Unsupported value: "huge": supported values: "small", "large"'),
        ({"tags": [{"color": "red"}]}, "spec.tags[0].name", "Required value"),
        ({"tags": [{"name": "a"}, {"name": "a"}]}, "spec.tags[1]", "Duplicate value"),
    ],
)  # fmt: skip
def test_an_object_keeps_to_its_schema(
    books: Books, spec: dict[str, Any], field: str, why: str
) -> None:
    body = books.book(**spec)
    body["spec"] = {key: value for key, value in body["spec"].items() if value is not None}
    with refused(422, "Invalid", "Book.", '"a" is invalid', why, field=field):
        books.requests.create(books.place, body)


def test_unknown_fields_are_refused_or_kept_where_the_schema_says_so(books: Books) -> None:
    with refused(400, "BadRequest", 'strict decoding error: unknown field "spec.colour"'):
        books.create(colour="red")
    made = books.create(extra={"anything": {"goes": [1, 2]}})
    assert made["spec"]["extra"] == {"anything": {"goes": [1, 2]}}


def test_status_is_apart(books: Books) -> None:
    made = books.requests.create(books.place, {**books.book(), "status": {"read": True}})
    assert "status" not in made
    both = {"spec": {"pages": 9}, "status": {"read": True}}
    live = books.requests.patch(books.place, "a", both, sub="status")
    assert (live["spec"]["pages"], live["status"]) == (1, {"read": True})
    assert live["metadata"]["generation"] == 1
    live = books.requests.patch(books.place, "a", {"spec": {"pages": 9}})
    assert live["metadata"]["generation"] == 2


def test_scale_is_where_the_definition_says(books: Books) -> None:
    books.create(pages=3)
    scale = books.requests.read(books.place, "a", sub="scale")
    assert (scale["kind"], scale["spec"]) == ("Scale", {"replicas": 3})
    books.requests.patch(books.place, "a", {"spec": {"replicas": 4}}, sub="scale")
    assert books.requests.read(books.place, "a")["spec"]["pages"] == 4


def test_an_update_names_the_state_that_it_replaces(books: Books) -> None:
    books.create()
    why = "must be specified for an update"
    with refused(422, "Invalid", why, field="metadata.resourceVersion"):
        books.requests.update(books.place, "a", books.book(pages=2))


def test_a_strategic_merge_patch_is_not_understood(books: Books) -> None:
    books.create()
    with refused(415, "UnsupportedMediaType", "in an unknown format - accepted media types"):
        books.requests.patch(books.place, "a", {"spec": {"pages": 2}}, type="strategic")


def test_apply_merges_lists_by_the_keys_of_the_schema(books: Books) -> None:
    for manager, tag in (("one", "red"), ("two", "blue")):
        live = books.requests.patch(
            books.place, "a", books.book(tags=[{"name": tag}]), type="apply", manager=manager
        )
    assert [tag["name"] for tag in live["spec"]["tags"]] == ["red", "blue"]
    live = books.requests.patch(books.place, "a", books.book(), type="apply", manager="one")
    assert [tag["name"] for tag in live["spec"]["tags"]] == ["blue"]


def test_a_watch_tells_of_objects_too(books: Books) -> None:
    since = books.requests.list(books.place)["metadata"]["resourceVersion"]
    books.create()
    books.requests.delete(books.place, "a")
    events = books.requests.events(books.place, since=since)
    assert [each["type"] for each in events] == ["ADDED", "DELETED"]


def test_objects_are_selected_by_labels_but_not_by_their_fields(books: Books) -> None:
    body = books.book("b")
    body["metadata"]["labels"] = {"shelf": "x"}
    books.create()
    books.requests.create(books.place, body)
    assert names(books.requests.list(books.place, labels="shelf=x")) == ["b"]
    assert names(books.requests.list(books.place, fields="metadata.name=a")) == ["a"]
    with refused(400, "BadRequest", "spec.pages"):
        books.requests.list(books.place, fields="spec.pages=1")


def test_a_stricter_schema_does_not_lock_old_objects_out(subject: Subject, books: Books) -> None:
    """Unchanged values are not judged again: CRD validation ratcheting (stable since 1.33)."""
    books.create(pages=1)
    definition = books.requests.read(DEFINITIONS, books.name)
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    pages = schema["properties"]["spec"]["properties"]["pages"]
    pages["minimum"], pages["default"] = 5, 5
    books.requests.update(DEFINITIONS, books.name, definition)

    def is_strict() -> bool:
        try:
            books.requests.create(books.place, books.book("b", pages=2), dry_run=True)
        except ApiError as error:
            return error.code == 422
        return False

    subject.until(is_strict, "the new schema counts")
    labelled = books.requests.patch(books.place, "a", {"metadata": {"labels": {"x": "y"}}})
    assert labelled["spec"]["pages"] == 1
    with refused(422, "Invalid", field="spec.pages"):
        books.requests.patch(books.place, "a", {"spec": {"pages": 2}})


def test_objects_go_with_their_definition(subject: Subject, books: Books) -> None:
    books.create()
    books.requests.delete(DEFINITIONS, books.name)

    def gone() -> bool:
        return books.name not in names(
            books.requests.list(DEFINITIONS, fields=f"metadata.name={books.name}")
        )

    subject.until(gone, "the definition is gone")
    with pytest.raises(ApiError) as refusal:  # a plain text, where nothing of the group is left
        books.requests.list(books.place)
    assert refusal.value.code == 404
    books.requests.create(DEFINITIONS, books.definition())
    subject.until(lambda: served(books), "books are served again")
    assert names(books.requests.list(books.place)) == []


# -- Rules of one's own ----------------------------------------------------------------------------

RULES: Any = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 20},
        "pages": {
            "type": "integer",
            "x-kubernetes-validations": [
                {"rule": "self >= oldSelf", "message": "pages are never torn out"}
            ],
        },
        "read": {"type": "integer"},
    },
    "x-kubernetes-validations": [
        {
            "rule": "!has(self.read) || self.read <= self.pages",
            "messageExpression": "'there are but %d pages'.format([self.pages])",
            "reason": "FieldValueForbidden",
            "fieldPath": ".read",
        },
        {"rule": "has(oldSelf.title) == has(self.title)", "message": "a title stays"},
    ],
}


@pytest.fixture
def ruled(subject: Subject, undefined: Books) -> Iterator[Books]:
    """Books with rules in CEL."""
    subject.requests.create(DEFINITIONS, undefined.definition(RULES))
    subject.until(lambda: served(undefined), "books are served")
    yield undefined
    subject.requests.delete(DEFINITIONS, undefined.name)


def test_a_rule_is_told_with_its_message_its_reason_and_its_field(ruled: Books) -> None:
    with refused(422, "Invalid", "Forbidden: there are but 5 pages", field="spec.read"):
        ruled.create(pages=5, read=6)
    assert ruled.create(pages=5, read=5)["spec"]["read"] == 5


def test_a_rule_of_transitions_holds_from_the_first_change_on(ruled: Books) -> None:
    ruled.create(pages=5)
    assert ruled.requests.patch(ruled.place, "a", {"spec": {"pages": 6}})["spec"]["pages"] == 6
    with refused(422, "Invalid", "pages are never torn out", field="spec.pages"):
        ruled.requests.patch(ruled.place, "a", {"spec": {"pages": 4}})
    with refused(422, "Invalid", "a title stays", field="spec"):
        ruled.requests.patch(ruled.place, "a", {"spec": {"title": None}})


def test_a_rule_that_cannot_be_compiled_is_refused(undefined: Books) -> None:
    spec = {**RULES, "x-kubernetes-validations": [{"rule": "self.nonsense > 1"}]}
    field = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule"
    with refused(422, "Invalid", "undefined field 'nonsense'", field=field):
        undefined.requests.create(DEFINITIONS, undefined.definition(spec))
