"""Masks as data: collections of them, prompts for them, run lengths, operations, outlines, pictures and tables."""

from automask_ui.masks.collection import Candidates, Mask, MaskResult, MaskSet, Step, Verdict, object_column
from automask_ui.masks.prompt import Prediction

__all__ = ["Candidates", "Mask", "MaskResult", "MaskSet", "Prediction", "Step", "Verdict", "object_column"]
