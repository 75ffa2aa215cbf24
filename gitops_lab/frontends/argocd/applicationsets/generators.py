"""Generators: from lists, clusters and repositories to sets of parameters.

Parameters are flat names with texts for the default template language (`path.basename`), and
nested values for Go templates.

Source: Argo CD 3.5, `applicationset/generators`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from gitops_lab.engine.documents import read
from gitops_lab.errors import LabError
from gitops_lab.frontends.argocd.applicationsets.go_template import (
    TemplateError,
    normalize,
    printed,
)
from gitops_lab.frontends.argocd.applicationsets.templates import fill, merged
from gitops_lab.frontends.argocd.destinations import Registered
from gitops_lab.frontends.argocd.globs import matches

ParamSet = dict[str, Any]

LEAVES = ("list", "clusters", "git")
NOT_SIMULATED = ("scmProvider", "pullRequest", "clusterDecisionResource", "plugin")
MOST = 5_000
"""Sets of parameters that one ApplicationSet may generate."""


class GeneratorError(LabError):
    """Parameters cannot be generated; nothing of the set's Applications is touched then."""


class Generators:
    """Generates parameters.

    Args:
        clusters: the registered clusters, Argo CD's own among them.
        files: the files of a repository at a revision, by path.
        go: whether the set uses Go templates.
        options: of Go templates.
    """

    def __init__(
        self,
        clusters: Callable[[], Sequence[Registered]],
        files: Callable[[str, str], Mapping[str, bytes]],
        *,
        go: bool,
        options: Sequence[str] = (),
    ) -> None:
        self._registered, self._files, self.go, self.options = clusters, files, go, options

    def generate(
        self, generator: Mapping[str, Any], known: ParamSet | None = None
    ) -> list[ParamSet]:
        """The parameter sets of one generator.

        Args:
            generator: an entry of `spec.generators`.
            known: parameters of a matrix's first generator, for use in its second.

        Raises:
            GeneratorError: they cannot be generated.
        """
        for name in NOT_SIMULATED:
            if name in generator:
                raise GeneratorError(f"not simulated: generator {name}")
        kind = next((n for n in (*LEAVES, "matrix", "merge") if n in generator), "")
        if not kind:
            raise GeneratorError("the generator has none of list, clusters, git, matrix, merge")
        spec = generator[kind] or {}
        if known is not None:
            own = {name: value for name, value in spec.items() if name != "template"}
            try:
                spec = fill(own, known, go=self.go, options=self.options)
            except TemplateError as error:
                raise GeneratorError(f"failed to interpolate generator: {error}") from None
        found = list(getattr(self, f"_{kind}")(spec, known))
        if len(found) > MOST:
            raise GeneratorError(f"more than {MOST:,} sets of parameters")
        selector = generator.get("selector")
        return [each for each in found if selector is None or selects(selector, flat(each))]

    # -- leaves ---------------------------------------------------------------------------------

    def _list(self, spec: Mapping[str, Any], _: ParamSet | None) -> Iterator[ParamSet]:
        elements = list(spec.get("elements") or ())
        if text := spec.get("elementsYaml"):
            documents = read(text.encode(), "elementsYaml")
            found = documents[0].value if documents else []
            if not isinstance(found, list):
                raise GeneratorError("error unmarshling decoded ElementsYaml: not a list")
            elements += found
        for element in elements:
            if not isinstance(element, Mapping):
                raise GeneratorError("error unmarshling list element: not an object")
            yield dict(element) if self.go else self._strings(element)

    def _strings(self, element: Mapping[str, Any]) -> ParamSet:
        params: ParamSet = {}
        for key, value in element.items():
            if key == "values":
                if not isinstance(value, Mapping):
                    raise GeneratorError("error parsing values map")
                params |= {f"values.{name}": printed(inner) for name, inner in value.items()}
            elif isinstance(value, str):
                params[key] = value
            else:
                raise GeneratorError(f"error parsing value as string {key}: {printed(value)}")
        return params

    def _clusters(self, spec: Mapping[str, Any], _: ParamSet | None) -> list[ParamSet]:
        found = [
            self._values(self._clusters_params(cluster), spec)
            for cluster in self._clusters_of(spec)
        ]
        return [{"clusters": found}] if spec.get("flatList") else found

    def _clusters_of(self, spec: Mapping[str, Any]) -> Iterator[Registered]:
        selector = spec.get("selector") or {}
        chosen = bool(selector.get("matchLabels") or selector.get("matchExpressions"))
        for cluster in self._registered():
            if cluster.secret:
                if not chosen or selects(selector, cluster.labels):
                    yield cluster
            elif not chosen:  # Argo CD's own, as long as no Secret names it
                yield cluster

    def _clusters_params(self, cluster: Registered) -> ParamSet:
        params: ParamSet = {
            "name": cluster.name,
            "nameNormalized": normalize(cluster.name),
            "server": cluster.server,
            "project": cluster.project,
        }
        if not cluster.secret:
            return params
        if self.go:
            params["metadata"] = {
                "labels": dict(cluster.labels), "annotations": dict(cluster.annotations)
            }  # fmt: skip
            return params
        params |= {f"metadata.labels.{k}": v for k, v in cluster.labels.items()}
        return params | {f"metadata.annotations.{k}": v for k, v in cluster.annotations.items()}

    def _values(self, params: ParamSet, spec: Mapping[str, Any]) -> ParamSet:
        """The parameters with the generator's own values, which may use them."""
        values = spec.get("values") or {}
        try:
            filled = fill(values, params, go=self.go, options=self.options)
        except TemplateError as error:
            raise GeneratorError(f"failed to replace templated string: {error}") from None
        if not filled:
            return params
        if self.go:
            return {**params, "values": filled}
        return {**params, **{f"values.{name}": value for name, value in filled.items()}}

    def _git(self, spec: Mapping[str, Any], _: ParamSet | None) -> Iterator[ParamSet]:
        files = self._files(spec["repoURL"], spec.get("revision") or "HEAD")
        prefix = spec.get("pathParamPrefix") or ""
        if spec.get("directories"):
            for folder in directories(files, spec["directories"]):
                yield self._values(self._path(folder, prefix), spec)
        elif spec.get("files"):
            for path in chosen(sorted(files), spec["files"]):
                for content in contents(files[path], path):
                    yield self._values(self._of_file(content, path, prefix), spec)
        else:
            raise GeneratorError("error: git generator: neither directories nor files")

    def _path(self, path: str, prefix: str, filename: str = "") -> ParamSet:
        base = posixpath.basename(path)
        segments = path.split("/")
        if self.go:
            values: ParamSet = {
                "path": path, "basename": base, "basenameNormalized": normalize(base),
                "segments": segments,
            }  # fmt: skip
            if filename:
                values |= {"filename": filename, "filenameNormalized": normalize(filename)}
            return {prefix: {"path": values}} if prefix else {"path": values}
        start = f"{prefix}." if prefix else ""
        params = {
            f"{start}path": path,
            f"{start}path.basename": base,
            f"{start}path.basenameNormalized": normalize(base),
        }
        params |= {f"{start}path[{number}]": name for number, name in enumerate(segments) if name}
        if filename:
            params[f"{start}path.filename"] = filename
            params[f"{start}path.filenameNormalized"] = normalize(filename)
        return params

    def _of_file(self, content: Mapping[str, Any], path: str, prefix: str) -> ParamSet:
        folder = posixpath.dirname(path) or "."
        found = self._path(folder, prefix, posixpath.basename(path))
        return {**(dict(content) if self.go else flat(content)), **found}

    # -- combinations ---------------------------------------------------------------------------

    def _matrix(self, spec: Mapping[str, Any], known: ParamSet | None) -> Iterator[ParamSet]:
        generators = spec.get("generators") or []
        if len(generators) != 2:
            raise GeneratorError(
                "found less than two generators, Matrix Generator requires two generators"
                if len(generators) < 2
                else "found more than two generators, Matrix Generator support only two generators"
            )
        first, second = generators
        for outer in self.generate(first, known):
            for inner in self.generate(second, {**(known or {}), **outer}):
                yield merged(inner, outer) if self.go else self._combined(outer, inner)

    def _combined(self, outer: ParamSet, inner: ParamSet) -> ParamSet:
        for key in outer.keys() & inner.keys():
            if outer[key] != inner[key]:
                raise GeneratorError(
                    f"failed to combine string maps with merging params for the matrix generator: "
                    f"found duplicate key {key} with different value, a: {outer[key]} ,"
                    f"b: {inner[key]}"
                )
        return {**outer, **inner}

    def _merge(self, spec: Mapping[str, Any], known: ParamSet | None) -> Iterator[ParamSet]:
        generators, keys = spec.get("generators") or [], spec.get("mergeKeys") or []
        if len(generators) < 2:
            raise GeneratorError(
                "found less than two generators, Merge requires two or more generators"
            )
        if not keys:
            raise GeneratorError("no merge keys were specified, Merge requires at least one")
        base = self._by_keys(self.generate(generators[0], known), keys)
        for generator in generators[1:]:
            for place, params in self._by_keys(self.generate(generator, known), keys).items():
                if place in base:
                    base[place] = merged(base[place], params)
        yield from base.values()

    def _by_keys(
        self, sets: Iterable[ParamSet], keys: Sequence[str]
    ) -> dict[tuple[str, ...], ParamSet]:
        result: dict[tuple[str, ...], ParamSet] = {}
        for params in sets:
            values = flat(params)
            place = tuple(printed(values.get(key, "")) for key in keys)
            shown = dict(zip(keys, place, strict=True))
            if place in result:
                raise GeneratorError(
                    "the parameters from a generator were not unique by the given mergeKeys, Merge "
                    f"requires all param sets to be unique. Duplicate key was {shown}"
                )
            result[place] = params
        return result


def directories(files: Iterable[str], entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """The folders of a repository that match, hidden ones left out."""
    found: set[str] = set()
    for path in files:
        folder = posixpath.dirname(path)
        while folder:
            found.add(folder)
            folder = posixpath.dirname(folder)
    visible = [f for f in sorted(found) if not any(part.startswith(".") for part in f.split("/"))]
    return chosen(visible, entries)


def chosen(paths: Iterable[str], entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """The paths that an entry matches and none excludes."""

    def match(entry: Mapping[str, Any], path: str) -> bool:
        return matches(entry["path"], path, separator="/")

    return [
        path
        for path in paths
        if any(match(e, path) for e in entries if not e.get("exclude"))
        and not any(match(e, path) for e in entries if e.get("exclude"))
    ]


def contents(content: bytes, path: str) -> list[Mapping[str, Any]]:
    """The objects of a file of parameters: one, or a list of them.

    Raises:
        GeneratorError: it holds something else.
    """
    try:
        values = [document.value for document in read(content, path)]
    except LabError as error:
        raise GeneratorError(f"unable to parse file: {error}") from None
    found = [each for value in values for each in (value if isinstance(value, list) else [value])]
    if not all(isinstance(each, Mapping) for each in found):
        raise GeneratorError(f"unable to parse file: {path} holds no object")
    return found


def flat(value: Any, prefix: str = "") -> ParamSet:
    """Nested values under names with dots."""
    if isinstance(value, Mapping):
        items: Iterable[tuple[str, Any]] = ((str(key), inner) for key, inner in value.items())
    elif isinstance(value, list):
        items = ((str(number), inner) for number, inner in enumerate(value))
    else:
        return {prefix: printed(value)}
    result: ParamSet = {}
    for key, inner in items:
        result |= flat(inner, f"{prefix}.{key}" if prefix else key)
    return result


def selects(selector: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    """Whether a label selector matches labels (meta/v1 LabelSelector)."""
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    for each in selector.get("matchExpressions") or ():
        key, values = each["key"], each.get("values") or []
        holds = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not holds.get(each["operator"], False):
            return False
    return True
