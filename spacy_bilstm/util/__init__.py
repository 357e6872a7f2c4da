"""Helpers that several packages share: writing files, plots, model size, facts about the machine."""
