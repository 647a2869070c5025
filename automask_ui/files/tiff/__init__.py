"""TIFF, read by its tags and within bounds: structure, layout of the pixels, packings, and what the numbers mean."""
