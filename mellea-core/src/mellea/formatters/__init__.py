"""Formatters: from spans to text and to messages."""

from mellea.core.formatter import ChatFormatter, Formatter
from mellea.core.templates import TemplateFormatter

__all__ = ["ChatFormatter", "Formatter", "TemplateFormatter"]
