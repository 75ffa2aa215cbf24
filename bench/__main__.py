"""`python -m bench`: run the cases, print the table, write it into docs/benchmarks.md."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from bench import cases
from bench.harness import Figure, as_markdown, conditions

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
BLOCK = re.compile(r"(<!-- begin measured -->\n).*(<!-- end measured -->)", re.DOTALL)


def main() -> int:
    """Measure; the exit code is always 0, for good and for bad figures."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repetitions; write nothing")
    parser.add_argument("only", nargs="*", choices=[[], *cases.CASES], help="the cases to run")
    options = parser.parse_args()
    figures: list[Figure] = []
    for name in options.only or cases.CASES:
        print(f"… {name}", file=sys.stderr, flush=True)
        figures += cases.CASES[name](1 if options.quick else cases.ROUNDS)
    text = measured(figures)
    print(text)
    if not options.quick and not options.only:
        PAGE.write_text(BLOCK.sub(lambda found: found[1] + text + found[2], PAGE.read_text()))
        print(f"written to {PAGE.relative_to(Path.cwd())}", file=sys.stderr)
    return 0


def measured(figures: Iterable[Figure]) -> str:
    """What stands between the marks in docs/benchmarks.md."""
    return f"\n{conditions()}\n\n{as_markdown(figures)}\n\n"


if __name__ == "__main__":
    sys.exit(main())
