"""Static report sites from benchmark runs that a reader can check."""

__version__ = "0.1.0"
