"""Brain2Music from an empty folder: our numbers beside those that were published."""
