"""A Mellea backend for Brook, a made-up provider over HTTP."""
