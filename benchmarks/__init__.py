"""What the performance claims stand on: ``uv run --group benchmarks benchmarks/run.py``."""
