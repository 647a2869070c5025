"""SAM's mask decoder for many points of one picture at once."""
