"""Every row of the table, over each of its transports, against the whole program."""

import pytest

from conformance.bench import Bench, Case
from conformance.conftest import OWN
from conformance.rows import ROWS
from conformance.table import NotShown, Row

CASES = [pytest.param(row, over, id=f"{row.id}-{over}") for row in ROWS for over in row.over]


@pytest.mark.parametrize(("row", "over"), CASES)
def test_the_server_does_as_the_table_says(
    row: Row, over: str, request: pytest.FixtureRequest, record_property
) -> None:
    if row.open and over in row.open_over and request.config.getoption("--server", OWN) == OWN:
        request.applymarker(pytest.mark.xfail(reason=row.open, strict=True))
    bench: Bench = request.getfixturevalue("bench")
    case = Case(bench, over)
    record_property("row", row.id)
    record_property("over", over)
    try:
        row.run(case)
    except NotShown as problem:
        record_property("not shown", str(problem))
        pytest.skip(f"not shown: {problem}")
    except Exception as problem:
        record_property("broken", str(problem).split("\n")[0] or type(problem).__name__)
        raise
    finally:
        case.close()


def test_no_two_rows_say_the_same():
    ids = [row.id for row in ROWS]

    assert sorted(ids) == sorted(set(ids))
