"""The parts of ``imgtech demo``."""
