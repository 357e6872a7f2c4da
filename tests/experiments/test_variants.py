"""Test the encoders that an experiment compares."""

from spacy_bilstm.experiments import make_variants


def test_one_direction_is_not_repeated_for_each_merge() -> None:
    variants = make_variants(["gru"], [1, 2], ["concat", "sum"], [1, 2], cnn=True)
    names = ["GRU", "BiGRU", "BiGRU sum", "2-layer GRU", "2-layer BiGRU", "2-layer BiGRU sum", "CNN"]
    assert [variant.name for variant in variants] == names
