"""Benchmark the engine: speed, memory, and comparison with other implementations."""
