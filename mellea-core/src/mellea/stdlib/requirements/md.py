"""Requirements on Markdown, under the path that programs of the 0.8 line import them from."""

from mellea.stdlib.requirements.structure import as_markdown_list, is_markdown_list, is_markdown_table

__all__ = ["as_markdown_list", "is_markdown_list", "is_markdown_table"]
