"""The generator that measurements run."""

from segment_anything import SamAutomaticMaskGenerator
from segment_anything.modeling import Sam


def make_generator(sam: Sam, **thresholds: float) -> SamAutomaticMaskGenerator:
    """The generator with its usual settings but for the given thresholds."""
    return SamAutomaticMaskGenerator(sam, **thresholds)
