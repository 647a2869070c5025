"""Drawn scenes: pictures painted from shapes and textures, so that the mask of everything in them is exact."""
