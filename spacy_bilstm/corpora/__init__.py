"""Corpora in CoNLL-U, columns and JSONL become spaCy docs, and every problem is said with file and line."""
