"""Which models there are: the registry, the files on this machine, and verified downloads."""
