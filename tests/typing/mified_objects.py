"""A mified class or object keeps its static type. Checked by mypy; never run."""

from typing import assert_type

from mellea.stdlib.components import mify
from mellea.stdlib.components.docs import Table


@mify
class Store:
    def sell(self, count: int) -> int:
        """Sell some."""
        return count


@mify(fields_include={"name"}, stringify_func=str)
class Shop:
    name: str = "x"


def checked(table: Table) -> None:
    assert_type(Store().sell(1), int)
    assert_type(Shop().name, str)
    assert_type(mify(Store()), Store)
    assert_type(table.transpose(), Table)
    mify(Store(), fields_included={"name"})  # type: ignore[call-overload]
