"""What an application answers: who it is, so that one sees which version is running where.

What a container says follows from its image, its environment and its health alone, so the same
question to the same container has the same answer.
"""

from __future__ import annotations

from html import escape

from kubesim.applications import podinfo
from kubesim.applications.exchange import Request, Response, page, text
from kubesim.controllers.images import parse
from kubesim.controllers.process import Process

HEALTH = ("/health", "/healthz", "/livez", "/ready", "/readyz")
"""Paths that ask for the health, besides those of the container's own probes."""


def respond(process: Process, request: Request) -> Response:
    """The response of a container that listens."""
    if not process.is_ready:
        return text(f"{process.container} in pod {process.pod} is not ready", 503)
    reference = parse(process.image)
    if reference is not None and reference.name == podinfo.NAME and not process.is_declared:
        return podinfo.respond(process, reference.tag, request)
    if request.path in HEALTH or (request.path != "/" and request.path in process.probe_paths):
        return text("ok")
    if process.is_declared:
        lines = [process.says]
    else:
        lines = [
            process.says,
            f"pod {process.pod} in namespace {process.namespace} on {process.node}",
            f"image {process.image}",
        ]
    if request.wants_html:
        first, *others = (escape(line) for line in lines)
        return page(first, f"<h1>{first}</h1>\n" + "".join(f"<p>{line}</p>\n" for line in others))
    return text("\n".join(lines))
