"""The confusions of tags: they add up to all errors."""

from hypothesis import given, settings
from hypothesis import strategies as st
from toy_predictions import annotate_randomly, make_pipeline

from spacy_bilstm.evaluation.confusions import find_tag_confusions, list_confusions, make_matrix
from spacy_bilstm.evaluation.outcomes import compare_corpus

NLP = make_pipeline("tagger", "morphologizer")


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_confusions_add_up_to_the_errors(seed: int) -> None:
    annotated = annotate_randomly(NLP, seed)
    tags = compare_corpus(NLP, annotated).tokens["tag"]
    n_errors = sum(doc.count().fp for doc in tags)
    assert sum(row.n for row in list_confusions(annotated.examples, tags, 1000)) == n_errors
    matrix = make_matrix(tags, 1000)
    assert sum(map(sum, matrix.counts)) - sum(matrix.counts[i][i] for i in range(len(matrix.values))) == n_errors


def test_each_kind_of_tag_has_its_confusions() -> None:
    annotated = annotate_randomly(NLP, 0)
    tags, parts = find_tag_confusions(annotated.examples, compare_corpus(NLP, annotated))
    assert ((tags.attr, tags.name), (parts.attr, parts.name)) == (("tag", "Tags"), ("pos", "Parts of speech"))
    counts = [row.n for row in tags.most_frequent]
    assert counts == sorted(counts, reverse=True)
    assert {row.predicted for row in tags.most_frequent} == {"NN"}
    assert {row.predicted for row in parts.most_frequent} == {"NOUN"}
