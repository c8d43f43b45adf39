"""The variables that switch feature flags, before everything that a file says."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from syncflow_pipelines.config.environment import Environment, Variable
from syncflow_pipelines.config.explanations import one_of
from syncflow_pipelines.config.flags import SWITCHES, VARIABLE_PREFIX, Flag
from syncflow_pipelines.config.mistakes import Mistake, shown

_EXPECTED = "true or false (or on, off, yes, no, 1, 0)"


@dataclass(frozen=True, slots=True)
class SaidFlag:
    """What a variable says of a flag."""

    is_on: bool | None
    """None: it says something that is no switch."""
    where: str
    """For people."""


def flag_variable(environment: Environment, flag: Flag) -> SaidFlag | None:
    """What the environment or a `.env` says of the flag now; None where they say nothing."""
    variable = environment.find(flag.variable)
    if variable is None or not variable.value.strip():
        return None
    where = f"{variable.file}:{variable.line}" if variable.file else "the environment"
    return SaidFlag(_switch(variable), f"{flag.variable} in {where}")


def flag_mistakes(variables: Mapping[str, Variable]) -> Iterator[Mistake]:
    """A mistake for each variable that names no flag, or says something that is no switch."""
    known = {flag.variable: flag for flag in Flag}
    for name, variable in variables.items():
        if name.startswith(VARIABLE_PREFIX) and variable.value.strip():
            place = str(variable.file or "environment")
            if name not in known:
                yield Mistake(place, variable.line, name, "a variable of no flag", _nearest(name, known))
            elif _switch(variable) is None:
                yield Mistake(place, variable.line, name, shown(variable.value), _EXPECTED)


def _switch(variable: Variable) -> bool | None:
    return SWITCHES.get(variable.value.strip().lower())


def _nearest(name: str, known: Mapping[str, Flag]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return near[0] if near else one_of(known)
