"""What is read of SQLAlchemy's models."""

from pathlib import Path
from textwrap import dedent

import pytest

from syncflow_pipelines.errors import ModelsError
from syncflow_pipelines.schemas.introspection.running import Introspector
from syncflow_pipelines.schemas.model import (
    Default,
    EnumOf,
    EnumSpec,
    FieldType,
    ListOf,
    ModelOf,
    Scalar,
    SchemaSource,
)
from syncflow_pipelines_tests.unit.model_projects import SQLALCHEMY, field, model, of_text

INT = Scalar("int", ge=-(2**31), le=2**31 - 1)
EVERY_TYPE: dict[str, FieldType] = {
    "Integer": INT,
    "SmallInteger": Scalar("int", ge=-(2**15), le=2**15 - 1),
    "BigInteger": Scalar("int", ge=-(2**63), le=2**63 - 1),
    "String": Scalar("str"),
    "String(40)": Scalar("str", max_length=40),
    "Unicode(9)": Scalar("str", max_length=9),
    "CHAR(3)": Scalar("str", max_length=3),
    "Text": Scalar("str"),
    "CLOB": Scalar("str"),
    "Boolean": Scalar("bool"),
    "Float": Scalar("float"),
    "Double": Scalar("float"),
    "REAL": Scalar("float"),
    "Float(asdecimal=True)": Scalar("decimal"),
    "Numeric": Scalar("decimal"),
    "Numeric(10, 2)": Scalar("decimal", max_digits=10, decimal_places=2),
    "Numeric(10)": Scalar("decimal", max_digits=10, decimal_places=0),
    "Numeric(10, -2)": Scalar("decimal"),
    "Numeric(10, 2, asdecimal=False)": Scalar("float"),
    "DateTime": Scalar("naive_datetime"),
    "DateTime(timezone=True)": Scalar("datetime"),
    "TIMESTAMP(timezone=True)": Scalar("datetime"),
    "Date": Scalar("date"),
    "Time": Scalar("time"),
    "Interval": Scalar("timedelta"),
    "LargeBinary": Scalar("bytes"),
    "VARBINARY(16)": Scalar("bytes", max_length=16),
    "JSON": Scalar("json"),
    "Uuid": Scalar("uuid"),
    "UUID": Scalar("uuid"),
    "Uuid(as_uuid=False)": Scalar("str", max_length=36),
    "ARRAY(Integer)": ListOf(INT),
    "PickleType": Scalar("any"),
    "Enum('a', 'b', name='letter_kind')": EnumOf("LetterKind"),
    "Integer().with_variant(BigInteger, 'sqlite')": INT,
    "pg.ARRAY(String(5), dimensions=2)": ListOf(ListOf(Scalar("str", max_length=5))),
    "pg.JSON": Scalar("json"),
    "pg.JSONB": Scalar("json"),
    "pg.UUID": Scalar("uuid"),
    "pg.INET": Scalar("ip_interface"),
    "pg.CIDR": Scalar("ip_network"),
    "pg.MACADDR": Scalar("str"),
    "pg.MACADDR8": Scalar("str"),
    "pg.HSTORE": Scalar("json_object"),
    "pg.INTERVAL": Scalar("timedelta"),
    "pg.TIMESTAMP(timezone=True)": Scalar("datetime"),
    "pg.CITEXT": Scalar("str"),
    "pg.BIT(5)": Scalar("str"),
    "pg.MONEY": Scalar("str"),
    "pg.BYTEA": Scalar("bytes"),
    "pg.OID": Scalar("int", ge=0, le=2**32 - 1),
    "pg.REGCLASS": Scalar("str"),
    "pg.TSVECTOR": Scalar("str"),
    "pg.TSQUERY": Scalar("str"),
    "pg.INT4RANGE": Scalar("any"),
    "pg.TSTZMULTIRANGE": Scalar("any"),
    "pg.ENUM('x', name='one')": EnumOf("One"),
    "pg.DOMAIN('positive', Integer)": INT,
    "mysql.TINYINT(unsigned=True)": Scalar("int", ge=0, le=255),
    "mysql.MEDIUMINT": Scalar("int", ge=-(2**23), le=2**23 - 1),
    "mysql.INTEGER(unsigned=True)": Scalar("int", ge=0, le=2**32 - 1),
    "mysql.YEAR": Scalar("int"),
    "mysql.SET('a', 'b')": ListOf(Scalar("str")),
    "mysql.LONGTEXT": Scalar("str"),
    "mysql.LONGBLOB": Scalar("bytes"),
    "mysql.DECIMAL(5, 1)": Scalar("decimal", max_digits=5, decimal_places=1),
}


@pytest.fixture(scope="module")
def every(sqlalchemy_models: Introspector, tmp_path_factory: pytest.TempPathFactory) -> SchemaSource:
    columns = "\n".join(f"    c{number} = Column({written})" for number, written in enumerate(EVERY_TYPE))
    text = f"class Every(Base):\n    __tablename__ = 'every'\n    id = Column(Integer, primary_key=True)\n{columns}\n"
    return of_text(sqlalchemy_models, tmp_path_factory.mktemp("every"), SQLALCHEMY, text)


@pytest.mark.parametrize(("number", "written"), list(enumerate(EVERY_TYPE)))
def test_every_type_has_its_type(every: SchemaSource, number: int, written: str) -> None:
    assert field(every, f"Every.c{number}").type == EVERY_TYPE[written]


def test_types_that_are_not_known_are_noted(every: SchemaSource) -> None:
    notes = {found.note for found in model(every, "Every").fields if found.type == Scalar("any")}
    assert notes == {f"the type {name} is not known" for name in ("INT4RANGE", "TSTZMULTIRANGE", "PickleType")}


def test_defaults_nulls_and_what_is_made(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    source = of_text(
        sqlalchemy_models,
        tmp_path,
        SQLALCHEMY,
        """
        class State(enum.Enum):
            open = "o"
        class Row(Base):
            __tablename__ = "rows"
            id: Mapped[int] = mapped_column(primary_key=True)
            text: Mapped[str] = mapped_column(default="x")
            state: Mapped[State] = mapped_column(default=State.open)
            price: Mapped[decimal.Decimal] = mapped_column(default=decimal.Decimal("1.50"))
            guid: Mapped[uuid.UUID] = mapped_column(default=uuid.uuid4)
            counted: Mapped[int] = mapped_column(default=select(literal(1)).scalar_subquery())
            served: Mapped[dt.datetime] = mapped_column(server_default=func.now())
            note: Mapped[Optional[str]]
            changed: Mapped[dt.datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
            asked: Mapped[dt.datetime] = mapped_column(onupdate=func.now())
            doubled: Mapped[int] = mapped_column(Computed("counted * 2"))
            numbered: Mapped[int] = mapped_column(Identity(always=True))
            twice = column_property(counted * 2)
            @hybrid_property
            def label(self) -> str | None:
                "A label."
                return self.note
            @hybrid_property
            def untold(self):
                return 1
        """,
    )
    fields = model(source, "Row").fields
    assert {found.name: found.default for found in fields if found.default} == {
        "text": Default("constant", "x"),
        "state": Default("constant", "o"),
        "price": Default("constant", "1.50"),
        "guid": Default("factory"),
        "counted": Default("server"),
        "served": Default("server"),
        "note": Default("constant", None),
        "changed": Default("server"),
        "doubled": Default("server"),
        "numbered": Default("server"),
    }
    made = {found.name for found in fields if found.generated}
    assert made == {"id", "changed", "doubled", "numbered", "twice", "label"}
    assert {found.name for found in fields if found.nullable} == {"note", "twice", "label"}
    label = field(source, "Row.label")
    assert (label.type, label.description) == (Scalar("str"), "A label.")
    assert [found.where for found in source.findings] == ["Row.untold"]


def test_primary_keys_of_any_kind(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    source = of_text(
        sqlalchemy_models,
        tmp_path,
        SQLALCHEMY,
        """
        class Counted(Base):
            __tablename__ = "counted"
            id: Mapped[int] = mapped_column(primary_key=True)
        class Given(Base):
            __tablename__ = "given"
            code: Mapped[str] = mapped_column(primary_key=True)
        class Plain(Base):
            __tablename__ = "plain"
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        class Pair(Base):
            __tablename__ = "pairs"
            left: Mapped[int] = mapped_column(ForeignKey("counted.id"), primary_key=True)
            right: Mapped[int] = mapped_column(primary_key=True)
        """,
    )
    keys = {
        f"{found.name}.{each.name}": each.generated
        for found in source.models
        for each in found.fields
        if each.primary_key
    }
    assert keys == {"Counted.id": True, "Given.code": False, "Plain.id": False, "Pair.left": False, "Pair.right": False}
    assert field(source, "Pair.left").references == "Counted.id"


def test_checks_that_are_written_plainly_become_bounds(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    source = of_text(
        sqlalchemy_models,
        tmp_path,
        SQLALCHEMY,
        """
        class Row(Base):
            __tablename__ = "rows"
            id: Mapped[int] = mapped_column(primary_key=True)
            price: Mapped[decimal.Decimal] = mapped_column(Numeric(6, 2))
            stock: Mapped[int]
            share: Mapped[float] = mapped_column(CheckConstraint("share > 0.5"))
            name: Mapped[str] = mapped_column(String(20))
            either: Mapped[int]
            whole: Mapped[int]
            __table_args__ = (
                CheckConstraint("price >= 0 AND price < 1000.50"),
                CheckConstraint("stock BETWEEN 1 AND 9"),
                CheckConstraint("length(name) > 2"),
                CheckConstraint("either > 3 OR stock > 3"),
                CheckConstraint("either < stock"),
                CheckConstraint("whole > 1.0 and whole <= 2.5"),
            )
        """,
    )
    assert field(source, "Row.price").type == Scalar("decimal", ge=0, lt="1000.50", max_digits=6, decimal_places=2)
    assert field(source, "Row.stock").type == Scalar("int", ge=1, le=9)
    assert field(source, "Row.share").type == Scalar("float", gt=0.5)
    assert field(source, "Row.name").type == Scalar("str", min_length=3, max_length=20)
    assert field(source, "Row.either").type == INT
    assert field(source, "Row.whole").type == Scalar("int", ge=2, le=2)


def test_relations_of_every_kind(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    source = of_text(
        sqlalchemy_models,
        tmp_path,
        SQLALCHEMY,
        """
        tags = Table("post_tags", Base.metadata,
            Column("post", ForeignKey("posts.number")), Column("tag", ForeignKey("tags.id")))
        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            posts: Mapped[list["Post"]] = relationship(back_populates="author", foreign_keys="Post.author_id")
            by_title: Mapped[dict[str, "Post"]] = relationship(
                collection_class=attribute_keyed_dict("title"), viewonly=True, foreign_keys="Post.author_id")
            many: WriteOnlyMapped["Post"] = relationship(viewonly=True, foreign_keys="Post.author_id")
        class Post(Base):
            __tablename__ = "posts"
            id: Mapped[int] = mapped_column("number", primary_key=True)
            title: Mapped[str]
            author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
            editor_id: Mapped[Optional[int]] = mapped_column(ForeignKey("users.id"))
            author: Mapped[User] = relationship(back_populates="posts", foreign_keys=[author_id])
            editor: Mapped[Optional[User]] = relationship(foreign_keys=[editor_id])
            tags: Mapped[list["Tag"]] = relationship(secondary=tags, backref="posts")
            reply_to: Mapped[Optional[int]] = mapped_column(ForeignKey("posts.number"))
        class Tag(Base):
            __tablename__ = "tags"
            id: Mapped[int] = mapped_column(primary_key=True)
        """,
    )
    relations = {
        f"{found.name}.{each.name}": (each.type, each.nullable)
        for found in source.models
        for each in found.fields
        if each.relation
    }
    assert relations == {
        "Post.author": (ModelOf("User"), False),
        "Post.editor": (ModelOf("User"), True),
        "Post.tags": (ListOf(ModelOf("Tag")), False),
        "Tag.posts": (ListOf(ModelOf("Post")), False),
        "User.posts": (ListOf(ModelOf("Post")), False),
    }
    assert field(source, "Post.reply_to").references == "Post.id"
    assert [found.where for found in source.findings] == ["User.by_title", "User.many"]


def test_inheritance_of_every_kind(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    source = of_text(
        sqlalchemy_models,
        tmp_path,
        SQLALCHEMY,
        """
        class Person(Base):
            __tablename__ = "people"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
            kind: Mapped[str]
            __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}
        class Engineer(Person):
            __tablename__ = "engineers"
            id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
            language: Mapped[str]
            __mapper_args__ = {"polymorphic_identity": "engineer"}
        class Manager(Person):
            office: Mapped[Optional[str]]
            __mapper_args__ = {"polymorphic_identity": "manager"}
        class Robot(Person):
            __tablename__ = "robots"
            __mapper_args__ = {"concrete": True}
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
            kind: Mapped[str]
        """,
    )
    names = {found.name: {each.name for each in found.fields} for found in source.models}
    person = {"id", "name", "kind"}
    assert names == {
        "Person": person,
        "Engineer": person | {"language"},
        "Manager": person | {"office"},
        "Robot": person,
    }
    assert field(source, "Engineer.id").generated
    assert field(source, "Manager.kind").generated
    assert not field(source, "Robot.kind").generated
    assert {found.name: found.table for found in source.models} == {
        "Person": "people", "Engineer": "engineers", "Manager": "people", "Robot": "robots",
    }  # fmt: skip


def test_mixins_dataclasses_and_old_columns(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    source = of_text(
        sqlalchemy_models,
        tmp_path,
        SQLALCHEMY,
        '''
        class Stamped:
            made_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
        class Data(MappedAsDataclass, DeclarativeBase): pass
        class Point(Data):
            __tablename__ = "points"
            id: Mapped[int] = mapped_column(primary_key=True, init=False)
            x: Mapped[int] = mapped_column(default=7)
            labels: Mapped[list[str]] = mapped_column(JSON, default_factory=list)
        class Old(Stamped, Base):
            """An old one.

            Of two lines.
            """
            __tablename__ = "old"
            __table_args__ = {"schema": "shop"}
            id = Column("old_id", Integer, primary_key=True)
            name = Column(String(9), nullable=False, comment="its name")
            api_key = Column(String(9), nullable=False)
            title = synonym("name")
        ''',
    )
    assert [found.name for found in model(source, "Point").fields] == ["id", "x", "labels"]
    assert field(source, "Point.x").default == Default("constant", 7)
    assert field(source, "Point.labels").type == Scalar("json_array")
    assert field(source, "Point.labels").default == Default("constant", [])
    assert model(source, "Point").description == ""
    old = model(source, "Old")
    assert {found.name for found in old.fields} == {"id", "name", "api_key", "made_at"}
    assert (old.table, old.origin, old.description) == ("shop.old", "shop.Old", "An old one.\n\nOf two lines.")
    assert field(source, "Old.name").description == "its name"
    assert [found.name for found in old.fields if found.write_only] == ["api_key"]


def test_an_annotation_that_only_type_checkers_can_read_hides_no_other(
    sqlalchemy_models: Introspector, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text(
        "from __future__ import annotations\n"
        + dedent(SQLALCHEMY)
        + dedent("""
            class Row(Base):
                __tablename__ = "rows"
                id: Mapped[int] = mapped_column(primary_key=True)
                other_id: Mapped[Optional[int]]
                settings: Mapped[Optional[dict[str, Any]]] = mapped_column(JSON)
                list: Mapped[list[str]] = mapped_column(JSON)
                unreadable: Other
                __allow_unmapped__ = True
        """)
    )
    source = sqlalchemy_models.read(tmp_path / "shop.py").source
    types = {found.name: found.type for found in model(source, "Row").fields}
    assert (types["settings"], types["list"]) == (Scalar("json_object"), Scalar("json_array"))


def test_types_of_the_users_own_making(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    source = of_text(
        sqlalchemy_models,
        tmp_path,
        SQLALCHEMY,
        """
        from sqlalchemy.types import TypeDecorator, UserDefinedType
        class Told(TypeDecorator):
            impl = Text
            @property
            def python_type(self): return dict
            def process_result_value(self, value, dialect): return {}
        class Untold(TypeDecorator):
            impl = String(32)
            def process_result_value(self, value, dialect): return value.split()
        class Short(TypeDecorator):
            impl = String(4)
        class Shape(UserDefinedType):
            def get_col_spec(self): return "SHAPE"
        class Row(Base):
            __tablename__ = "rows"
            id: Mapped[int] = mapped_column(primary_key=True)
            told = Column(Told)
            untold = Column(Untold)
            hinted: Mapped[list[str]] = mapped_column(Untold)
            short = Column(Short)
            shape = Column(Shape)
        """,
    )
    types = {found.name: found.type for found in model(source, "Row").fields}
    assert types == {
        "id": INT,
        "told": Scalar("json_object"),
        "untold": Scalar("str", max_length=32),
        "hinted": Scalar("json_array"),
        "short": Scalar("str", max_length=4),
        "shape": Scalar("any"),
    }
    assert [found.where for found in source.findings] == ["Row.untold"]
    assert field(source, "Row.shape").note == "the type Shape is not known"


def test_enumerations_by_class_and_by_text(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    source = of_text(
        sqlalchemy_models,
        tmp_path,
        SQLALCHEMY,
        """
        class Size(enum.IntEnum):
            small = 1
            tiny = 1
        class Odd(enum.Enum):
            pair = (1, 2)
        class Row(Base):
            __tablename__ = "rows"
            id: Mapped[int] = mapped_column(primary_key=True)
            size: Mapped[Size]
            again: Mapped[Optional[Size]]
            odd: Mapped[Odd] = mapped_column(default=Odd.pair)
            colour = Column(Enum("red", "dark blue", name="colour"))
            shade = Column(Enum("light", "dark", name="colour"))
            nameless = Column(Enum("a", native_enum=False))
        """,
    )
    assert source.enums == (
        EnumSpec("Colour", (("red", "red"), ("dark blue", "dark blue"))),
        EnumSpec("Odd", (("pair", "pair"),)),
        EnumSpec("RowNameless", (("a", "a"),)),
        EnumSpec("RowShade", (("light", "light"), ("dark", "dark"))),
        EnumSpec("Size", (("small", 1), ("tiny", 1))),
    )
    assert field(source, "Row.odd").default == Default("constant", "pair")
    assert {found.where for found in source.findings} == {"Row.odd", "RowShade"}


def test_tables_stand_for_models_where_nothing_is_mapped(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    source = of_text(
        sqlalchemy_models,
        tmp_path,
        "from sqlalchemy import *",
        """
        metadata = MetaData()
        Table("order_lines", metadata, Column("id", Integer, primary_key=True), Column("qty", Integer))
        """,
    )
    (lines,) = source.models
    assert (lines.name, [found.name for found in lines.fields]) == ("OrderLines", ["id", "qty"])


def test_a_key_to_a_missing_table_is_named_with_its_line(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    text = """
    class Line(Base):
        __tablename__ = "lines"
        id: Mapped[int] = mapped_column(primary_key=True)
        product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    """
    with pytest.raises(ModelsError, match=r"shop\.py:13: Line\.product_id refers to products\.id, which no model has"):
        of_text(sqlalchemy_models, tmp_path, SQLALCHEMY, text)


def test_a_relation_to_a_missing_model_is_named_with_its_line(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    text = """
    class Line(Base):
        __tablename__ = "lines"
        id: Mapped[int] = mapped_column(primary_key=True)
        product: Mapped["Product"] = relationship()
    """
    with pytest.raises(ModelsError, match=r"shop\.py:13: InvalidRequestError: .*'Product'"):
        of_text(sqlalchemy_models, tmp_path, SQLALCHEMY, text)


def test_the_same_models_are_read_the_same_each_time(sqlalchemy_models: Introspector, tmp_path: Path) -> None:
    text = "class A(Base):\n    __tablename__ = 'a'\n    id = Column(Integer, primary_key=True)\n"
    first, second = (of_text(sqlalchemy_models, tmp_path, SQLALCHEMY, text) for _ in range(2))
    assert first == second
