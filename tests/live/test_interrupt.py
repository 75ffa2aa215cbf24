"""Ctrl-C during `up`, at any moment: what the message says is true."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.live.shell import ROOT, Shell, eventually
from tests.live.test_faults import linux, processes


@linux
@pytest.mark.parametrize("after", [0.3, 0.6, 0.9, 1.3, 1.8, 2.5])
def test_ctrl_c_leaves_nothing_or_says_what_it_leaves(tmp_path: Path, after: float) -> None:
    own = Shell(tmp_path, name="own")
    up = subprocess.Popen(
        [sys.executable, "-m", "gitops_lab", "up", "--name", "own", "--arms", "pull"],
        cwd=ROOT, env=own.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    time.sleep(after)
    os.kill(up.pid, signal.SIGINT)
    _, text = up.communicate(timeout=100)
    if up.returncode == 0:  # it had ended before the signal came
        assert own.state.is_alive
    elif "nothing is left behind" in text:
        assert up.returncode == 130
        assert not own.state.path.exists()
        eventually(lambda: processes(str(own.folder)) == [])
    else:
        # Python itself was interrupted while it was still loading: nothing was started.
        assert own.state.is_alive == ("the sandbox runs" in text), text
        assert own.state.path.exists() == ("the sandbox runs" in text), text
    own("down")
