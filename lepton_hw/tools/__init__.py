"""External programs, one per file: how to find them, their versions, their arguments."""
