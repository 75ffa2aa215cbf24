"""Go's text/template, as far as ApplicationSets use it, with the functions of Sprig they need.

Source: Go 1.24 text/template; Argo CD 3.5, `applicationset/utils/template_functions.go`. Of Sprig,
env, expandenv and getHostByName are left out there too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import re2  # a pattern from a template must not take for ever
import yaml

from gitops_lab.engine.documents import read

LONGEST = 1_000_000
"""Characters that a template may render to."""


class TemplateError(Exception):
    """A template that cannot be read or executed."""


class _Missing:
    """A key that a map does not have; it prints as Go prints it."""

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return "<no value>"


MISSING = _Missing()

_ACTION = re.compile(
    r"\{\{(-(?=\s))?\s*((?:\"(?:\\.|[^\"\\])*\"|`[^`]*`|[^\"`])*?)\s*((?<=\s)-)?\}\}", re.DOTALL
)
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:\\.|[^"\\])*")|(?P<raw>`[^`]*`)|(?P<number>-?\d+(?:\.\d+)?)
    |(?P<field>(?:\$\w*)?(?:\.[\w-]+)+|\$\w*|\.)|(?P<word>\w+)|(?P<sign>:=|[()|,=]))""",
    re.VERBOSE,
)

Node = tuple[str, Any]


def render(text: str, values: Mapping[str, Any], *, options: Sequence[str] = ()) -> str:
    """A template filled in.

    Args:
        text: the template.
        values: what `.` is.
        options: such as `missingkey=error`.

    Raises:
        TemplateError: it cannot be read, or asks for what is not there.
    """
    if "{{" not in text:
        return text
    nodes, _ = _parse(list(_pieces(text)), 0, ())
    result = "".join(_Run("missingkey=error" in options, values).nodes(nodes, values, {}))
    if len(result) > LONGEST:
        raise TemplateError("the template renders to too long a text")
    return result


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Text and actions in turn, with the space that `{{-` and `-}}` take away gone."""
    position, trim = 0, False
    for match in _ACTION.finditer(text):
        before = text[position : match.start()]
        before = before.lstrip() if trim else before
        yield "text", before.rstrip() if match[1] else before
        if not match[2].startswith("/*"):
            yield "action", match[2]
        position, trim = match.end(), bool(match[3])
    rest = text[position:]
    if "{{" in rest:
        raise TemplateError("unclosed action")
    yield "text", rest.lstrip() if trim else rest


def _parse(
    pieces: list[tuple[str, str]], index: int, ends: tuple[str, ...]
) -> tuple[list[Node], int]:
    nodes: list[Node] = []
    while index < len(pieces):
        kind, text = pieces[index]
        word = text.split(None, 1)[0] if kind == "action" and text else ""
        if kind == "text":
            nodes.append(("text", text))
        elif word in ends:
            return nodes, index
        elif word in ("if", "with", "range"):
            node, index = _block(pieces, index, word, text[len(word) :])
            nodes.append(node)
        elif word in ("end", "else"):
            raise TemplateError(f"unexpected {{{{{word}}}}}")
        else:
            nodes.append(("print", text))
        index += 1
    if ends:
        raise TemplateError("unexpected EOF")
    return nodes, index


def _block(
    pieces: list[tuple[str, str]], index: int, word: str, condition: str
) -> tuple[Node, int]:
    body, index = _parse(pieces, index + 1, ("end", "else"))
    otherwise: list[Node] = []
    text = pieces[index][1]
    if text.startswith("else"):
        rest = text[4:].strip()
        if rest:
            inner = rest.split(None, 1)[0]
            node, index = _block(pieces, index, inner, rest[len(inner) :])
            return (word, (condition, body, [node])), index
        otherwise, index = _parse(pieces, index + 1, ("end",))
    return (word, (condition, body, otherwise)), index


class _Run:
    """One execution."""

    def __init__(self, strict: bool, root: Any) -> None:
        self.strict, self.root = strict, root

    def nodes(self, nodes: Sequence[Node], dot: Any, names: dict[str, Any]) -> Iterator[str]:
        for kind, what in nodes:
            if kind == "text":
                yield what
            elif kind == "print":
                value = self.pipeline(what, dot, names)
                if value is not None:
                    yield printed(value)
            else:
                yield from self.block(kind, what, dot, names)

    def block(self, kind: str, what: Any, dot: Any, names: dict[str, Any]) -> Iterator[str]:
        condition, body, otherwise = what
        own, expression = _assigned(condition)
        value = self.pipeline(expression, dot, names)
        if kind == "range":
            pairs = (
                list(value.items()) if isinstance(value, Mapping) else list(enumerate(value or ()))
            )
            for key, item in pairs:
                named = dict(names)
                if own:
                    named[own[-1]] = item
                    if len(own) == 2:
                        named[own[0]] = key
                yield from self.nodes(body, item, named)
            if not pairs:
                yield from self.nodes(otherwise, dot, names)
        elif value:
            inner = {**names, own[0]: value} if own else names
            yield from self.nodes(body, value if kind == "with" else dot, inner)
        else:
            yield from self.nodes(otherwise, dot, names)

    def pipeline(self, text: str, dot: Any, names: dict[str, Any]) -> Any:
        own, expression = _assigned(text)
        tokens = list(_tokens(expression))
        value, end = self.commands(tokens, 0, dot, names)
        if end != len(tokens):
            raise TemplateError(f"unexpected {tokens[end][1]!r} in {text!r}")
        if own:
            names[own[0]] = value
            return None
        return value

    def commands(
        self, tokens: list[tuple[str, str]], index: int, dot: Any, names: dict[str, Any]
    ) -> tuple[Any, int]:
        """A pipeline: each command is given the value of the one before as its last argument."""
        value: Any = None
        first = True
        while True:
            words: list[Any] = []
            function = ""
            while (index < len(tokens) and tokens[index][1] not in ("|", ")")) or (
                index < len(tokens) and tokens[index][0] in ("string", "raw")
            ):
                kind, text = tokens[index]
                if kind == "word" and text not in ("true", "false", "nil"):
                    if words or function:
                        words.append(self.call(text, []))
                    else:
                        function = text
                    index += 1
                elif text == "(" and kind == "sign":
                    inner, index = self.commands(tokens, index + 1, dot, names)
                    if index >= len(tokens) or tokens[index][1] != ")":
                        raise TemplateError("unclosed left paren")
                    index += 1
                    if (
                        index < len(tokens)
                        and tokens[index][0] == "field"
                        and (tokens[index][1].startswith(".") and tokens[index][1] != ".")
                    ):
                        inner = self.field(inner, tokens[index][1])
                        index += 1
                    words.append(inner)
                else:
                    words.append(self.operand(kind, text, dot, names))
                    index += 1
            if not first:
                words.append(value)
            if function:
                value = self.call(function, words)
            elif len(words) == 1:
                value = words[0]
            else:
                raise TemplateError("missing value for command")
            if index < len(tokens) and tokens[index] == ("sign", "|"):
                index, first = index + 1, False
                continue
            return value, index

    def operand(self, kind: str, text: str, dot: Any, names: dict[str, Any]) -> Any:
        if kind == "string":
            return json.loads(text)
        if kind == "raw":
            return text[1:-1]
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "word":
            return {"true": True, "false": False}.get(text)
        if kind != "field":
            raise TemplateError(f"unexpected {text!r}")
        name, _, path = text.partition(".")
        if not name:
            return dot if text == "." else self.field(dot, text)
        if name != "$" and name not in names:
            raise TemplateError(f"undefined variable {name!r}")
        value = self.root if name == "$" else names[name]
        return self.field(value, f".{path}") if path else value

    def field(self, value: Any, path: str) -> Any:
        for name in path.strip(".").split("."):
            if value is MISSING or value is None:
                raise TemplateError(f"nil pointer evaluating interface {{}}.{name}")
            if not isinstance(value, Mapping):
                raise TemplateError(f"can't evaluate field {name} in type {type(value).__name__}")
            if name not in value and self.strict:
                raise TemplateError(f'map has no entry for key "{name}"')
            value = value.get(name, MISSING)
        return value

    def call(self, name: str, words: list[Any]) -> Any:
        if name not in FUNCTIONS:
            raise TemplateError(f'function "{name}" not defined')
        try:
            return FUNCTIONS[name](*words)
        except TemplateError:
            raise
        except Exception as error:  # a template may call a function with anything
            raise TemplateError(f"error calling {name}: {error}") from None


def _assigned(text: str) -> tuple[list[str], str]:
    """The variables that a pipeline is assigned to, and the pipeline."""
    match = re.match(r"\s*(\$\w+)(?:\s*,\s*(\$\w+))?\s*:?=(?!=)", text)
    if match is None:
        return [], text
    return [name for name in match.groups() if name], text[match.end() :]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    text = text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise TemplateError(f"unexpected {text[position:]!r} in operand")
        assert match.lastgroup is not None
        yield match.lastgroup, match[match.lastgroup]
        position = match.end()


def printed(value: Any) -> str:
    """A value as Go prints it."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "<no value>"
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{k}:{printed(value[k])}' for k in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(printed(each) for each in value)}]"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


def normalize(name: Any) -> str:
    """A text as it may be a name: lower case, other characters than a-z, 0-9, `-`, `.` to `-`."""
    text = re.sub(r"[^-a-z0-9.]", "-", printed(name).lower())[:253]
    return text.strip("-.")


def slugify(*words: Any) -> str:
    """A text as it may be a label: short, and without what is no letter or digit."""
    text = printed(words[-1])
    longest = int(words[0]) if len(words) > 1 else 50
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return slug[:longest].strip("-")


def _format(pattern: str, *values: Any) -> str:
    left = list(values)

    def one(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        text = printed(left.pop(0) if left else MISSING)
        if match[0][-1] == "q":
            return json.dumps(text)
        width = int(match[2] or 0)
        return text.ljust(width) if match[1] else text.rjust(width, "0" if match[3] else " ")

    return re.sub(r"%%|%(-)?((0)?\d{0,3})[svdqt]", one, pattern)


def _index(value: Any, *path: Any) -> Any:
    for step in path:
        if isinstance(value, Mapping):
            value = value.get(step, MISSING)
        elif isinstance(value, list | str):
            if not 0 <= int(step) < len(value):
                raise TemplateError(f"error calling index: index out of range: {step}")
            value = value[int(step)]
        else:
            raise TemplateError("error calling index: can't index item")
    return value


def _to_yaml(value: Any) -> str:
    return str(yaml.safe_dump(value, default_flow_style=False, sort_keys=True)).rstrip("\n")


def _from_yaml(text: str) -> Any:
    documents = read(str(text).encode(), "value.yaml")
    return documents[0].value if documents else {}


def _indent(count: int, text: str) -> str:
    return "\n".join(" " * min(count, 200) + line for line in printed(text).split("\n"))


def _equal(first: Any, *others: Any) -> bool:
    return any(first == other for other in others)


def _and(*values: Any) -> Any:
    return next((value for value in values if not value), values[-1])


def _or(*values: Any) -> Any:
    return next((value for value in values if value), values[-1])


def _dict(*words: Any) -> dict[str, Any]:
    return {printed(words[i]): words[i + 1] for i in range(0, len(words) - 1, 2)}


def _text(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a text, which comes last; any value is printed first."""
    return lambda *words: function(*words[:-1], printed(words[-1]))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "and": _and,
    "or": _or,
    "not": lambda value: not value,
    "eq": _equal,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "len": len,
    "index": _index,
    "get": lambda value, key: value.get(key, ""),
    "dig": lambda *w: _dig(list(w[:-2]), w[-2], w[-1]),
    "printf": _format,
    "print": lambda *words: "".join(map(printed, words)),
    "default": lambda other, *value: value[0] if value and value[0] else other,
    "coalesce": lambda *values: next((value for value in values if value), None),
    "empty": lambda value: not value,
    "ternary": lambda yes, no, test: yes if test else no,
    "required": lambda why, value: value if value not in (None, MISSING, "") else _fail(why),
    "fail": lambda why: _fail(why),
    "quote": lambda *words: " ".join(json.dumps(printed(w), ensure_ascii=False) for w in words),
    "squote": lambda *words: " ".join(f"'{printed(w)}'" for w in words),
    "lower": _text(str.lower),
    "upper": _text(str.upper),
    "title": _text(str.title),
    "trim": _text(str.strip),
    "trimAll": _text(lambda cut, text: text.strip(cut)),
    "trimPrefix": _text(lambda cut, text: text.removeprefix(cut)),
    "trimSuffix": _text(lambda cut, text: text.removesuffix(cut)),
    "trunc": _text(lambda count, text: text[:count] if count >= 0 else text[count:]),
    "replace": _text(lambda old, new, text: text.replace(old, new)),
    "contains": _text(lambda part, text: part in text),
    "hasPrefix": _text(lambda part, text: text.startswith(part)),
    "hasSuffix": _text(lambda part, text: text.endswith(part)),
    "substr": _text(lambda begin, end, text: text[begin:end]),
    "splitList": _text(lambda by, text: text.split(by)),
    "split": _text(lambda by, text: {f"_{i}": p for i, p in enumerate(text.split(by))}),
    "join": lambda by, values: by.join(map(printed, values)),
    "regexMatch": _text(lambda pattern, text: re2.search(pattern, text) is not None),
    "regexReplaceAll": lambda pattern, text, new: re2.sub(
        pattern, re.sub(r"\$\{?(\d+)\}?", r"\\\1", new), printed(text)
    ),
    "list": lambda *values: list(values),
    "dict": _dict,
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
    "has": lambda value, values: value in values,
    "hasKey": lambda value, key: key in value,
    "keys": lambda value: sorted(value),
    "uniq": lambda values: list(dict.fromkeys(values)),
    "sortAlpha": lambda values: sorted(map(printed, values)),
    "add": lambda *values: sum(int(value) for value in values),
    "sub": lambda a, b: int(a) - int(b),
    "mul": lambda a, b: int(a) * int(b),
    "div": lambda a, b: int(a) // int(b),
    "mod": lambda a, b: int(a) % int(b),
    "int": lambda value: int(value),
    "toString": printed,
    "atoi": lambda value: int(value),
    "indent": _indent,
    "nindent": lambda count, text: "\n" + _indent(count, text),
    "toJson": lambda value: json.dumps(value, separators=(",", ":"), sort_keys=True),
    "fromJson": lambda text: json.loads(text),
    "toYaml": _to_yaml,
    "fromYaml": _from_yaml,
    "fromYamlArray": _from_yaml,
    "normalize": normalize,
    "slugify": slugify,
}


def _dig(path: list[Any], default: Any, value: Any) -> Any:
    for step in path:
        if not isinstance(value, Mapping) or step not in value:
            return default
        value = value[step]
    return value


def _fail(why: Any) -> Any:
    raise TemplateError(printed(why))
