"""Whatever models are written, what they mean is read: every field of every model, and the same each time."""

import keyword
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncflow_pipelines.schemas.introspection.running import Introspector
from syncflow_pipelines.schemas.model import EnumOf, FieldType, ListOf, ModelOf, SchemaSource
from syncflow_pipelines_tests.unit.model_projects import SQLALCHEMY, TORTOISE

TAKEN = {"metadata", "registry", "id", "pk", "class_", "Base", "name", "describe", "query", "save", "all"}
NAMES = st.from_regex(r"[a-z][a-zA-Z0-9]{2,9}(_[a-z0-9]{1,5})?", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name) and name not in TAKEN and not name.startswith("model")
)
TEXTS = st.text(max_size=20).map(ascii)
NUMBERS = st.integers(-(2**70), 2**70).map(str)

SQLALCHEMY_TYPES = st.one_of(
    st.sampled_from([
        "Integer", "SmallInteger", "BigInteger", "Boolean", "Float", "Double", "Text", "Date", "Time", "Interval",
        "DateTime", "DateTime(timezone=True)", "JSON", "Uuid", "LargeBinary", "PickleType", "pg.INET", "pg.HSTORE",
        "pg.TSTZRANGE", "pg.ARRAY(Text)", "pg.BIT(4)", "mysql.YEAR", "Enum('a', 'b')", "Numeric",
        "String", "Enum('', ' ', '1')",
    ]),
    st.integers(1, 10**6).map(lambda length: f"String({length})"),
    st.tuples(st.integers(1, 60), st.integers(-5, 60)).map(lambda sizes: f"Numeric({sizes[0]}, {sizes[1]})"),
)  # fmt: skip
SQLALCHEMY_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "nullable": st.sampled_from(["True", "False"]),
        "default": st.one_of(
            TEXTS,
            NUMBERS,
            st.sampled_from(["uuid.uuid4", "func.now()", "dict", "float('nan')", "b'\\xff'", "object()"]),
        ),
        "server_default": TEXTS,
        "comment": TEXTS,
        "onupdate": st.just("func.now()"),
        "index": st.just("True"),
    },
)
TORTOISE_FIELDS = st.sampled_from([
    "IntField()", "SmallIntField()", "BigIntField()", "TextField()", "BooleanField()", "FloatField()", "DateField()",
    "DatetimeField(auto_now=True)", "DatetimeField()", "TimeField()", "TimeDeltaField()", "JSONField()", "UUIDField()",
    "BinaryField()", "CharField(max_length=7)", "DecimalField(max_digits=9, decimal_places=3)", "IntEnumField(Number)",
    "CharEnumField(Letter, max_length=9)", "ForeignKeyField('models.Target', related_name=False)",
    "OneToOneField('models.Target', related_name=False, null=True)",
    "ManyToManyField('models.Target', related_name=RELATED)",
])  # fmt: skip
TORTOISE_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "description": TEXTS,
        "default": st.one_of(TEXTS, NUMBERS, st.sampled_from(["list", "lambda: 1", "1.5", "set()"])),
    },
)


@st.composite
def sqlalchemy_source(draw: st.DrawFn) -> tuple[str, dict[str, set[str]]]:
    lines, expected = [], {}
    for number in range(draw(st.integers(1, 3))):
        columns = draw(st.dictionaries(NAMES, st.tuples(SQLALCHEMY_TYPES, SQLALCHEMY_OPTIONS), max_size=6))
        expected[f"M{number}"] = {"id", *columns}
        lines += [
            f"class M{number}(Base):",
            f"    __tablename__ = 'm{number}'",
            "    id = Column(Integer, primary_key=True)",
        ]
        lines += [f"    {name} = Column({_call(kind, options)})" for name, (kind, options) in columns.items()]
    return "\n".join(lines), expected


@st.composite
def tortoise_source(draw: st.DrawFn) -> tuple[str, dict[str, set[str]]]:
    lines = ["class Number(enum.IntEnum):", "    one = 1", "class Letter(str, enum.Enum):", "    a = 'a'"]
    lines += ["class Target(Model):", "    code = fields.CharField(max_length=3, primary_key=True)"]
    expected = {}
    for number in range(draw(st.integers(1, 3))):
        found = draw(st.dictionaries(NAMES, st.tuples(TORTOISE_FIELDS, TORTOISE_OPTIONS), max_size=6))
        written = {name: kind.replace("RELATED", f"'{name}_of_{number}'") for name, (kind, _) in found.items()}
        keys = {f"{name}_id" for name, kind in written.items() if "ForeignKey" in kind or "OneToOne" in kind}
        expected[f"M{number}"] = {"id", *found} | keys
        lines.append(f"class M{number}(Model):")
        lines += [f"    {name} = fields.{_with(kind, found[name][1])}" for name, kind in written.items()] or [
            "    pass"
        ]
    return "\n".join(lines), expected


def _call(kind: str, options: dict[str, str]) -> str:
    return ", ".join([kind, *(f"{name}={value}" for name, value in options.items())])


def _with(kind: str, options: dict[str, str]) -> str:
    if "To" in kind or "Foreign" in kind:
        options = {name: value for name, value in options.items() if name != "default"}
    inner = _call(kind[:-1], options)
    return f"{inner.replace('(, ', '(')})"


def _refers_to_what_is_there(source: SchemaSource) -> bool:
    names = {model.name for model in source.models}, {enum.name for enum in source.enums}
    return all(_is_there(field.type, *names) for model in source.models for field in model.fields)


def _is_there(kind: FieldType, models: set[str], enums: set[str]) -> bool:
    match kind:
        case ListOf(item=item):
            return _is_there(item, models, enums)
        case ModelOf(name=name):
            return name in models
        case EnumOf(name=name):
            return name in enums
    return True


def _check(reader: Introspector, folder: Path, text: str, expected: dict[str, set[str]]) -> None:
    file = folder / "drawn.py"
    file.write_text(text)
    source = reader.read(file).source
    found = {model.name: {field.name for field in model.fields} for model in source.models if model.name != "Target"}
    assert found == expected
    assert _refers_to_what_is_there(source)
    assert reader.read(file).source == source


several = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@several
@given(drawn=sqlalchemy_source())
def test_models_of_sqlalchemy(
    sqlalchemy_models: Introspector, tmp_path: Path, drawn: tuple[str, dict[str, set[str]]]
) -> None:
    text, expected = drawn
    _check(sqlalchemy_models, tmp_path, f"{dedent(SQLALCHEMY)}\n{text}\n", expected)


@several
@given(drawn=tortoise_source())
def test_models_of_tortoise(
    tortoise_models: Introspector, tmp_path: Path, drawn: tuple[str, dict[str, set[str]]]
) -> None:
    text, expected = drawn
    _check(tortoise_models, tmp_path, f"{dedent(TORTOISE)}\n{text}\n", expected)


@pytest.mark.parametrize("value", ["'\\ud800'", "10**5000", "float('inf')", "'x' * 20_000", "{1: object()}", "type"])
def test_defaults_of_any_kind_come_through(sqlalchemy_models: Introspector, tmp_path: Path, value: str) -> None:
    columns = f"    id = Column(Integer, primary_key=True)\n    x = Column(JSON, default={value})\n"
    text = f"{dedent(SQLALCHEMY)}\nclass M0(Base):\n    __tablename__ = 'm'\n{columns}"
    _check(sqlalchemy_models, tmp_path, text, {"M0": {"id", "x"}})
