"""A Mellea backend for a made-up provider."""
