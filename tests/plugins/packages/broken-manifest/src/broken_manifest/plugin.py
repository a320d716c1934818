"""A manifest module that cannot be imported."""

raise RuntimeError("the manifest module raised")
