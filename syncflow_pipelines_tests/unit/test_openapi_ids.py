"""Every operation has a name of its own that stays when others come and go."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncflow_pipelines.openapi.ids import Claim, claim, unique_ids

VALID = re.compile(r"[A-Za-z0-9_]{1,56}")


def name(operation_id: str | None, path: str = "/a", method: str = "get") -> str:
    return unique_ids([Claim(path, method, operation_id)], {})[path, method]


@pytest.mark.parametrize(
    ("operation_id", "expected"),
    [
        ("listPets", "listPets"),
        ("issues/list-events", "issues_list_events"),
        ("a.b c", "a_b_c"),
        ("read_items_items__item_id__get", "read_items_items_item_id_get"),
        ("_a_", "a"),
        ("1st", "1st"),
    ],
)
def test_an_operation_has_the_words_of_its_own_id(operation_id: str, expected: str) -> None:
    assert name(operation_id) == expected


@pytest.mark.parametrize(
    ("path", "method", "expected"),
    [
        ("/users/{user-id}/posts", "get", "get_users_by_user_id_posts"),
        ("/users/me", "delete", "delete_users_me"),
        ("/", "post", "post"),
        ("/files/{id}#copy", "put", "put_files_by_id_copy"),
    ],
)
def test_one_without_an_id_has_those_of_its_method_and_path(path: str, method: str, expected: str) -> None:
    assert name(None, path, method) == expected


@pytest.mark.parametrize("operation_id", ["x" * 57, "créer", "список", "日本", "---"])
def test_an_id_that_loses_something_has_a_digest(operation_id: str) -> None:
    assert re.search(r"(^|_)[0-9a-f]{6}$", name(operation_id))
    assert VALID.fullmatch(name(operation_id))


def test_ids_that_differ_in_what_is_lost_differ() -> None:
    names = {name(operation_id) for operation_id in ("список", "список2", "日本", "日", "x" * 57, "x" * 58)}
    assert len(names) == 6


def test_of_two_that_want_one_name_the_first_by_path_and_method_has_it() -> None:
    names = unique_ids([Claim("/b", "get", "a_b"), Claim("/a", "post", "a-b"), Claim("/a", "put", "a.b")], {})
    assert names["/a", "post"] == "a_b"
    assert len(set(names.values())) == 3
    assert all(re.fullmatch(r"a_b_[0-9a-f]{6}", names[key]) for key in (("/b", "get"), ("/a", "put")))


def test_the_one_that_has_had_a_name_keeps_it() -> None:
    old, new = Claim("/b", "get", "list"), Claim("/a", "get", "list")
    known = unique_ids([old], {})
    names = unique_ids([new, old], known)
    assert names[old.key] == "list"
    assert names[new.key] != "list"


def test_one_keeps_its_digest_when_the_other_is_gone() -> None:
    first, second = Claim("/a", "get", "list"), Claim("/b", "get", "list")
    known = unique_ids([first, second], {})
    assert unique_ids([second], known)[second.key] == known[second.key] != "list"


def test_a_known_name_that_does_not_fit_is_not_taken() -> None:
    assert unique_ids([Claim("/a", "get", "list")], {("/a", "get"): "os_system"})["/a", "get"] == "list"


@pytest.mark.parametrize("written", [None, True, [], {}, "", "  "])
def test_an_id_that_is_no_text_is_none(written: object) -> None:
    assert claim("/a", "get", written).operation_id is None


OPERATION_IDS = st.one_of(st.none(), st.text(max_size=80), st.sampled_from(["list", "list_", "li-st", "li_st", "LIST"]))
CLAIMS = st.lists(
    st.builds(Claim, st.text(max_size=20).map("/{}".format), st.sampled_from(["get", "put"]), OPERATION_IDS),
    unique_by=lambda claim: claim.key,
)


@given(CLAIMS, st.randoms(use_true_random=False))
def test_names_are_unique_valid_and_the_same_in_any_order(claims: list[Claim], random: object) -> None:
    names = unique_ids(claims, {})
    assert len(set(names.values())) == len(claims)
    assert all(VALID.fullmatch(found) and "__" not in found for found in names.values())
    random.shuffle(claims)  # type: ignore[attr-defined]  # hypothesis' own kind of random.Random
    assert unique_ids(claims, {}) == names


@given(CLAIMS, st.data())
def test_names_stay_when_operations_are_added_and_removed(claims: list[Claim], data: st.DataObject) -> None:
    before = unique_ids([item for item in claims if data.draw(st.booleans())], {})
    after = unique_ids([item for item in claims if item.key in before or data.draw(st.booleans())], before)
    assert {key: after[key] for key in before} == before
    fewer = unique_ids([item for item in claims if item.key in after and data.draw(st.booleans())], after)
    assert all(after[key] == found for key, found in fewer.items())
