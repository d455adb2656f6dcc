"""Measures the server: ``uv run --group benchmarks benchmarks/run.py --help``."""

import runpy
import sys
from pathlib import Path

# A script's own folder comes first on the path; the modules here are those of a package beside `server`.
sys.path[0] = str(Path(__file__).resolve().parent.parent)
runpy.run_module("benchmarks", run_name="__main__", alter_sys=True)
