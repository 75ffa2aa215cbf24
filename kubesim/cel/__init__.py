"""CEL, the Common Expression Language, as the API server has it: compiled once, bounded, quick."""

from kubesim.cel.programs import (
    CompileError,
    EvaluationError,
    Program,
    failure,
    program,
)

__all__ = ["CompileError", "EvaluationError", "Program", "failure", "program"]
