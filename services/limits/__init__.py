"""Rate limits, within one process and across all processes."""
