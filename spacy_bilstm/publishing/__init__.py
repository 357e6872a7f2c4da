"""Builds the folder of a repository on the Hugging Face Hub from a trained pipeline."""

from .repository import HubRepository, build_repository

__all__ = ["HubRepository", "build_repository"]
