"""A cluster whose applications answer."""

from __future__ import annotations

from kubesim.applications import Applications
from kubesim.applications.exchange import Request, Response
from kubesim.applications.routing import Place
from kubesim.controllers.images import Catalogue
from tests.kubesim.controllers.world import STEADY, World

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {app}}}}}
spec:
  containers:
  - name: {app}
    image: {image}
    ports: {ports}
    env: [{{name: PODINFO_UI_COLOR, value: "#ff0000"}}, {{name: GREETING, value: hello}}]
"""

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""


class Town(World):
    """A world, and what lives there."""

    def __init__(self, images: Catalogue = STEADY) -> None:
        super().__init__(images)
        self.applications = Applications(self.api, self.kubelet, now=lambda: self.now)

    def start(
        self, name: str = "web", *, image: str = "web:1", ports: str = "[]", app: str = "web"
    ) -> None:
        """Create a pod, and wait for nothing."""
        self.create(POD.format(name=name, image=image, ports=ports, app=app))

    def ask(
        self, path: str = "/", *, pod: str = "web", port: int = 8080, **headers: str
    ) -> Response:
        place = Place("default", pod, "10.244.0.2", port)
        request = Request(path=path, headers=headers)
        return self.applications.send(place, request, client="10.0.0.1")
