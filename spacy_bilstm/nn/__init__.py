"""Torch modules only, tensors in and tensors out; nothing here knows thinc or spaCy."""
