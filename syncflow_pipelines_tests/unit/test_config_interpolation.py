"""References to the environment in a file are filled; what cannot be filled is told without values."""

import pytest

from syncflow_pipelines.config.interpolation import Filled, UnfilledText, fill, template

VARIABLES = {"HOST": "erp", "EMPTY": "", "TRICKY": "${HOST}"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("https://${HOST}/x", "https://erp/x"),
        ("${HOST}${HOST}", "erperp"),
        ("${NONE:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${EMPTY}", ""),
        ("${NONE:-}", ""),
        ("${NONE:-a:-b $ {c}", "a:-b $ {c"),
        ("$${HOST}", "${HOST}"),
        ("$HOST $ 5$", "$HOST $ 5$"),
        ("${TRICKY}", "${HOST}"),
    ],
)
def test_references_are_filled(text: str, filled: str) -> None:
    assert fill(text, VARIABLES.get) == filled


@pytest.mark.parametrize("text", ["${HOST", "${}", "${1A}", "${A-b}", "${A:b}", "${ A }", "${A:-${B}}", "${A.b}"])
def test_a_reference_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(UnfilledText) as refused:
        fill(text, VARIABLES.get)
    assert refused.value.found == "a reference that cannot be read"


def test_an_unset_variable_is_named() -> None:
    with pytest.raises(UnfilledText) as refused:
        fill("x ${NONE}", VARIABLES.get)
    assert "NONE to be set" in refused.value.expected


def test_a_text_cannot_grow_without_end() -> None:
    with pytest.raises(UnfilledText, match="too long"):
        fill("${HOST}" * 100_000, VARIABLES.get)


def test_only_text_from_the_environment_is_marked() -> None:
    assert isinstance(fill("${HOST}", VARIABLES.get), Filled)
    assert isinstance(fill("${NONE:-5}", VARIABLES.get), Filled)
    assert not isinstance(fill("$${HOST}", VARIABLES.get), Filled)
    assert not isinstance(fill("plain", VARIABLES.get), Filled)


def test_a_template_is_shown_without_its_defaults() -> None:
    assert template("a ${B:-s3cret} $${C} ${D}") == "a ${B:-…} $${C} ${D}"
