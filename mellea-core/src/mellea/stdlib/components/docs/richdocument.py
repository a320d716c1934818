"""Tables, and documents in other formats, under the path that programs of the 0.8 line import them from."""

from typing import Any

from mellea._compat import PlannedNameError
from mellea.stdlib.components.docs.table import Table, TableQuery, TableTransform

__all__ = ["Table", "TableQuery", "TableTransform"]


def __getattr__(name: str) -> Any:
    if name == "RichDocument":
        raise PlannedNameError(
            f"{__name__}.RichDocument is not in this release. Convert the file with docling yourself "
            "(pip install docling), and pass Document(result.document.export_to_markdown()) or "
            "Table.from_markdown(...)."
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
