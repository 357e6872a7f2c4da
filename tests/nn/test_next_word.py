"""The language model: the scores at a place depend on the words before it alone, and on no other text."""

import pytest
import torch

from spacy_bilstm.nn.next_word import NextWordModel


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_scores_depend_on_the_words_before_alone(cell: str) -> None:
    torch.manual_seed(0)
    model = NextWordModel(20, 8, cell)
    words = torch.randint(1, 20, (9,))
    with torch.no_grad():
        both = model(words, [5, 4])
        alone = model(words[5:], [4])
        changed = words.clone()
        changed[3] = 1 + changed[3] % 19
        other = model(changed, [5, 4])
    assert both.shape == (9, 20)
    torch.testing.assert_close(both[5:], alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(both[:4], other[:4], atol=1e-5, rtol=0)
    assert (both[4] - other[4]).abs().max() > 1e-4
    torch.testing.assert_close(both[5:], other[5:], atol=1e-5, rtol=0)


def test_the_first_word_of_each_text_follows_the_start() -> None:
    model = NextWordModel(20, 8)
    with torch.no_grad():
        scores = model(torch.tensor([3, 4, 5]), [1, 2])
    torch.testing.assert_close(scores[0], scores[1], atol=1e-5, rtol=0)
