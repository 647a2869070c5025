"""One visitor's work on one picture: the result of a run, edits with undo, and the run in progress."""

from automask_ui.session.session import Difference, Job, Session, ShowOnly, Snapshot

__all__ = ["Difference", "Job", "Session", "ShowOnly", "Snapshot"]
