"""`python -m gitops_lab` is `gitops-lab`."""

import sys

from gitops_lab.cli import main

sys.exit(main())
