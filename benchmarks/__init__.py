"""What the framework costs, against the bare SDK, interpreter and model in the same run.

``python -m benchmarks`` from the root of the repository prints one table; ``make bench`` calls it.
"""
