"""Credentials are read when they are asked for, and never told."""

import pickle
from pathlib import Path

import pytest

from syncflow_pipelines.config import BearerAuth, Environment, HeaderAuth, NoAuth
from syncflow_pipelines.errors import ConfigurationError


def test_a_token_comes_from_a_variable() -> None:
    assert BearerAuth(token_env="T", environment=Environment({"T": "abc"})).headers() == {"Authorization": "Bearer abc"}


def test_a_token_comes_from_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    auth = BearerAuth(token_env="SYNCFLOW_TEST_TOKEN")
    monkeypatch.setenv("SYNCFLOW_TEST_TOKEN", "one")
    assert auth.headers() == {"Authorization": "Bearer one"}
    monkeypatch.setenv("SYNCFLOW_TEST_TOKEN", "two")
    assert auth.headers() == {"Authorization": "Bearer two"}


def test_a_token_that_was_replaced_is_seen(tmp_path: Path) -> None:
    file, dotenv = tmp_path / "token", tmp_path / ".env"
    by_file = BearerAuth(token_file=file)
    by_dotenv = BearerAuth(token_env="T", environment=Environment({}, (dotenv,)))
    for token in ("one", "two"):
        file.write_text(token)
        dotenv.write_text(f"T={token}")
        assert by_file.headers() == by_dotenv.headers() == {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("content", [b"abc\n", b"abc\r\n", b"  abc\n\n", b"\xef\xbb\xbfabc"])
def test_line_ends_around_a_token_do_not_matter(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    assert BearerAuth(token_file=tmp_path / "token").headers() == {"Authorization": "Bearer abc"}


def test_a_header_has_a_name_and_a_prefix() -> None:
    environment = Environment({"K": "a b"})
    assert HeaderAuth("X-Api-Key", value_env="K", environment=environment).headers() == {"X-Api-Key": "a b"}
    assert HeaderAuth("X", value_env="K", prefix="ApiKey ", environment=environment).headers() == {"X": "ApiKey a b"}


def test_no_credentials_are_no_headers() -> None:
    assert NoAuth().headers() == {}


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("s3cret\nsecond", "line break"),
        ("s3cret\r\nX-Other: 1", "line break"),
        ("s3cret\x00", "control character"),
        ("s3crét", "outside ASCII"),
        ("Bearer s3cret", "without the word Bearer"),
        ("s3cret s3cret", "blank within"),
    ],
)
def test_a_token_that_no_header_can_carry_is_refused(tmp_path: Path, secret: str, told: str) -> None:
    file = tmp_path / "token"
    file.write_text(secret)
    environment = Environment({"ERP_TOKEN": secret})
    for auth, name in ((BearerAuth("ERP_TOKEN", environment=environment), "ERP_TOKEN"), (BearerAuth(None, file), file)):
        with pytest.raises(ConfigurationError, match=told) as refused:
            auth.headers()
        assert str(name) in str(refused.value)
        assert "s3cr" not in str(refused.value)


def test_an_absent_variable_is_named() -> None:
    with pytest.raises(ConfigurationError, match="environment variable ERP_TOKEN is not set; set it in"):
        BearerAuth("ERP_TOKEN", environment=Environment({})).headers()


def test_an_absent_variable_is_told_with_the_bad_lines_of_the_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ERP_TOKEN s3cret\n")
    with pytest.raises(ConfigurationError, match=r"\.env:1: found a line that cannot be read") as refused:
        BearerAuth("ERP_TOKEN", environment=Environment({}, (tmp_path / ".env",))).headers()
    assert "s3cret" not in str(refused.value)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"erp\.token cannot be read \(No such file or directory\)"):
        BearerAuth(token_file=tmp_path / "erp.token").headers()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        BearerAuth(token_file=tmp_path).headers()


def test_a_large_file_is_no_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"x" * 70_000)
    with pytest.raises(ConfigurationError, match="more than 65,536 bytes"):
        BearerAuth(token_file=tmp_path / "token").headers()


def test_a_secret_has_exactly_one_source(tmp_path: Path) -> None:
    for sources in ((None, None), ("T", tmp_path)):
        with pytest.raises(ConfigurationError, match="exactly one"):
            BearerAuth(*sources)
        with pytest.raises(ConfigurationError, match="exactly one"):
            HeaderAuth("X", *sources)


def test_credentials_show_no_secret_and_survive_pickling() -> None:
    environment = Environment({"T": "s3cret"})
    for auth in (BearerAuth("T", environment=environment), HeaderAuth("X", "T", environment=environment)):
        assert "s3cret" not in repr(auth) + str(auth.secret()) + repr(auth.secret()) + repr(environment)
        copy = pickle.loads(pickle.dumps(auth))
        assert copy == auth
        assert copy.headers() == auth.headers()
