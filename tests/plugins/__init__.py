"""Sample distributions, and tests of what the plugin core does with them."""
