"""``TemplateFormatter`` under the path that programs import it from."""

from mellea.core.templates import TemplateFormatter

__all__ = ["TemplateFormatter"]
