"""What several packages share: files, plots, facts about the machine."""
