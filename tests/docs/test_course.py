"""The pages of the course: words, questions and the exam map are complete and link what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("nbformat", reason="the notebooks' libraries are not installed")

from docs import course

CODE = re.compile(r"L([1-9]|1\d|20)|N([1-9]|10)|X:[a-z-]+|P:[a-z-]+\.md")


def test_there_are_sixty_words_or_more_and_each_has_one_sentence_and_one_place() -> None:
    words = course.data("glossary")
    assert len(words) >= 60
    anchors = [course.anchor(entry["term"]) for entry in words]
    assert len(set(anchors)) == len(anchors)
    assert all(entry["text"].endswith(".") and len(entry["text"]) < 220 for entry in words)


def test_there_are_sixty_two_questions_and_each_answer_is_short() -> None:
    questions = [each for group in course.data("questions") for each in group["questions"]]
    assert len(questions) == 62
    assert all(each["q"].endswith("?") and len(each["a"]) < 260 for each in questions)
    codes = [code for each in questions for code in each["by"]]
    assert codes and all(CODE.fullmatch(code) for code in codes)


def test_the_weights_of_the_exam_are_those_of_its_domains() -> None:
    assert [domain["weight"] for domain in course.data("cgoa")] == [20, 30, 16, 20, 14]
    assert "**not covered**" in course.exam_map() or "Covered: **100 %**" in course.exam_map()


def test_what_does_not_exist_is_not_linked() -> None:
    assert course.reference("L99") == course.reference("N99") == course.reference("P:no.md") == ""
    page, title = course.notebook_titles()["N1"]
    assert course.reference("N1") == f"notebook [{title}]({page})"
    assert course.reference("P:drift.md") == "[Drift, and what is not drift](drift.md)"


def test_only_the_first_use_of_a_word_becomes_a_link() -> None:
    text = "An orphan is not an orphan.\n"
    assert course.link_words(text) == "An [orphan](glossary.md#orphan) is not an orphan.\n"


@pytest.mark.parametrize(
    "text",
    [
        "# Orphans\n",
        "`orphan`\n",
        "```sh\norphan\n```\n",
        "[an orphan](deletion.md)\n",
        "![orphan](orphan.png)\n",
        "<span>x</span> pull+self-heal, orphan.md\n",
    ],
)
def test_headings_code_links_and_names_are_left_alone(text: str) -> None:
    assert course.link_words(text) == text


def test_a_longer_word_wins_over_a_shorter_one_in_it() -> None:
    assert "#sync-wave" in course.link_words("A sync wave is a number.\n")


def test_every_notebook_is_in_the_navigation() -> None:
    nav = (Path(course.ROOT) / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page for page, _ in course.notebook_titles().values() if page not in nav] == []
