"""A plugin whose backend imports what is not installed."""
