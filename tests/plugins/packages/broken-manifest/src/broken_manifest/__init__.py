"""A plugin whose manifest module raises."""
