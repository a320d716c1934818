"""The names of ``cli.decompose`` of the 0.8 line; see ``mellea.decompose``."""
