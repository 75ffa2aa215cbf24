"""Which files of a repository a deployer never sees: Flux's default exclusions and `.sourceignore`.

Source: fluxcd/pkg/sourceignore, as source-controller 1.9 uses it. The syntax is `.gitignore`'s. A
`.sourceignore` counts for its own folder and below; a pattern that begins with `!` takes a file
back in.
"""

from __future__ import annotations

from dataclasses import replace

from pathspec import GitIgnoreSpec

from gitops_lab.model import Artifact

IGNORE_FILE = ".sourceignore"

VERSION_CONTROL = (".git/", ".gitignore", ".gitmodules", ".gitattributes")
BINARIES = ("*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip")
PIPELINES = (
    ".github/", ".circleci/", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml",
    "cloudbuild.yaml", "codeship-services.yml", "codeship-steps.yml",
    ".gitops-lab/",  # our own pipeline file, as Flux leaves other tools' files out
)  # fmt: skip
TOOLS = ("**/.goreleaser.yml", "**/.sops.yaml", "**/.flux.yaml")
DEFAULTS = (*VERSION_CONTROL, *BINARIES, *PIPELINES, *TOOLS)


def without_ignored(artifact: Artifact, extra: str | None = None) -> Artifact:
    """The artifact without the files that are excluded.

    Args:
        artifact: the files of a revision.
        extra: patterns in place of the defaults (`spec.ignore` of a GitRepository in Flux); None
            leaves the defaults. The `.sourceignore` files count in both cases.
    """
    patterns = list(DEFAULTS if extra is None else (*VERSION_CONTROL, *extra.splitlines()))
    for path in sorted(artifact.files, key=lambda path: (path.count("/"), path)):
        folder, _, name = path.rpartition("/")
        if name == IGNORE_FILE:
            lines = artifact.files[path].decode(errors="replace").splitlines()
            patterns += [_below(folder, line) for line in lines]
    spec = GitIgnoreSpec.from_lines(patterns)
    ignored = {path for path in (*artifact.files, *artifact.links) if spec.match_file(path)}
    if not ignored:
        return artifact
    return replace(
        artifact,
        files={path: text for path, text in artifact.files.items() if path not in ignored},
        links={path: text for path, text in artifact.links.items() if path not in ignored},
        digest="" if extra is not None else artifact.digest,
    )


def _below(folder: str, line: str) -> str:
    """A line of the `.sourceignore` in a folder, as the repository's root would write it."""
    pattern = line.strip()
    if not folder or not pattern or pattern.startswith("#"):
        return line
    taken_back = pattern.startswith("!")
    pattern = pattern.removeprefix("!")
    anchored = "/" in pattern.rstrip("/")
    place = f"/{folder}/{pattern.lstrip('/')}" if anchored else f"/{folder}/**/{pattern}"
    return f"!{place}" if taken_back else place
