"""The collectors that come with sitegen: one module a benchmark, its method note beside it."""
