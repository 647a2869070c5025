"""Threads, scratch memory and out-of-memory errors of the engine."""
