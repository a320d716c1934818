"""Documents and tables as components."""

from mellea.stdlib.components.docs.document import Document
from mellea.stdlib.components.docs.table import Table, TableQuery, TableTransform

__all__ = ["Document", "Table", "TableQuery", "TableTransform"]
