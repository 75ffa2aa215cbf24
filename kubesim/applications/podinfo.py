"""An application that many GitOps tutorials deploy: podinfo, with its answers' shapes.

Source: github.com/stefanprodan/podinfo, its API as described in the README. Here are the calls that
tell one version from another: `/`, `/version`, `/env`, `/headers`, `/echo`, `/status/{code}`,
`/healthz`, `/readyz`.
"""

from __future__ import annotations

import re
from html import escape
from http import HTTPStatus

from kubesim.applications.exchange import Request, Response, data, page, text
from kubesim.controllers.process import Process

NAME = "podinfo"
"""The last part of the image's name."""

COLOUR = "#34577c"
"""The page's colour if `PODINFO_UI_COLOR` names none."""

_COLOUR = re.compile(r"#[0-9A-Fa-f]{3,8}|[A-Za-z]{1,20}")


def respond(process: Process, version: str, request: Request) -> Response:
    """What podinfo of a version answers."""
    first, _, rest = request.path.lstrip("/").partition("/")
    match first:
        case "" | "api":
            return _front(process, version, request)
        case "version":
            return data({"commit": "simulated", "version": version})
        case "healthz" | "readyz":
            return data({"status": "OK"})
        case "env":
            return data([f"{name}={value}" for name, value in process.environment.items()])
        case "headers":
            return data({name: [value] for name, value in request.headers.items()})
        case "echo":
            return Response(202, request.body)
        case "status" if rest.isascii() and rest.isdecimal():
            code = int(rest[:4])
            is_known = code >= 200 and code in HTTPStatus._value2member_map_
            return data({"status": code}, code if is_known else 500)
    return text("404 page not found", 404)


def _front(process: Process, version: str, request: Request) -> Response:
    given = process.environment
    message = given.get("PODINFO_UI_MESSAGE") or f"greetings from podinfo v{version}"
    colour = given.get("PODINFO_UI_COLOR") or COLOUR
    if request.wants_html:
        style = colour if _COLOUR.fullmatch(colour) else COLOUR
        return page(
            escape(process.pod),
            f'<main style="background:{style};color:white;padding:2em">\n'
            f"<h1>{escape(message)}</h1>\n<p>{escape(process.pod)}, version {escape(version)}</p>\n"
            "</main>",
        )
    return data(
        {
            "hostname": process.pod,
            "version": version,
            "revision": "simulated",
            "color": colour,
            "logo": given.get("PODINFO_UI_LOGO", ""),
            "message": message,
            "goos": "linux",
            "goarch": "amd64",
            "runtime": "simulated",
            "num_goroutine": "8",
            "num_cpu": "1",
        }
    )
