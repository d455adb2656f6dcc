"""Measures the server: ``uv run --group benchmarks benchmarks/run.py --help``."""

import runpy
import sys
from pathlib import Path

# Python puts the script's folder on the path; imports of `benchmarks` need its parent instead.
sys.path[0] = str(Path(__file__).resolve().parent.parent)
runpy.run_module("benchmarks", run_name="__main__", alter_sys=True)
