"""Features: from events, sound and arrays to the columns of X."""
