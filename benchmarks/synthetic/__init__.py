"""Reports of invented values in the shape of real ones.

`plain` makes any number of runs of any size; `rich` makes what a careful report has, once.
"""

from benchmarks.synthetic.plain import Shape, add, make, write

__all__ = ["Shape", "add", "make", "write"]
