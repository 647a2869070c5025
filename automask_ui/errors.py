"""Every exception that AutoMask raises on purpose.

AutoMaskError
├── OptionError (also a ValueError)   a parameter has the wrong type or lies outside its range
├── ImageError                        a picture cannot be used
│   ├── UnreadableImageError            the bytes are not an image that can be decoded
│   └── ImageTooLargeError              more pixels than the limit
├── CheckpointError                   a model cannot be had
│   ├── UnknownModelError               no such name in the registry
│   ├── CheckpointNotFoundError         the file is not on this machine
│   ├── CheckpointFormatError           the file is not a usable SAM checkpoint
│   └── DownloadError                   fetching it failed
├── EngineError                       the model could not be run
│   └── EngineOutOfMemoryError          not even one point at a time fits
├── BusyError                         too many wait for the model already
├── SessionError                      what a visitor refers to is not there
│   ├── NoImageError                    nothing has been opened yet
│   └── RunGoneError                    the run is no longer on the server, or is not theirs
├── EditError                         an edit of the masks cannot be done
│   └── LabelError                      a class list, a label or a file's edits cannot be used
├── ArchiveError                      a ZIP cannot be read, or holds more than it may
├── RestoreError                       kept work cannot be taken up again
├── ExportError                       a download could not be made, or failed its check
└── BatchError                        a folder run cannot start or go on

Messages say what happened, with which value, and what to do about it: they are shown to people as they are.
This module imports nothing, so that every other may import it.
"""

__all__ = [
    "ArchiveError",
    "AutoMaskError",
    "BatchError",
    "BusyError",
    "CheckpointError",
    "CheckpointFormatError",
    "CheckpointNotFoundError",
    "DownloadError",
    "EditError",
    "EngineError",
    "EngineOutOfMemoryError",
    "ExportError",
    "ImageError",
    "ImageTooLargeError",
    "LabelError",
    "NoImageError",
    "OptionError",
    "RestoreError",
    "RunGoneError",
    "SessionError",
    "UnknownModelError",
    "UnreadableImageError",
]


class AutoMaskError(Exception):
    """Base of all errors that AutoMask raises on purpose."""


class OptionError(AutoMaskError, ValueError):
    """A parameter has the wrong type or lies outside its range."""


class ImageError(AutoMaskError):
    """A picture cannot be used."""


class UnreadableImageError(ImageError):
    """The bytes are not an image that can be decoded."""


class ImageTooLargeError(ImageError):
    """The picture has more pixels than the limit."""


class CheckpointError(AutoMaskError):
    """A model cannot be had."""


class UnknownModelError(CheckpointError):
    """The registry has no model of this name."""


class CheckpointNotFoundError(CheckpointError):
    """The checkpoint file is not on this machine."""


class CheckpointFormatError(CheckpointError):
    """The file is not a usable SAM checkpoint."""


class DownloadError(CheckpointError):
    """Fetching a checkpoint failed."""


class EngineError(AutoMaskError):
    """The model could not be run."""


class EngineOutOfMemoryError(EngineError):
    """Memory ran out even at one point at a time."""


class BusyError(AutoMaskError):
    """Too many wait for the model already."""


class SessionError(AutoMaskError):
    """What a visitor refers to is not there."""


class NoImageError(SessionError):
    """Nothing has been opened yet."""


class RunGoneError(SessionError):
    """The run is no longer on the server, or belongs to someone else."""


class EditError(AutoMaskError):
    """An edit of the masks cannot be done."""


class LabelError(EditError):
    """A class list, a label or a file's edits cannot be used."""


class ArchiveError(AutoMaskError):
    """A ZIP cannot be read, or holds more than it may."""


class RestoreError(AutoMaskError):
    """Kept work cannot be taken up again."""


class ExportError(AutoMaskError):
    """A download could not be made, or failed its check."""


class BatchError(AutoMaskError):
    """A folder run cannot start or go on."""
