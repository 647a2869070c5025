"""Benchmarks of the engine: speed, memory, and comparison with other implementations."""
