"""The verbs of the API, in-process: what a request means, free of HTTP."""

from gitops_lab.apiserver.api.bootstrap import bootstrap
from gitops_lab.apiserver.api.options import Options
from gitops_lab.apiserver.api.verbs import Api
from gitops_lab.apiserver.api.watch import Watch

__all__ = ["Api", "Options", "Watch", "bootstrap"]
