"""Image behaviours: patterns in order, words that misbehave, references taken apart."""

from __future__ import annotations

from random import Random

import pytest

from gitops_lab.errors import UsageError
from kubesim.controllers.images import Behaviour, Catalogue, parse


def test_an_image_that_nobody_declared_behaves_well() -> None:
    behaviour = Catalogue().behaviour("shop:1")
    assert (behaviour.pull_seconds, behaviour.ready_seconds) == (2, 3)
    assert behaviour.ready
    assert behaviour.crash_after is None


@pytest.mark.parametrize(
    ("image", "field", "value"),
    [
        ("shop:does-not-exist", "pull_error", "not found"),
        ("shop:missing-2", "pull_error", "not found"),
        ("shop:2-crash", "crash_after", 1),
        ("crasher:2", "crash_after", 1),
        ("shop:unready", "ready", False),
        ("registry.test:5000/team/shop:slow", "ready_seconds", 45),
    ],
)
def test_a_word_in_the_name_or_tag_makes_an_image_misbehave(
    image: str, field: str, value: object
) -> None:
    assert getattr(Catalogue().behaviour(image), field) == value


def test_the_first_pattern_that_matches_decides() -> None:
    images = Catalogue().with_("shop:*", ready_seconds=9).with_("shop:2", ready_seconds=1)
    assert images.behaviour("shop:2").ready_seconds == 1
    assert images.behaviour("shop:3").ready_seconds == 9
    assert images.behaviour("shop:2-crash").crash_after is None


@pytest.mark.parametrize(
    ("pattern", "image", "matches"),
    [
        ("shop", "shop", True),
        ("shop", "shop:1", True),
        ("shop", "shop2:1", False),
        ("shop:1", "shop:10", False),
        ("shop:latest", "shop", True),
        ("shop:1.*", "shop:1.2", True),
        ("*/shop", "registry.test:5000/shop:1", True),
        ("registry.test:5000/shop", "registry.test:5000/shop:1", True),
        ("shop", "registry.test/shop:1", False),
    ],
)
def test_a_pattern_without_a_tag_stands_for_every_tag(
    pattern: str, image: str, matches: bool
) -> None:
    images = Catalogue(((pattern, Behaviour(pull_seconds=99)),))
    assert (images.behaviour(image).pull_seconds == 99) is matches


def test_a_new_rule_starts_from_what_the_image_did_before() -> None:
    images = Catalogue().with_("shop:slow", pull_seconds=7)
    assert images.behaviour("shop:slow").ready_seconds == 45
    assert images.behaviour("shop:slow").pull_seconds == 7


def test_a_catalogue_is_read_from_a_mapping_and_keeps_the_words() -> None:
    images = Catalogue.of({"shop:*": {"ready_seconds": 1, "answer": "hi"}})
    assert images.behaviour("shop:5").ready_seconds == 1
    assert images.behaviour("other:crash").crash_after == 1


@pytest.mark.parametrize(
    ("declared", "where"),
    [
        ({"shop": {"ready_secnds": 1}}, "images: shop"),
        ({"shop": {"ready_seconds": "soon"}}, "images: shop"),
        ({"shop": {"ready_seconds": True}}, "images: shop"),
        ({"shop": {"ready_seconds": -1}}, "images: shop: ready_seconds"),
        ({"shop": {"pull_error": "gone"}}, "images: shop: pull_error"),
        ({"shop": 3}, "images: shop"),
    ],
)
def test_a_wrong_declaration_is_refused_with_its_place(declared: dict, where: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(UsageError) as refusal:
        Catalogue.of(declared)
    assert refusal.value.where == where


def test_an_answer_names_image_tag_and_configuration() -> None:
    images = Catalogue().with_("*shop", answer="{image} {tag} says {GREETING}{nothing}")
    assert images.answer("team/shop:2", {"GREETING": "hello"}) == "shop 2 says hello"


@pytest.mark.parametrize(
    ("image", "full", "name", "tag"),
    [
        ("shop", "docker.io/library/shop:latest", "shop", "latest"),
        ("team/shop:1", "docker.io/team/shop:1", "shop", "1"),
        ("localhost/shop:1", "localhost/shop:1", "shop", "1"),
        ("r.test:5000/a/shop:1", "r.test:5000/a/shop:1", "shop", "1"),
        (f"shop@sha256:{'a' * 64}", f"docker.io/library/shop@sha256:{'a' * 64}", "shop", ""),
    ],
)
def test_a_reference_gets_registry_and_tag(image: str, full: str, name: str, tag: str) -> None:
    reference = parse(image)
    assert reference is not None
    assert (reference.full, reference.name, reference.tag) == (full, name, tag)


def test_a_digest_belongs_to_its_reference() -> None:
    first, second = parse("shop:1"), parse("docker.io/library/shop:1")
    other = parse("shop:2")
    assert first is not None
    assert second is not None
    assert other is not None
    assert first.digest == second.digest != other.digest
    assert first.repository == "docker.io/library/shop"


@pytest.mark.parametrize("image", ["Shop:1", "shop:", "shop:1:2", "shop name", ""])
def test_a_name_that_is_no_reference_has_no_parts(image: str) -> None:
    assert parse(image) is None


def test_times_vary_by_the_jitter_and_the_seed_alone() -> None:
    behaviour = Behaviour(jitter=0.2)
    draws = [behaviour.varied(10, Random(seed)) for seed in range(50)]
    assert all(8 <= draw <= 12 for draw in draws)
    assert len(set(draws)) > 1
    assert behaviour.varied(10, Random(3)) == behaviour.varied(10, Random(3))
    assert Behaviour(jitter=0).varied(10, Random(3)) == 10
