"""What the performance claims stand on: ``uv run benchmarks/run.py``."""
