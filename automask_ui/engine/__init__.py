"""Run SAM with PyTorch: load checkpoints, encode pictures, decode points, select masks."""
