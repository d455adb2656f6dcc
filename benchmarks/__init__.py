"""The benchmarks behind the performance claims: ``uv run --group benchmarks benchmarks/run.py``."""
