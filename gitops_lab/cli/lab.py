"""The commands for labs: `gitops-lab lab …`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitops_lab.cli.clone import AUTHORITIES, beside_a_checkout
from gitops_lab.cli.escape import escaped
from gitops_lab.cli.printing import missing_from_path
from gitops_lab.errors import LabError, UsageError

if TYPE_CHECKING:
    from gitops_lab.labs.format import Lab, Step
    from gitops_lab.labs.progress import Book, LabRecord, Progress
    from gitops_lab.labs.session import Report, Session
    from gitops_lab.state import StateFolder

MARK = "lab"
"""The file in a sandbox's folder that says which lab it is for."""

PATIENCE = 90.0
"""How long `lab check` waits for what may come by itself, in seconds of the sandbox."""


def add(commands: Any) -> None:
    """Add these commands to the command line.

    Args:
        commands: what `argparse` calls the sub-parsers.
    """
    parser = commands.add_parser(
        "lab",
        help="learn by doing: labs that check what you did and say why",
        description="Labs: read a step, predict, do it with your own git and kubectl, be checked.",
        epilog="example: gitops-lab lab start first-commit",
    )
    labs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(
        name: str, run: Callable[[argparse.Namespace], int], text: str, example: str
    ) -> Any:
        found = labs.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=f"example: gitops-lab lab {example}",
        )
        found.set_defaults(run=run)
        return found

    listing = command("list", run_list, "list the labs and how far you are", "list")
    listing.add_argument(
        "--labs", type=Path, metavar="DIR", help="labs of your own, in this folder"
    )
    start = command("start", run_start, "begin a lab, or go on with it", "start first-commit")
    start.add_argument("lab", help="its name, its number, or its folder")
    start.add_argument("--folder", type=Path, metavar="DIR", help="for your clone (default: ./LAB)")
    start.add_argument(
        "--name", default="default", metavar="NAME", help="the sandbox's name (default: default)"
    )
    start.add_argument("--speed", type=float, metavar="N", help="how fast time passes in it")
    start.add_argument("--backend", choices=("simulated", "kind"), help="where clusters come from")
    show = command("show", run_show, "show a step again", "show 2")
    show.add_argument("step", nargs="?", default="", help="its number or name (default: yours)")
    predict = command("predict", run_predict, "note what you think will happen", "predict b")
    predict.add_argument("text", nargs="+", metavar="TEXT", help="a choice, its letter, or words")
    check = command("check", run_check, "check the step that you are at", "check")
    check.add_argument("step", nargs="?", default="", help="its number or name (default: yours)")
    check.add_argument("--json", action="store_true", help="print what was found as JSON")
    answer = command("answer", run_answer, "answer the step's question", "answer 42")
    answer.add_argument("text", nargs="+", metavar="TEXT", help="your answer, or a choice's letter")
    hint = command("hint", run_hint, "show the next hint: a nudge, a pointer, the command", "hint")
    hint.add_argument("step", nargs="?", default="", help="its number or name (default: yours)")
    solve = command("solve", run_solve, "have the step done for you", "solve")
    solve.add_argument("step", nargs="?", default="", help="its number or name (default: yours)")
    watch = command("watch", run_watch, "check again whenever something changes", "watch")
    watch.add_argument("--seconds", type=float, metavar="N", help="end after so many seconds")
    reset = command("reset", run_reset, "go back to where a step, or the lab, begins", "reset 2")
    reset.add_argument("step", nargs="?", default="", help="its number or name (default: yours)")
    reset.add_argument("--lab", action="store_true", help="the whole lab")
    catch = command(
        "catch-up", run_catch_up, "be where a step begins, and skip the rest", "catch-up 3"
    )
    catch.add_argument("step", help="its number or name")
    context = command("context", run_context, "print task and state as text for a tutor", "context")
    context.add_argument("step", nargs="?", default="", help="its number or name (default: yours)")
    progress = command("progress", run_progress, "show or export your progress", "progress --csv")
    progress.add_argument("--json", action="store_true", help="print it as JSON")
    progress.add_argument("--csv", action="store_true", help="print it as CSV")
    progress.add_argument("--learner", default="", metavar="NAME", help="what to call you in it")
    verify = command(
        "verify", run_verify, "try labs as CI does, in virtual time", "verify labs/05-drift"
    )
    verify.add_argument("labs", nargs="*", metavar="LAB", help="names or folders (default: all)")
    verify.add_argument("--seed", type=int, default=1, help="the learner's (default: 1)")
    verify.add_argument(
        "--live", action="store_true", help="live: run every command that the steps show"
    )
    new = command("new", run_new, "make the skeleton of a lab of your own", "new labs/30-mine")
    new.add_argument("folder", type=Path, help="the lab's folder, like labs/30-mine")


# -- to see what there is -------------------------------------------------------------------------


def run_list(options: argparse.Namespace) -> int:
    """`gitops-lab lab list`."""
    from gitops_lab.labs import format, text

    book = _progress().read()
    labs = [format.load(folder, book.seed) for folder in format.folders(options.labs)]
    text.console().print(text.listing(labs, book.labs))
    if not options.labs:
        print(f"\n{_what_next(labs, book)}")
    return 0


def _what_next(labs: list[Lab], book: Book) -> str:
    """The lab to go on with, or the next one to begin."""
    if book.active and not book.lab(book.active).finished:
        return f"Go on with {book.active}: gitops-lab lab show"
    following = next((lab.id for lab in labs if not book.lab(lab.id).finished), "")
    return (
        f"Begin: gitops-lab lab start {following}" if following else "You have finished all labs."
    )


def run_progress(options: argparse.Namespace) -> int:
    """`gitops-lab lab progress`."""
    from gitops_lab.labs.progress import as_csv, rows

    book = _progress().read()
    found = rows(book, options.learner)
    if options.json:
        print(json.dumps({"schema": 1, "steps": found}, indent=2, ensure_ascii=False))
    elif options.csv:
        sys.stdout.write(as_csv(found))
    elif not found:
        print("You have not begun a lab yet: gitops-lab lab start first-commit")
    else:
        from gitops_lab.labs.text import sign

        for row in found:
            seconds = f"{row['seconds']:.0f} s" if row["seconds"] else ""
            print(
                f"{sign(row['state'])} {row['lab']:<24} {row['step']:<16} {row['state']:<8} "
                f"{row['tries']} tries, {row['hints']} hints {seconds}".rstrip()
            )
    return 0


# -- to begin, and to begin again -----------------------------------------------------------------


def run_start(options: argparse.Namespace) -> int:
    """`gitops-lab lab start`."""
    from gitops_lab.labs import format

    progress = _progress()
    lab = format.load(format.find(options.lab), progress.read().seed)
    folder = _state(options.name)
    _make_room(folder, lab)
    is_new = not (folder.path / MARK).exists()
    speed = options.speed or (lab.speed if is_new and options.backend != "kind" else None)
    wanted = {"arms": list(lab.arms), "backend": options.backend, "speed": speed}
    clone = options.folder or _clone_of(progress, lab) or beside_a_checkout(Path(lab.id))
    clone = clone.absolute()
    _up(folder, {k: v for k, v in wanted.items() if v})
    (folder.path / MARK).write_text(lab.id)
    with progress.change() as book:
        record = book.lab(lab.id)
        if is_new:
            record.steps.clear()
        record.folder, record.sandbox, record.clone = str(lab.folder), options.name, str(clone)
        book.active = lab.id
    session = _session(progress, lab)
    if is_new:
        try:
            session.begin()
        except BaseException:
            (folder.path / MARK).unlink(missing_ok=True)
            raise
    _follow(lab, folder, clone, is_new=is_new)
    _show_way(options.name, clone)
    return _show(session, session.step())


def run_reset(options: argparse.Namespace) -> int:
    """`gitops-lab lab reset`."""
    session = _active()
    session.reset(None if options.lab else session.step(options.step))
    return _started_again(session)


def run_catch_up(options: argparse.Namespace) -> int:
    """`gitops-lab lab catch-up`."""
    session = _active()
    session.catch_up(session.step(options.step))
    return _started_again(session)


def _started_again(session: Session) -> int:
    record = session.record
    _follow(session.lab, _state(record.sandbox), Path(record.clone), is_new=True)
    return _show(session, session.step())


# -- to learn -------------------------------------------------------------------------------------


def run_show(options: argparse.Namespace) -> int:
    """`gitops-lab lab show`."""
    session = _active()
    return _show(session, session.step(options.step))


def run_predict(options: argparse.Namespace) -> int:
    """`gitops-lab lab predict`."""
    session = _active()
    step = session.step()
    print(f"Noted: {session.predict(step, ' '.join(options.text))}.")
    return 0


def run_check(options: argparse.Namespace) -> int:
    """`gitops-lab lab check`: 0 if the step is done, 1 if not."""
    session = _active()
    step = session.step(options.step)
    if options.json:
        report = session.check(step)
        print(json.dumps(_as_json(report), indent=2, ensure_ascii=False))
        return 0 if report.passed else 1
    report = _judged(session, step)
    return _next(session, report)


def run_answer(options: argparse.Namespace) -> int:
    """`gitops-lab lab answer`: 0 if it is right, 1 if not."""
    session = _active()
    step = session.step()
    verdict = session.answer(step, " ".join(options.text))
    _print_markdown(verdict.text)
    if not verdict.right:
        return 1
    return _next(session, session.check(step, counts=False))


def run_hint(options: argparse.Namespace) -> int:
    """`gitops-lab lab hint`."""
    from gitops_lab.labs import text

    session = _active()
    step = session.step(options.step)
    number, hint = session.hint(step)
    print(f"Hint {number} of {len(step.hints)}")
    text.show(text.console(), text.hint(hint, session.record.sandbox))
    if number == len(step.hints):
        print("\nThat was the last one. `gitops-lab lab solve` does the step for you.")
    return 0


def run_solve(options: argparse.Namespace) -> int:
    """`gitops-lab lab solve`."""
    session = _active()
    step = session.step(options.step)
    report = session.solve(step)
    record = session.record
    _follow(session.lab, _state(record.sandbox), Path(record.clone), is_new=True)
    return _next(session, report)


def run_watch(options: argparse.Namespace) -> int:
    """`gitops-lab lab watch`: until the lab is done, or Ctrl-C."""
    from rich.live import Live

    from gitops_lab.labs import text

    session, console = _active(), text.console()
    end = time.monotonic() + options.seconds if options.seconds else float("inf")
    try:
        while (step := session.current) is not None and time.monotonic() < end:
            _show(session, step)
            report = session.check(step, counts=False)
            with Live(text.checks(report.results), console=console, auto_refresh=False) as shown:
                while not report.passed and time.monotonic() < end:
                    time.sleep(1)
                    record = session.record.step(step.id)
                    if record.is_done:
                        break
                    report = session.check(step, counts=False)
                    shown.update(text.checks(report.results, brief=False), refresh=True)
                    if report.question is not None:
                        break
            console.print(text.report(report, session.lab))
            if report.question is not None:
                _wait_for_answer(session, step, end)
    except KeyboardInterrupt:
        return 130
    return _finished(session) if session.current is None else 1


def _wait_for_answer(session: Session, step: Step, end: float) -> None:
    """Wait until a question is answered, here or in another terminal."""
    while not session.record.step(step.id).right and time.monotonic() < end:
        if not sys.stdin.isatty():
            time.sleep(1)
            continue
        words = input("Your answer: ")
        if words.strip():
            try:
                _print_markdown(session.answer(step, words).text)
            except UsageError as error:
                print(error)
    session.check(step, counts=False)


def run_context(options: argparse.Namespace) -> int:
    """`gitops-lab lab context`."""
    session = _active()
    print(escaped(session.context(session.step(options.step))), end="")
    return 0


# -- for authors ----------------------------------------------------------------------------------


def run_verify(options: argparse.Namespace) -> int:
    """`gitops-lab lab verify`: 0 if every lab is fit to be taught."""
    from concurrent.futures import ProcessPoolExecutor

    from gitops_lab.labs import format

    chosen = [format.find(name) for name in options.labs] or format.folders()
    if options.live or len(chosen) == 1:
        results = map(_verified, chosen, [options] * len(chosen))
        return _judge(zip(chosen, results, strict=True))
    with ProcessPoolExecutor() as pool:
        return _judge(
            zip(chosen, pool.map(_verified, chosen, [options] * len(chosen)), strict=True)
        )


def _verified(folder: Path, options: argparse.Namespace) -> tuple[list[str], float]:
    """What is wrong with a lab, and how many seconds it took to find out."""
    from gitops_lab.labs.verify import verify

    began = time.monotonic()
    found = _walked(folder) if options.live else verify(folder, seed=options.seed)
    return found, time.monotonic() - began


def _judge(results: Iterable[tuple[Path, tuple[list[str], float]]]) -> int:
    """Print what was found of each lab; the exit code."""
    faults = 0
    for folder, (found, seconds) in results:
        faults += len(found)
        state = "ok" if not found else f"{len(found)} faults" if len(found) > 1 else "1 fault"
        print(f"{folder.name:<28} {state:<10} {seconds:5.1f} s", flush=True)
        for fault in found:
            print(f"    {fault}")
    return 1 if faults else 0


def _walked(folder: Path) -> list[str]:
    """What is wrong with a lab if a learner does what its text says, live."""
    import tempfile

    from gitops_lab.labs import format
    from gitops_lab.labs.progress import Unsaved
    from gitops_lab.labs.walk import walk
    from gitops_lab.service.lifecycle import stop

    progress = Unsaved(os.getpid())
    lab = format.load(folder, progress.read().seed)
    sandbox = _state("default")
    _make_room(sandbox, lab)
    with tempfile.TemporaryDirectory(prefix="gitops-lab-") as scratch:
        clone = Path(scratch) / lab.id
        record = progress.read().lab(lab.id)
        record.sandbox, record.clone = "default", str(clone)
        try:
            _up(sandbox, {"arms": list(lab.arms), "speed": lab.speed})
            session = _session(progress, lab)
            session.begin()
            _follow(lab, sandbox, clone, is_new=True)
            (Path(scratch) / "bin").mkdir()
            return list(walk(session, clone, sandbox.kubeconfig, Path(scratch) / "bin"))
        finally:
            stop(sandbox)


def run_new(options: argparse.Namespace) -> int:
    """`gitops-lab lab new`."""
    from gitops_lab.labs.skeleton import make

    make(options.folder)
    print(f"Made {options.folder}. See what is missing: gitops-lab lab verify {options.folder}")
    return 0


# -- how it is done -------------------------------------------------------------------------------


def _progress() -> Progress:
    from gitops_lab.labs.progress import Progress

    return Progress()


def _state(name: str) -> StateFolder:
    from gitops_lab.state import StateFolder

    return StateFolder(name)


def _active() -> Session:
    """The session of the lab that was started last.

    Raises:
        UsageError: no lab was started.
    """
    from gitops_lab.labs import format

    progress = _progress()
    book = progress.read()
    if not book.active:
        raise UsageError(
            "you have not begun a lab", fix="begin with `gitops-lab lab start first-commit`"
        )
    record = book.lab(book.active)
    marked = _state(record.sandbox).path / MARK
    if not marked.exists() or marked.read_text() != book.active:
        raise LabError(
            f"the sandbox of the lab {book.active!r} is gone",
            fix=f"begin it again with `gitops-lab lab start {_named(Path(record.folder))}`",
        )
    return _session(progress, format.load(Path(record.folder), book.seed))


def _named(folder: Path) -> str:
    """How a lab is named on the command line: by its id, or by its folder if it is one's own."""
    from gitops_lab.labs import format

    return folder.name.partition("-")[2] if folder in format.folders() else str(folder)


def _session(progress: Progress, lab: Lab) -> Session:
    from gitops_lab.labs.live import LiveWorld
    from gitops_lab.labs.session import Session
    from gitops_lab.service.lifecycle import reset

    folder = _state(progress.read().lab(lab.id).sandbox)

    def world() -> LiveWorld:
        return LiveWorld(folder, folder.ask)

    def restart() -> LiveWorld:
        _keep_work(progress.read().lab(lab.id))
        reset(folder)
        (folder.path / MARK).write_text(lab.id)
        return world()

    return Session(lab, world(), progress, now=time.time, restart=restart)


def _make_room(folder: StateFolder, lab: Lab) -> None:
    """See that the sandbox is this lab's, or can become it; another lab's is ended.

    Raises:
        UsageError: it is a sandbox of the learner's own.
    """
    from gitops_lab.service.lifecycle import stop

    if not folder.settings().get("setup"):
        return
    mark = folder.path / MARK
    if not mark.exists():
        raise UsageError(
            f"there is a sandbox {folder.name!r} of yours",
            fix=f"end it with `gitops-lab down --name {folder.name}`, or let the lab have another: "
            f"gitops-lab lab start {lab.id} --name lab",
        )
    before = mark.read_text()
    if before != lab.id:
        record = _progress().read().lab(before)
        _keep_work(record)
        print(f"The lab {before!r} ends here; your clone of it stays.", file=sys.stderr)
        stop(folder)


def _keep_work(record: LabRecord) -> None:
    from gitops_lab.labs.workspace import Workspace

    workspace = Workspace(Path(record.clone))
    if record.clone and workspace.exists:
        branch = workspace.keep_work(pushed=True)
        if branch:
            print(f"Your work is kept on the branch {branch} of {record.clone}.", file=sys.stderr)


def _clone_of(progress: Progress, lab: Lab) -> Path | None:
    clone = progress.read().lab(lab.id).clone
    return Path(clone) if clone and (Path(clone) / ".git").exists() else None


def _up(folder: StateFolder, wanted: dict[str, Any]) -> None:
    from gitops_lab.service.lifecycle import start

    start(folder, wanted, progress=lambda line: print(line, file=sys.stderr, flush=True))


def _follow(lab: Lab, folder: StateFolder, clone: Path, *, is_new: bool) -> None:
    """Bring the learner's clone to where the sandbox's repository is; what is in it is kept."""
    from gitops_lab.labs.workspace import Workspace

    workspace, found = Workspace(clone), folder.description()
    was_there = workspace.exists
    workspace.make(found["git"], found["git_configuration"])
    if is_new or not was_there:
        has_commits = bool(_session_commits(folder))
        kept = workspace.follow(
            {} if has_commits and lab.files("repository") == {} else lab.files("work")
        )
        if kept:
            print(f"What you had is on the branch {kept} of {clone}.", file=sys.stderr)


def _session_commits(folder: StateFolder) -> str:
    from gitops_lab.forge import Repository

    path = Path(folder.description()["git_folder"].removeprefix("file://"))
    repository = Repository(path, now=time.time)
    try:
        return repository.tip()
    finally:
        repository.close()


def _show_way(sandbox: str, clone: Path) -> None:
    """What to type in the learner's terminal before anything else."""
    where = os.path.relpath(clone)
    name = "" if sandbox == "default" else f" --name {sandbox}"
    print("Type this in your terminal first:")
    if (folder := missing_from_path()) is not None:
        print(f'    export PATH="{folder}:$PATH"')
    if where != ".":
        print(f"    cd {where}")
    print(f"    export KUBECONFIG=$(gitops-lab kubeconfig{name})")
    if AUTHORITIES in os.environ:  # git trusts it more than the clone's configuration
        print(f"    unset {AUTHORITIES}")
    print()


def _show(session: Session, step: Step) -> int:
    from gitops_lab.labs import text

    record = session.record
    console = text.console()
    text.show(console, text.step_text(session.lab, step, record.step(step.id), record.sandbox))
    if step.predict is not None and not record.step(step.id).prediction:
        _ask_prediction(session, step)
    print("When done: gitops-lab lab check    Stuck? gitops-lab lab hint")
    return 0


def _ask_prediction(session: Session, step: Step) -> None:
    """Ask for a prediction where a person sits at a terminal; they may skip it."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    while words := input("Your prediction (Enter to skip): ").strip():
        try:
            print(f"Noted: {session.predict(step, words)}.\n")
            return
        except UsageError as error:
            print(error)


def _judged(session: Session, step: Step) -> Report:
    """Check a step; on a terminal, show how the checks become true while one waits."""
    from rich.live import Live

    from gitops_lab.labs import text

    console = text.console()
    if not console.is_terminal:
        report = session.check(step, patience=PATIENCE)
    else:
        with Live(console=console, auto_refresh=False, transient=True) as shown:
            report = session.check(
                step,
                patience=PATIENCE,
                look=lambda found: shown.update(
                    text.checks(found.results, brief=True), refresh=True
                ),
            )
    console.print(text.report(report, session.lab))
    return report


def _next(session: Session, report: Report) -> int:
    """What to do after a check; the exit code."""
    if not report.passed:
        if not report.holds:
            print("\nNot yet. Stuck? gitops-lab lab hint")
        return 1
    if session.current is None:
        return _finished(session)
    print("\nStep done.\n")
    return _show(session, session.current)


def _finished(session: Session) -> int:
    print(f"\nLab done: {session.lab.title}.")
    _print_markdown(session.lab.after, session.record.sandbox)
    print("\nNext: gitops-lab lab list    To end the sandbox: gitops-lab down")
    return 0


def _print_markdown(words: str, sandbox: str = "default") -> None:
    from gitops_lab.labs import text

    text.show(text.console(), text.markdown(text.for_sandbox(words, sandbox)))


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "step": report.step.id,
        "passed": report.passed,
        "checks": [
            {
                "title": result.title,
                "passed": result.passed,
                "waiting": result.waiting,
                "expected": result.expected,
                "observed": result.observed,
                "where": result.where,
            }
            for result in report.results
        ],
        "predicted": report.predicted,
        "measured": report.measured,
        "question": report.question.text if report.question else "",
    }
