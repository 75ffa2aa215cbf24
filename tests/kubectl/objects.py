"""Small objects that many tests apply."""

from __future__ import annotations

from typing import Any


def config_map(name: str = "book", **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"part": "one"}},
        "data": data or {"page": "1"},
    }


def deployment(image: str = "web:1", replicas: int = 2, name: str = "web") -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    }


def pod(name: str = "web", image: str = "web:1", **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "web", "image": image}]},
    }


DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "books.lab.example"},
    "spec": {
        "group": "lab.example",
        "scope": "Namespaced",
        "names": {"kind": "Book", "plural": "books", "singular": "book", "shortNames": ["bk"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {
                        "specReplicasPath": ".spec.copies",
                        "statusReplicasPath": ".status.copies",
                    },
                },
                "additionalPrinterColumns": [
                    {"name": "Title", "type": "string", "jsonPath": ".spec.title"},
                    {
                        "name": "Copies",
                        "type": "integer",
                        "jsonPath": ".spec.copies",
                        "priority": 1,
                    },
                ],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "description": "A book.",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["title"],
                                "properties": {
                                    "title": {
                                        "type": "string",
                                        "description": "What is on the cover.",
                                        "maxLength": 20,
                                    },
                                    "copies": {"type": "integer", "default": 1},
                                },
                            },
                            "status": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                            },
                        },
                    }
                },
            }
        ],
    },
}


def book(title: str = "Moby", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "lab.example/v1",
        "kind": "Book",
        "metadata": {"name": "moby"},
        "spec": {"title": title, **spec},
    }
