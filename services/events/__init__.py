"""How a change reaches every process: the outbox, the bus, Redis. Knows nothing of live delivery."""
