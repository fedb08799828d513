"""Checks a study on the user's own data, and says whether to believe its numbers."""
