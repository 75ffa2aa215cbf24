"""The few commands that a simulated container can pretend to run, for `kubectl exec`.

They show what a learner looks for inside a container: its environment, its configuration, and
whether it reaches another application. Their words are those of busybox, and of curl.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from kubesim.applications import Applications
from kubesim.applications.exchange import Request, Response
from kubesim.applications.routing import (
    DOMAIN,
    UnknownName,
    Unreachable,
    look_up,
)
from kubesim.applications.shell import NotSimple, Outcome, execute
from kubesim.controllers.process import Process
from kubesim.model import Object

__all__ = ["COMMANDS", "Inside", "Outcome", "environment", "files", "reads_input", "run"]

NOT_FOUND = 127
"""The exit code of a command that is not there, as of a shell."""

NAMESERVER = "10.96.0.10"
"""The address of the cluster's DNS."""

_SHELLS = ("sh", "bash", "ash")


@dataclass(frozen=True)
class Inside:
    """Where a command runs.

    Args:
        applications: all applications of the cluster.
        pod: the pod.
        process: what runs in the container.
        given: the input of the command.
    """

    applications: Applications
    pod: Object
    process: Process
    given: bytes = b""


def run(inside: Inside, command: Sequence[str]) -> Outcome:
    """Run a command and its arguments."""
    name, *arguments = command
    name = name.rpartition("/")[2]
    if name in _SHELLS:
        return _shell(inside, name, arguments)
    if name not in COMMANDS:
        return _missing(inside, name)
    return COMMANDS[name](inside, arguments)


def reads_input(command: Sequence[str]) -> bool:
    """Whether a command goes on until its input ends."""
    name = command[0].rpartition("/")[2]
    if name in _SHELLS:
        return "cat" in command[-1].split()
    return name == "cat" and not [each for each in command[1:] if each != "-"]


def _missing(inside: Inside, name: str) -> Outcome:
    why = (
        f'container "{inside.process.container}" is simulated: no process runs in it, and there is '
        f"no {name!r}. What it can pretend to run: {', '.join(sorted((*COMMANDS, 'sh -c')))}."
    )
    return _failed(why, NOT_FOUND)


def _shell(inside: Inside, name: str, arguments: Sequence[str]) -> Outcome:
    """`sh -c` with a simple script; there is no shell to type into."""
    if len(arguments) < 2 or arguments[0] not in ("-c", "-ec", "-xc", "-lc"):
        return _missing(inside, name)

    def one(command: Sequence[str], given: bytes) -> Outcome:
        return run(replace(inside, given=given), command)

    try:
        return execute(arguments[1], one, environment(inside), given=inside.given)
    except NotSimple as why:
        return _failed(f"{name}: {why}", 2)


def _true(inside: Inside, arguments: Sequence[str]) -> Outcome:
    return Outcome()


def _false(inside: Inside, arguments: Sequence[str]) -> Outcome:
    return Outcome(1)


def _echo(inside: Inside, arguments: Sequence[str]) -> Outcome:
    options = 0
    while options < len(arguments) and re.fullmatch(r"-[neE]+", arguments[options]):
        options += 1
    letters, text = "".join(arguments[:options]), " ".join(arguments[options:])
    text = _unescaped(text) if "e" in letters else text
    return Outcome(out=text.encode()) if "n" in letters else _said(text)


def _printf(inside: Inside, arguments: Sequence[str]) -> Outcome:
    """`printf FORMAT VALUE…` with %s, %d, %% and backslashes; the format repeats as it must."""
    if not arguments:
        return _failed("printf: usage: printf FORMAT [ARGUMENT...]")
    form, values, out = _unescaped(arguments[0]), list(arguments[1:]), ""
    while True:
        before = len(values)

        def put(found: re.Match[str]) -> str:
            if found[0] == "%%":
                return "%"
            value = values.pop(0) if values else ("0" if found[1] == "d" else "")
            return value

        out += re.sub(r"%([sd%])", put, form)
        if not values or len(values) == before:
            return Outcome(out=out.encode())


def _unescaped(text: str) -> str:
    known = {"n": "\n", "t": "\t", "\\": "\\", "r": "\r", "a": "\a", "0": "\0"}
    return re.sub(r"\\(.)", lambda found: known.get(found[1], found[0]), text)


def _date(inside: Inside, arguments: Sequence[str]) -> Outcome:
    """The time in the cluster, in UTC."""
    now = inside.applications.now()
    at = datetime.fromtimestamp(now, UTC)
    form = next((each[1:] for each in arguments if each.startswith("+")), "")
    if form:
        return _said(at.strftime(form.replace("%s", str(int(now)))))
    if any(each in ("-Iseconds", "-Is", "--iso-8601=seconds") for each in arguments):
        return _said(at.strftime("%Y-%m-%dT%H:%M:%S+00:00"))
    return _said(at.strftime("%a %b %e %H:%M:%S UTC %Y"))


def _sleep(inside: Inside, arguments: Sequence[str]) -> Outcome:
    seconds = 0.0
    for each in arguments or [""]:
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smh]?)", each)
        if found is None:
            return _failed(f"sleep: invalid number '{each}'")
        seconds += float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]
    return Outcome(seconds=seconds)


def _pwd(inside: Inside, arguments: Sequence[str]) -> Outcome:
    return _said(inside.process.spec.get("workingDir") or "/")


def _whoami(inside: Inside, arguments: Sequence[str]) -> Outcome:
    user = _user(inside)
    return _said("root") if user == 0 else _failed(f"whoami: unknown uid {user}")


def _id(inside: Inside, arguments: Sequence[str]) -> Outcome:
    user = _user(inside)
    if arguments[:1] in (["-u"], ["-g"]):
        return _said(str(user if arguments[0] == "-u" else 0))
    return _said(
        "uid=0(root) gid=0(root) groups=0(root)" if not user else f"uid={user} gid=0(root)"
    )


def _user(inside: Inside) -> int:
    """The user id that the container runs as."""
    own = (inside.process.spec.get("securityContext") or {}).get("runAsUser")
    pod = (inside.pod["spec"].get("securityContext") or {}).get("runAsUser")
    return int(own if own is not None else pod or 0)


def _uname(inside: Inside, arguments: Sequence[str]) -> Outcome:
    if "-a" in arguments:
        return _said(f"Linux {inside.process.pod} simulated x86_64 GNU/Linux")
    return _said({"-r": "simulated", "-m": "x86_64"}.get("".join(arguments[:1]), "Linux"))


def _env(inside: Inside, arguments: Sequence[str]) -> Outcome:
    return _said("\n".join(f"{name}={value}" for name, value in environment(inside).items()))


def _printenv(inside: Inside, arguments: Sequence[str]) -> Outcome:
    if not arguments:
        return _env(inside, arguments)
    values = [environment(inside).get(name) for name in arguments]
    known = [value for value in values if value is not None]
    out = _said("\n".join(known)).out if known else b""
    return Outcome(0 if len(known) == len(values) else 1, out)


def _hostname(inside: Inside, arguments: Sequence[str]) -> Outcome:
    return _said(inside.process.ip if arguments == ["-i"] else inside.process.pod)


def _cat(inside: Inside, arguments: Sequence[str]) -> Outcome:
    known, out, err = files(inside), b"", b""
    for path in arguments or ["-"]:
        if path == "-":
            out += inside.given
        elif path in known:
            out += known[path].encode()
        elif _entries(known, path):
            err += b"cat: read error: Is a directory\n"
        else:
            err += f"cat: can't open '{path}': No such file or directory\n".encode()
    return Outcome(1 if err else 0, out, err)


def _ls(inside: Inside, arguments: Sequence[str]) -> Outcome:
    known, out, err = files(inside), "", ""
    paths = [each for each in arguments if not each.startswith("-")] or ["/"]
    for path in paths:
        if path in known:
            out += f"{path}\n"
        elif entries := _entries(known, path):
            head = f"{path}:\n" if len(paths) > 1 else ""
            out += head + "".join(f"{entry}\n" for entry in entries)
        else:
            err += f"ls: {path}: No such file or directory\n"
    return Outcome(1 if err else 0, out.encode(), err.encode())


def _entries(known: dict[str, str], folder: str) -> list[str]:
    start = folder.rstrip("/") + "/"
    below = [path.removeprefix(start) for path in known if path.startswith(start)]
    return sorted({path.partition("/")[0] for path in below})


def _tar(inside: Inside, arguments: Sequence[str]) -> Outcome:
    """What `kubectl cp` runs in the container."""
    return _failed("tar: this container is simulated: it has no files that could be copied", 1)


def _nslookup(inside: Inside, arguments: Sequence[str]) -> Outcome:
    name = arguments[0] if arguments else "localhost"
    server = f"Server:\t\t{NAMESERVER}\nAddress:\t{NAMESERVER}:53\n\n"
    try:
        found = look_up(inside.applications.store, name, inside.pod)
    except UnknownName:
        missing = f"{server}** server can't find {name}: NXDOMAIN\n"
        return Outcome(1, missing.encode())
    if found.service is not None:
        metadata = found.service["metadata"]
        name = f"{metadata['name']}.{metadata['namespace']}.svc.{DOMAIN}"
    return Outcome(out=f"{server}Name:\t{name}\nAddress: {found.ip}\n".encode())


# Clients of HTTP


@dataclass
class _Asked:
    """What the arguments of wget or curl ask for."""

    url: str = ""
    method: str = ""
    body: bytes = b""
    headers: dict[str, str] | None = None
    output: str = ""
    told: str = ""
    letters: str = ""
    """The options without a value, as letters."""


_WITH_VALUE = {
    "wget": {"-O": "output", "-T": "", "-t": "", "-U": "agent", "-o": "", "-Y": ""},
    "curl": {
        "-H": "header",
        "-X": "method",
        "-d": "body",
        "-A": "agent",
        "-o": "output",
        "-w": "told",
        "-m": "",
        "-u": "",
    },
}
_LONG = {
    "--header": "header",
    "--post-data": "body",
    "--data": "body",
    "--request": "method",
    "--user-agent": "agent",
    "--output": "output",
    "--write-out": "told",
    "--timeout": "",
    "--tries": "",
    "--max-time": "",
    "--connect-timeout": "",
    "--retry": "",
}
_LETTERS = {
    "--spider": "I",
    "--head": "I",
    "--quiet": "q",
    "--silent": "s",
    "--fail": "f",
    "--include": "i",
}


def _asked(tool: str, arguments: Sequence[str]) -> _Asked:
    """The options and the URL, as both tools write them: `-qO-`, `-O -`, `--timeout=5`."""
    asked, rest = _Asked(headers={"User-Agent": tool}), list(arguments)
    while rest:
        each = rest.pop(0)
        if each.startswith("--"):
            name, equals, value = each.partition("=")
            if name in _LONG:
                _set(asked, _LONG[name], value if equals else rest.pop(0) if rest else "")
            else:
                asked.letters += _LETTERS.get(name, "")
        elif each.startswith("-") and len(each) > 1:
            for at, letter in enumerate(each[1:], 1):
                meaning = _WITH_VALUE[tool].get(f"-{letter}")
                if meaning is not None:
                    _set(asked, meaning, each[at + 1 :] or (rest.pop(0) if rest else ""))
                    break
                asked.letters += letter
        else:
            asked.url = each
    return asked


def _set(asked: _Asked, meaning: str, value: str) -> None:
    headers = asked.headers or {}
    if meaning == "header":
        name, _, text = value.partition(":")
        headers[name.strip().title()] = text.strip()
    elif meaning == "agent":
        headers["User-Agent"] = value
    elif meaning == "body":
        asked.body += value.encode()
    elif meaning:
        setattr(asked, meaning, value)


@dataclass(frozen=True)
class _Url:
    """A URL, taken apart."""

    host: str
    port: int
    path: str
    query: str


def _url(text: str) -> _Url | None:
    """A URL of plain HTTP; None if it is none."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port or 80
    except ValueError:
        return None
    if parts.scheme != "http" or not parts.hostname:
        return None
    return _Url(parts.hostname, port, parts.path or "/", parts.query)


def _fetched(inside: Inside, asked: _Asked, url: _Url) -> tuple[str, Response]:
    """Raises: UnknownName, Unreachable."""
    method = asked.method or ("HEAD" if "I" in asked.letters else "POST" if asked.body else "GET")
    host = url.host if url.port == 80 else f"{url.host}:{url.port}"
    headers = {"Host": host, "Accept": "*/*", **(asked.headers or {})}
    request = Request(method.upper(), url.path, url.query, headers, asked.body)
    return inside.applications.fetch(inside.pod, url.host, url.port, request)


def _wget(inside: Inside, arguments: Sequence[str]) -> Outcome:
    asked = _asked("wget", arguments)
    url = _url(asked.url)
    if url is None:
        return _failed(f"wget: not an http url: {asked.url}")
    is_quiet = "q" in asked.letters
    told = ""
    try:
        ip, response = _fetched(inside, asked, url)
    except UnknownName:
        return _failed(f"wget: bad address '{url.host}'")
    except Unreachable as error:
        address, _, _ = error.address.rpartition(":")
        connecting = "" if is_quiet else f"Connecting to {url.host} ({error.address})\n"
        if error.is_silent:
            return _failed(f"{connecting}wget: download timed out")
        why = f"wget: can't connect to remote host ({address}): Connection refused"
        return _failed(connecting + why)
    if not is_quiet:
        told = f"Connecting to {url.host} ({ip}:{url.port})\n"
    if response.code >= 400:
        why = f"wget: server returned error: HTTP/1.1 {response.code} {response.phrase}"
        return _failed(told + why)
    if "I" in asked.letters:
        return Outcome(err=told.encode() + (b"" if is_quiet else b"remote file exists\n"))
    if asked.output in ("-", "/dev/stdout"):
        return Outcome(out=response.body, err=told.encode())
    name = asked.output or url.path.rpartition("/")[2] or "index.html"
    return Outcome(err=told.encode() + (b"" if is_quiet else f"'{name}' saved\n".encode()))


def _curl(inside: Inside, arguments: Sequence[str]) -> Outcome:
    asked = _asked("curl", arguments)
    url = _url(asked.url)
    if not asked.url:
        return _failed("curl: (2) no URL specified", 2)
    if url is None:
        return _failed("curl: (1) only http is simulated", 1)
    try:
        _, response = _fetched(inside, asked, url)
    except UnknownName:
        return _curled(asked, 6, f"Could not resolve host: {url.host}")
    except Unreachable as error:
        where = f"Failed to connect to {url.host} port {url.port}"
        if error.is_silent:
            return _curled(asked, 28, f"{where}: Connection timed out")
        return _curled(asked, 7, f"{where}: Could not connect to server")
    told = asked.told.replace("\\n", "\n").replace("%{http_code}", str(response.code)).encode()
    if "f" in asked.letters and response.code >= 400:
        failed = _curled(asked, 22, f"The requested URL returned error: {response.code}")
        return Outcome(failed.code, told, failed.err)
    head = (
        f"HTTP/1.1 {response.code} {response.phrase}\r\nContent-Type: {response.media}\r\n"
        f"Content-Length: {len(response.body)}\r\n\r\n"
    ).encode()
    out = head if set("iI") & set(asked.letters) else b""
    if "I" not in asked.letters:
        out += response.body
    return Outcome(out=(b"" if asked.output not in ("", "-") else out) + told)


def _curled(asked: _Asked, code: int, why: str) -> Outcome:
    is_silent = "s" in asked.letters and "S" not in asked.letters
    return Outcome(code) if is_silent else _failed(f"curl: ({code}) {why}", code)


def _said(text: str) -> Outcome:
    return Outcome(out=f"{text}\n".encode())


def _failed(text: str, code: int = 1) -> Outcome:
    return Outcome(code, err=f"{text}\n".encode())


COMMANDS: dict[str, Callable[[Inside, Sequence[str]], Outcome]] = {
    "cat": _cat,
    "curl": _curl,
    "date": _date,
    "echo": _echo,
    "env": _env,
    "false": _false,
    "hostname": _hostname,
    "id": _id,
    "ls": _ls,
    "nslookup": _nslookup,
    "printenv": _printenv,
    "printf": _printf,
    "pwd": _pwd,
    "sleep": _sleep,
    "tar": _tar,
    "true": _true,
    "uname": _uname,
    "wget": _wget,
    "whoami": _whoami,
}
"""What there is, by name."""


def environment(inside: Inside) -> dict[str, str]:
    """The environment of a command: the container's, after what every container has."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "HOSTNAME": inside.process.pod, **inside.process.environment}


def files(inside: Inside) -> dict[str, str]:
    """The files of a container, by path: mounted configuration, and what the kubelet writes."""
    process = inside.process
    search = " ".join(f"{part}{DOMAIN}" for part in (f"{process.namespace}.svc.", "svc.", ""))
    return {
        **process.files,
        "/etc/hostname": f"{process.pod}\n",
        "/etc/hosts": f"127.0.0.1\tlocalhost\n{process.ip}\t{process.pod}\n",
        "/etc/resolv.conf": f"search {search}\nnameserver {NAMESERVER}\noptions ndots:5\n",
    }
