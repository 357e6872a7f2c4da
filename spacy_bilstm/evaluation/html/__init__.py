"""Renders an evaluation as an HTML page."""
