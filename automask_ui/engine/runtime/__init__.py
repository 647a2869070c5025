"""How the engine uses threads and memory."""
