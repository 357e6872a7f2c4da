"""Torch modules: tensors in, tensors out, without thinc or spaCy."""
