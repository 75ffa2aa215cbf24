"""The shop that the demo deploys on real clusters: it greets, says its version and is ready."""

from __future__ import annotations

import os
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8080


class Shop(BaseHTTPRequestHandler):
    """Answers `/ready` to probes, and everybody else with a greeting."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a request."""
        body = ("ready\n" if self.path == "/ready" else greeting()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def greeting() -> str:
    """What the ConfigMap has it say, its version, and the pod that it runs in."""
    words, version = (os.environ.get(name, "") for name in ("GREETING", "SHOP_VERSION"))
    return f"{words}\nshop {version}\npod {socket.gethostname()}\n"


def main() -> None:
    """Serve until the kubelet says that it is enough."""
    # The first process of a container ignores the signal unless it says otherwise.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with ThreadingHTTPServer(("", int(os.environ.get("PORT", PORT))), Shop) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
