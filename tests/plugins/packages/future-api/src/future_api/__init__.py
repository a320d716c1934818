"""A plugin made for a later plugin interface."""
