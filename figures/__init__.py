"""Figures: arrays and tidy tables in, axes out; nothing is computed here."""
