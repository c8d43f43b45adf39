"""Is a module of schemas sound? Asked before it is written, in a process of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from syncflow_pipelines.schemas.examination.process import Examiner

Stage = Literal["syntax", "imports", "structure"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something for which a module must not be written."""

    stage: Stage
    where: str
    """A line or a class; empty where it is the whole module."""
    reason: str

    def __str__(self) -> str:
        return f"{self.stage}: {self.where}: {self.reason}" if self.where else f"{self.stage}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """What was found in a module."""

    problems: tuple[Problem, ...] = ()
    classes: int = 0
    """How many models of Pydantic it defines."""
    samples: int = 0
    """How many of them took a sample; of the others none could be made, or it did not matter."""

    @property
    def is_valid(self) -> bool:
        """Whether it can be written."""
        return not self.problems


def validate_module(
    text: str, examiner: Examiner, *, exports: Sequence[str] | None = None, must_take_samples: bool = True
) -> ValidationReport:
    """What is wrong with the module.

    It has to be Python, to import with what is installed, to offer what its `__all__` says (just `exports`, where they
    are given), and to have a JSON Schema of each class. Every class has to take a sample, unless `must_take_samples` is
    off: modules of other generators follow rules that no sample can be made by.
    """
    task = {"job": "validate", "text": text, "exports": exports, "must_take_samples": must_take_samples}
    found = examiner.ask(task)
    if "ended" in found:
        return ValidationReport((Problem("imports", "", found["ended"]),))
    problems = tuple(Problem(**problem) for problem in found["problems"])
    return ValidationReport(problems, found["classes"], found["samples"])
