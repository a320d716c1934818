"""Rows of data through a program: many at the same time, and none paid for twice."""

from mellea.mapping.estimating import Estimate, aestimate, estimate
from mellea.mapping.mapping import amap, map  # noqa: A004  it is read as mellea.map
from mellea.mapping.progress import Progress
from mellea.mapping.results import MappedRow
from mellea.mapping.running import Results, SyncResults

__all__ = [
    "Estimate",
    "MappedRow",
    "Progress",
    "Results",
    "SyncResults",
    "aestimate",
    "amap",
    "estimate",
    "map",
]
