"""One of two distributions that provide the backend twin."""
