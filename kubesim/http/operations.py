"""What can be done at which URL: the paths of the OpenAPI documents of both versions.

Source: the routes that apiserver `pkg/endpoints/installer.go` makes for a resource, and the names
that it gives them (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kubesim.api.verbs import RETURNED
from kubesim.http.discovery import subresource
from kubesim.resources import Resource
from kubesim.schema import builtin

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
STATUS = _META + "Status"
PATCH = _META + "Patch"
DELETE_OPTIONS = _META + "DeleteOptions"

PATCH_TYPES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A part of a URL that the client chooses.

    Args:
        name: as it stands in the path or the query.
        type: string, integer or boolean.
        description: what it does.
        place: path or query.
    """

    name: str
    type: str
    description: str
    place: str = "query"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at one path.

    Args:
        method: the HTTP method, in small letters.
        action: what the server calls it: get, list, post, put, patch, delete, deletecollection
            or connect.
        name: tells the operation apart from all others.
        description: what it does.
        gvk: group, version and kind of what it is about.
        body: the definition of what the client sends; empty for nothing.
        consumes: the media types of the body.
        result: the definition of what the server answers; empty for text.
        codes: the HTTP status codes of success.
        query: what the client may add to the URL.
    """

    method: str
    action: str
    name: str
    description: str
    gvk: tuple[str, str, str]
    body: str
    consumes: tuple[str, ...]
    result: str
    codes: tuple[int, ...]
    query: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """A URL and what can be done there."""

    template: str
    parameters: tuple[Parameter, ...]
    operations: tuple[Operation, ...]


_NAME = Parameter("name", "string", "name of the object", "path")
_NAMESPACE = Parameter("namespace", "string", "namespace of the object", "path")
_PRETTY = Parameter("pretty", "string", "If 'true', the answer is laid out for human eyes.")
_DRY_RUN = Parameter("dryRun", "string", "With the value All, nothing is stored.")
_FIELD_MANAGER = Parameter("fieldManager", "string", "Who owns the fields that this write sets.")
_FIELD_VALIDATION = Parameter(
    "fieldValidation",
    "string",
    "What becomes of unknown and duplicate fields: Ignore, Warn (the default) or Strict.",
)
_FORCE = Parameter("force", "boolean", "An apply takes the fields that others own.")
_RESOURCE_VERSION = Parameter("resourceVersion", "string", "The resourceVersion to answer for.")

_WRITE = (_PRETTY, _DRY_RUN, _FIELD_MANAGER, _FIELD_VALIDATION)
_LIST = (
    _PRETTY,
    Parameter("allowWatchBookmarks", "boolean", "A watch may tell how far it has come."),
    Parameter("continue", "string", "The token with which the page before this one ended."),
    Parameter("fieldSelector", "string", "Selects objects by fields."),
    Parameter("labelSelector", "string", "Selects objects by labels."),
    Parameter("limit", "integer", "How many objects a page holds at most."),
    _RESOURCE_VERSION,
    Parameter("resourceVersionMatch", "string", "How resourceVersion is meant for a list."),
    Parameter("sendInitialEvents", "boolean", "A watch begins with the objects that are there."),
    Parameter("timeoutSeconds", "integer", "How long the request may take, in seconds."),
    Parameter("watch", "boolean", "Changes as they come, instead of a list."),
)
_DELETE = (
    _PRETTY,
    _DRY_RUN,
    Parameter("gracePeriodSeconds", "integer", "How long the object may take to end, in seconds."),
    Parameter("orphanDependents", "boolean", "Deprecated: use propagationPolicy."),
    Parameter(
        "propagationPolicy",
        "string",
        "What becomes of the dependants: Orphan, Background or Foreground.",
    ),
)
_QUERY = {
    "get": (_PRETTY,),
    "list": _LIST,
    "post": _WRITE,
    "put": _WRITE,
    "patch": (*_WRITE, _FORCE),
    "delete": _DELETE,
    "deletecollection": tuple(dict.fromkeys((*_LIST[:1], *_DELETE[1:], *_LIST[2:8]))),
    "connect": (),
}
_CODES = {"post": (200, 201, 202), "put": (200, 201), "patch": (200, 201), "delete": (200, 202)}

# Verb of the discovery documents → method, action, first word of the name, sentence.
_VERBS = {
    "list": ("get", "list", "list", "list or watch objects of kind {}"),
    "create": ("post", "post", "create", "create {}"),
    "deletecollection": ("delete", "deletecollection", "delete", "delete collection of {}"),
    "get": ("get", "get", "read", "read the specified {}"),
    "update": ("put", "put", "replace", "replace the specified {}"),
    "patch": ("patch", "patch", "patch", "partially update the specified {}"),
    "delete": ("delete", "delete", "delete", "delete {}"),
}
_ON_COLLECTION = ("list", "create", "deletecollection")
_ON_OBJECT = ("get", "update", "patch", "delete")
_CONNECTED = ("attach", "exec", "portforward", "proxy")


def definition(api_version: str, kind: str) -> str:
    """The name of a kind's definition; that of a custom kind is its group, version and kind."""
    node = builtin().node(api_version, kind)
    if node is not None:
        return node.definition
    group, _, version = api_version.rpartition("/")
    return ".".join((*reversed(group.split(".")), version, kind))


def root(group: str, version: str) -> str:
    """Where a group version is served, without a leading slash: api/v1, apis/apps/v1."""
    return f"apis/{group}/{version}" if group else f"api/{version}"


def tag(group: str, version: str) -> str:
    """What the operations of a group version have in common: core_v1, rbacAuthorization_v1."""
    words = group.removesuffix(".k8s.io").split(".") if group else ["core"]
    return words[0] + "".join(word.capitalize() for word in words[1:]) + f"_{version}"


def paths(resources: Iterable[Resource]) -> list[Path]:
    """Every path of some resources, those of a resource together."""
    return [path for resource in resources for path in _paths(resource)]


def _paths(resource: Resource) -> Iterable[Path]:
    base = f"/{root(resource.group, resource.version)}"
    place: tuple[Parameter, ...] = ()
    if resource.namespaced:
        if "list" in resource.verbs:
            listed = _operation(resource, "list", everywhere=True)
            yield Path(f"{base}/{resource.plural}", (), (listed,))
        base, place = f"{base}/namespaces/{{namespace}}", (_NAMESPACE,)
    collection = f"{base}/{resource.plural}"
    on_collection = [_operation(resource, v) for v in _ON_COLLECTION if v in resource.verbs]
    if on_collection:
        yield Path(collection, place, tuple(on_collection))
    on_object = [_operation(resource, v) for v in _ON_OBJECT if v in resource.verbs]
    if on_object:
        yield Path(f"{collection}/{{name}}", (_NAME, *place), tuple(on_object))
    for name in sorted(resource.subresources):
        verbs = subresource(resource, name).verbs
        below = [_operation(resource, verb, below=name) for verb in verbs]
        yield Path(f"{collection}/{{name}}/{name}", (_NAME, *place), tuple(below))


def _operation(
    resource: Resource, verb: str, *, below: str = "", everywhere: bool = False
) -> Operation:
    """One operation.

    Args:
        resource: on what.
        verb: of the discovery documents.
        below: on which subresource of it.
        everywhere: whether it is a list through all namespaces.
    """
    about, kind = resource.api_version, resource.kind
    if below:
        spec = subresource(resource, below)
        about, kind = spec.api_version, spec.kind
    group, _, version = about.rpartition("/")
    method, action, word, sentence = _VERBS[verb]
    sentence = f"{below} of the specified {resource.kind}" if below else sentence.format(kind)
    area = "Namespaced" if resource.namespaced and not everywhere else ""
    more = "Collection" if verb == "deletecollection" else ""
    if below in _CONNECTED:
        action, word, more = "connect", "connect", method.capitalize()
    of = "".join(part[:1].upper() + part[1:] for part in _words(resource))
    name = f"{word}{of}{more}{area}{resource.kind}{below[:1].upper()}{below[1:]}"
    own = "" if action == "connect" else definition(about, kind)
    body = {"post": own, "put": own, "patch": PATCH, "delete": DELETE_OPTIONS}
    gone = own if (resource.group, resource.plural) in RETURNED else STATUS
    result = {"list": f"{own}List", "delete": gone, "deletecollection": STATUS}
    consumes: tuple[str, ...] = ("application/json", "application/yaml")
    if verb == "patch":  # a custom kind says nothing of how its lists are merged
        consumes = PATCH_TYPES if resource.schema is None else PATCH_TYPES[:3]
    sent = "" if action == "connect" else body.get(method, "")
    return Operation(
        method=method,
        action=action,
        name=name + ("ForAllNamespaces" if everywhere else ""),
        description=sentence,
        gvk=(group, version, kind),
        body=sent,
        consumes=consumes if sent else (),
        result="" if below == "log" else result.get(action, own),
        codes=_CODES.get(action, (200,)),
        query=_QUERY[action],
    )


def _words(resource: Resource) -> list[str]:
    return tag(resource.group, resource.version).split("_")
