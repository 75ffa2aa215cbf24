"""Pages of the course that are made from data: labs, notebooks, words, questions, and the exam map.

A lab, notebook or experiment is linked only where it exists, so no page promises what is not there.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from docs import notebooks
from gitops_lab.experiments import catalogue
from gitops_lab.labs.checks import CHECKS

ROOT = Path(__file__).parent.parent
DATA = Path(__file__).parent / "data"

TITLE = re.compile(r"^# (?:\d+\. )?(.+)$", re.MULTILINE)


@cache
def data(name: str) -> Any:
    """One of the files in docs/data."""
    return yaml.safe_load((DATA / f"{name}.yaml").read_text(encoding="utf-8"))


@cache
def lab_files() -> dict[str, dict[str, Any]]:
    """What `lab.yaml` of each lab says, by the number in its folder's name, such as `L5`."""
    found = {}
    for path in sorted((ROOT / "labs").glob("[0-9][0-9]-*/lab.yaml")):
        number, _, name = path.parent.name.partition("-")
        about = yaml.safe_load(path.read_text(encoding="utf-8"))
        found[f"L{int(number)}"] = {**about, "id": name}
    return found


@cache
def notebook_titles() -> dict[str, tuple[str, str]]:
    """The page and the title of each notebook, by its number, such as `N3`."""
    found = {}
    for path in notebooks.paths():
        title = TITLE.search(notebooks.read(path).cells[0].source)
        assert title is not None, f"{path.name} has no title"
        found[f"N{int(path.stem[:2])}"] = (f"notebooks/{path.stem}.md", title[1])
    return found


def reference(code: str) -> str:
    """A link to a lab (`L5`), notebook (`N3`), experiment (`X:name`) or page (`P:file`).

    Returns:
        Markdown; empty if it does not exist.
    """
    if code.startswith("P:"):
        path = DATA.parent / code[2:]
        if not path.exists():
            return ""
        heading = TITLE.search(path.read_text(encoding="utf-8"))
        return f"[{heading[1] if heading else path.stem}]({code[2:]})"
    if code.startswith("X:"):
        name = code[2:]
        exists = name in catalogue.EXPERIMENTS
        return f"experiment [{name}](experiments.md#{name})" if exists else ""
    if code in lab_files():
        about = lab_files()[code]
        return f"lab [{about['title']}](learn.md#{about['id']})"
    if code in notebook_titles():
        page, title = notebook_titles()[code]
        return f"notebook [{title}]({page})"
    return ""


def labs() -> str:
    """A row for each lab, in order, and its place to link to."""
    if not lab_files():
        return "There is no lab yet."
    lines = [
        "| lab | minutes | you learn | start it with |",
        "|---|---|---|---|",
    ]
    for about in lab_files().values():
        name = f'<span id="{about["id"]}"></span>{about["title"]}'
        objectives = "; ".join(about["objectives"].values())
        start = f"`gitops-lab lab start {about['id']}`"
        lines.append(f"| {name} | {about['minutes']} | {objectives} | {start} |")
    return "\n".join(lines)


def checks() -> str:
    """A row for each check that labs can use, with its arguments."""
    lines = ["| check | kind | passes if | arguments |", "|---|---|---|---|"]
    for name, check in CHECKS.items():
        says = (inspect.getdoc(check.run) or "").partition("\n")[0]
        arguments = [*inspect.signature(check.run).parameters][1:]
        shown = ", ".join(f"`{each}`" for each in arguments)
        lines.append(f"| `{name}` | {check.mode} | {says} | {shown} |")
    return "\n".join(lines)


def notebook_list() -> str:
    """A row for each notebook, in order, with its aims."""
    lines = ["| notebook | afterwards you can say |", "|---|---|"]
    for path in notebooks.paths():
        source = notebooks.read(path).cells[0].source
        aims = re.findall(r"^- (.+?)[;.]?$", source, re.MULTILINE)
        page, title = notebook_titles()[f"N{int(path.stem[:2])}"]
        lines.append(f"| [{title}]({page}) | {'; '.join(aims)} |")
    return "\n".join(lines)


def questions() -> str:
    """Each question, its one-line answer, and where this project shows it."""
    parts: list[str] = []
    number = 0
    for group in data("questions"):
        parts.append(f"## {group['group']}\n")
        for each in group["questions"]:
            number += 1
            shown = [link for code in each["by"] if (link := reference(code))]
            see = f"*See it:* {', '.join(shown)}." if shown else "*Nothing here shows it yet.*"
            parts.append(f"**{number}. {each['q']}**\n\n{each['a']} {see}\n")
    return "\n".join(parts)


def glossary() -> str:
    """Each word and its sentence, in alphabetical order."""
    entries = sorted(data("glossary"), key=lambda entry: entry["term"].lower())
    return "\n".join(
        f'<span id="{anchor(entry["term"])}"></span>**{entry["term"]}**: {entry["text"]}\n'
        for entry in entries
    )


def anchor(term: str) -> str:
    """The place of a word on the glossary page."""
    return re.sub(r"[^a-z0-9]+", "-", term.lower()).strip("-")


def exam_map() -> str:
    """A row for each competency of the exam, with what covers it, and the share by weight."""
    covered_weight = 0.0
    lines = ["| | competency | covered by |", "|---|---|---|"]
    for domain in data("cgoa"):
        competencies = domain["competencies"]
        lines.append(f"| | **{domain['domain']}** ({domain['weight']} %) | |")
        for code, about in competencies.items():
            by = [link for each in about.get("by", []) if (link := reference(each))]
            by += [link for key in labs_for(code) if (link := reference(key)) not in by]
            covered_weight += domain["weight"] / len(competencies) if by else 0
            lines.append(f"| {code} | {about['text']} | {', '.join(by) or '**not covered**'} |")
    return (
        f"Covered: **{covered_weight:.0f} %** of the exam, if each competency of a domain counts "
        "the same.\n\n" + "\n".join(lines)
    )


def labs_for(code: str) -> list[str]:
    """The labs that name a competency among their objectives."""
    return [key for key, about in lab_files().items() if code in about["objectives"]]


# -- words that link to the glossary --------------------------------------------------------------

APART = re.compile(
    r"(^```.*?^```|^````.*?^````"  # code
    r"|`[^`\n]*`|!?\[[^\]]*\]\([^)]*\)|<[^>]+>"  # code in a line, pictures and links, HTML
    r"|^#[^\n]*$|^\|?-[-| ]+$)",  # headings, the rules of tables
    re.MULTILINE | re.DOTALL,
)
"""What is no running text: code, links, headings, HTML, the rules of tables."""


def link_words(markdown: str) -> str:
    """Link the first use of each glossary word on a page."""
    parts = APART.split(markdown)
    for entry in sorted(data("glossary"), key=lambda entry: -len(entry["term"])):
        forms = "|".join(map(re.escape, (entry["term"], *entry.get("also", ()))))
        flags = 0 if entry["term"].isupper() else re.IGNORECASE
        word = re.compile(rf"(?<![\w/.+-])({forms})(?![\w/+-]|\.\w)", flags)
        for place in range(0, len(parts), 2):
            found = word.search(parts[place])
            if found is None:
                continue
            link = f"[{found[1]}](glossary.md#{anchor(entry['term'])})"
            before, after = parts[place][: found.start()], parts[place][found.end() :]
            parts[place : place + 1] = [before, link, after]
            break
    return "".join(parts)
