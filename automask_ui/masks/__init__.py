"""Masks as data: collections of candidates and masks, run-length encoding, outlines, pictures and tables of them."""

from automask_ui.masks.collection import Candidates, Mask, MaskResult, MaskSet, Step, Verdict, object_column

__all__ = ["Candidates", "Mask", "MaskResult", "MaskSet", "Step", "Verdict", "object_column"]
