"""Masks as data: collections of candidates and masks, run-length encoding, operations, prompts, outlines, pictures and tables of them."""

from automask_ui.masks.collection import Candidates, Mask, MaskResult, MaskSet, Step, Verdict, object_column
from automask_ui.masks.prompt import Prediction

__all__ = ["Candidates", "Mask", "MaskResult", "MaskSet", "Prediction", "Step", "Verdict", "object_column"]
