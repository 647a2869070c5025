"""Everything with PyTorch: from a checkpoint and a picture to masks with scores."""
