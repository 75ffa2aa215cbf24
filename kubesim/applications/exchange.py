"""A request to an application, and its response: HTTP without the wire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

TEXT, HTML, JSON = "text/plain; charset=utf-8", "text/html; charset=utf-8", "application/json"


@dataclass(frozen=True)
class Request:
    """What an application is asked.

    Args:
        method: the HTTP method.
        path: the path, with its percent signs, without the query.
        query: what follows the question mark.
        headers: by name, in title case.
        body: its bytes.
    """

    method: str = "GET"
    path: str = "/"
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def line(self) -> str:
        """Its first line, as an access log shows it."""
        return f"{self.method} {self.path}{'?' if self.query else ''}{self.query} HTTP/1.1"

    @property
    def wants_html(self) -> bool:
        """Whether a browser asks."""
        return "text/html" in self.headers.get("Accept", "")


@dataclass(frozen=True)
class Response:
    """What it answers.

    Args:
        code: the HTTP status code.
        body: its bytes.
        media: the content type.
    """

    code: int
    body: bytes
    media: str = TEXT

    @property
    def phrase(self) -> str:
        """The status code in words."""
        return HTTPStatus(self.code).phrase


def text(content: str, code: int = 200) -> Response:
    """A response in plain text, of whole lines."""
    return Response(code, (content.rstrip("\n") + "\n").encode(errors="replace"))


def data(content: Any, code: int = 200) -> Response:
    """A response in JSON, for people to read."""
    return Response(code, json.dumps(content, indent=2).encode() + b"\n", JSON)


def page(title: str, content: str, code: int = 200) -> Response:
    """A small page; title and content are HTML already."""
    return Response(
        code,
        (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f"<title>{title}</title></head>\n<body>\n{content}\n</body></html>\n"
        ).encode(errors="replace"),
        HTML,
    )
