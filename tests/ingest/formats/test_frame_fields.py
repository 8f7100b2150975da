import polars as pl

from hauberk.ingest.formats.frame_fields import FrameFields

FIELDS = FrameFields(
    pl.DataFrame(
        {
            "name": ["a", None, ""],
            "port": ["80", "http", None],
            "local": ["T", "F", "maybe"],
            "tags": [["x"], [], None],
            "never": [None, None, None],
        },
        schema_overrides={"never": pl.String},
    ),
    {"port": pl.Int64(), "local": pl.Boolean()},
)


def test_columns_that_no_row_has_are_no_fields() -> None:
    assert set(FIELDS.names()) == {"name", "port", "local", "tags"}
    assert FIELDS.column("never") is None
    assert FIELDS.column("unheard of") is None
    assert FIELDS.has("never") == [False, False, False]


def test_text_becomes_what_its_column_is_of_and_else_stays_text() -> None:
    assert FIELDS.column("port") == [80, "http", None]
    assert FIELDS.column("local") == [True, False, "maybe"]


def test_an_empty_text_is_there_and_a_null_is_not() -> None:
    assert FIELDS.has("name") == [True, False, True]
    assert FIELDS.column("tags") == [["x"], [], None]


def test_a_row_says_the_same_as_the_columns() -> None:
    for index in range(len(FIELDS)):
        row = {name: (FIELDS.column(name) or ())[index] for name in FIELDS.names()}
        row = {name: value for name, value in row.items() if value is not None}
        assert FIELDS.row(index) == row
