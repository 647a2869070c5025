"""Make a dataset of all pictures in a folder, picture by picture; after any interruption, the same run goes on.

Two records are kept of each picture, each moved into place when it is complete: its masks, with a key of all that they
depend on (the file's content, the weights, the options), and the list of files made of them. A run makes what is
missing, so that being killed costs at most the pictures in hand, and a further format needs no model.
"""

from automask_ui.batch.paths import folder_at
from automask_ui.batch.pictures import Failure
from automask_ui.batch.run import BatchProgress, BatchReport, run_batch
from automask_ui.batch.worker import BatchTask

__all__ = [
    "BatchProgress",
    "BatchReport",
    "BatchTask",
    "Failure",
    "folder_at",
    "run_batch",
]
