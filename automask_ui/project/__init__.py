"""A list of pictures with their masks and edits: its document, autosave, restoring, and its export as one dataset."""
