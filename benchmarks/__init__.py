"""What the framework costs, measured against the bare SDK, the bare interpreter and the bare model in the same run.

``python -m benchmarks`` from the root of the repository prints one table; ``make bench`` calls it.
"""
