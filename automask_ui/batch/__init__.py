"""Many pictures, one dataset: a folder is worked through picture by picture, and gone on with after any interruption.

Two things are kept of each picture, each moved into place when it is complete: its masks, under a key of all that they
depend on (the file's content, the weights, the options), and the list of files made of them. A run does what is
missing from these, so that being killed costs at most the picture in hand, and a further format needs no model.
"""

from automask_ui.batch.paths import place_of
from automask_ui.batch.pictures import Failure
from automask_ui.batch.run import BatchProgress, BatchReport, run_batch
from automask_ui.batch.work import BatchTask

__all__ = [
    "BatchProgress",
    "BatchReport",
    "BatchTask",
    "Failure",
    "place_of",
    "run_batch",
]
