"""Pipelines: what a push or a pull request sets off, described in the repository.

A pipeline is read from `.gitops-lab/pipeline.yaml` of the very commit that it is for. `definition`
reads it, `runs` keeps what became of it in Git, `actions` are the steps that it may consist of, and
`runner` is a deployer that runs it: with no file in the repository, it does what the push deployer
does.
"""

from gitops_lab.pipeline.definition import DEFAULT, PATH, Pipeline, parse
from gitops_lab.pipeline.runner import PipelineDeployer
from gitops_lab.pipeline.runs import Run, Runs
from gitops_lab.pipeline.schema import SCHEMA

__all__ = ["DEFAULT", "PATH", "SCHEMA", "Pipeline", "PipelineDeployer", "Run", "Runs", "parse"]
