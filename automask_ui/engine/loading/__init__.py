"""From a checkpoint file to a model on a device."""
