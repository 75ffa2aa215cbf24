"""The verbs of the API, in-process: what a request means, free of HTTP."""

from kubesim.api.bootstrap import bootstrap
from kubesim.api.options import Options
from kubesim.api.verbs import Api
from kubesim.api.watch import Watch

__all__ = ["Api", "Options", "Watch", "bootstrap"]
