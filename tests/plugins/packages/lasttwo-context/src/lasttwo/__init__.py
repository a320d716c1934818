"""A Mellea context type that shows the model the last two spans."""
