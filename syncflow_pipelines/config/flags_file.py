"""`flags.yaml`: what it may say, and the flags that come out of it."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from syncflow_pipelines.config.document import EACH, Document, read_document, select
from syncflow_pipelines.config.explanations import Explanation
from syncflow_pipelines.config.flags import SWITCHES, Flag, FlagRule, Flags
from syncflow_pipelines.config.interpolation import Filled
from syncflow_pipelines.config.section import Section, Text, matching, refused
from syncflow_pipelines.config.settings import Settings
from syncflow_pipelines.config.yaml_tree import plain_value

FILE_NAME = "flags.yaml"


def _said(value: object) -> bool | None:
    """A switch in the words of the variables, too: in an emergency, somebody writes `off`."""
    plain = plain_value(value) if isinstance(value, Filled) else value
    return plain if isinstance(plain, bool) else SWITCHES.get(str(plain).strip().lower())


def _default(value: object) -> bool:
    switch = _said(value)
    if switch is None:
        raise refused("true or false (or on, off, yes, no, 1, 0)")
    return switch


class RuleSection(Section):
    default: Annotated[bool, BeforeValidator(_default)] = True
    on_for: list[Text] = Field(default_factory=list)
    off_for: list[Text] = Field(default_factory=list)


def _rule(value: object) -> object:
    """`auto_sync: false` is short for `auto_sync: {default: false}`."""
    if isinstance(value, dict):
        return value
    switch = _said(value)
    if switch is None:
        raise refused("true, false, or a mapping with default, on_for and off_for")
    return {"default": switch}


Rule = Annotated[RuleSection, BeforeValidator(_rule)]


class FlagsSection(Section):
    auto_sync: Rule | None = None
    schema_sync: Rule | None = None
    entity_sync: Rule | None = None
    gateway: Rule | None = None
    mcp: Rule | None = None
    events: Rule | None = None


class FileSection(Section):
    flags: FlagsSection = FlagsSection()
    provider: Annotated[str, matching(r"[\w.]+:[\w.]+", "a factory such as my_app.flags:provider")] | None = None


def load_flags(settings: Settings) -> Flags:
    """What `flags.yaml` says; nothing where there is no such file.

    Raises `ConfigurationError` with every mistake of the file.
    """
    document = read_document(settings.config_dir / FILE_NAME, settings.environment, settings.document_variables)
    if document is None:
        return Flags()
    section = document.validated(FileSection, checks=(_not_both,))
    said = {flag: getattr(section.flags, flag.value) for flag in Flag}
    rules = {flag: _flag_rule(document, flag, rule) for flag, rule in said.items() if rule is not None}
    return Flags(rules, section.provider)


def _flag_rule(document: Document, flag: Flag, said: RuleSection) -> FlagRule:
    line = document.line(("flags", flag.value))
    return FlagRule(said.default, frozenset(said.on_for), frozenset(said.off_for), line)


def _not_both(data: Any) -> Iterator[Explanation]:
    for location, rule in select(data, "flags", EACH):
        for inner, name in select(rule, "off_for", EACH):
            if name in (rule.get("on_for") or ()):
                yield Explanation((*location, *inner), "a name that on_for does not hold, too")
