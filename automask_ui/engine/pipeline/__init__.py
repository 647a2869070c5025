"""From a picture to its masks: encode, decode, resample, select, clean."""
