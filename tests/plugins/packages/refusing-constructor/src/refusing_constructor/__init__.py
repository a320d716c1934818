"""A plugin whose backend cannot be made."""
