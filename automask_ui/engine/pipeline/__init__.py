"""The mask generator: encode, decode, resample, select and clean."""
