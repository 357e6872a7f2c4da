"""The layers that predict the neighbours of tokens: their losses are those of the definition."""

import numpy
import torch
from torch.nn import functional as F

from spacy_bilstm.nn.neighbours import HashedNeighbours, SampledNeighbours

LENGTHS = [3, 0, 1, 2]
N_TOKENS = 6
STATES = torch.randn(N_TOKENS, 2, 5, generator=torch.Generator().manual_seed(0))
VECTORS = torch.randn(N_TOKENS, 4, generator=torch.Generator().manual_seed(1))
WORDS = torch.tensor([0, 1, 2, 0, 3, 1])
NEXT, PREVIOUS = [1, 2, None, None, 5, None], [None, 0, 1, None, None, 4]


def test_sampled_losses_are_cross_entropies_over_the_other_words() -> None:
    """Many candidates drawn with replacement: the loss is near that over all tokens with the weights of the draw."""
    torch.manual_seed(0)
    neighbours = SampledNeighbours(5, 4, 3, n_candidates=N_TOKENS)
    torch.nn.init.normal_(neighbours.boundary)
    state = torch.get_rng_state()
    losses = neighbours(STATES, VECTORS, LENGTHS, WORDS)
    torch.set_rng_state(state)
    candidates = torch.randint(N_TOKENS, (N_TOKENS,))
    for i in range(N_TOKENS):
        for j, target in enumerate((NEXT[i], PREVIOUS[i])):
            query = neighbours.query(STATES[i, j])
            own = query @ (neighbours.boundary if target is None else neighbours.key(VECTORS[target]))
            others = [
                query @ neighbours.key(VECTORS[c]) for c in candidates if target is None or WORDS[c] != WORDS[target]
            ]
            expected = F.cross_entropy(torch.stack([own, *others]), torch.tensor(0))
            torch.testing.assert_close(losses[i, j], expected)


def test_a_batch_of_one_word_has_no_other_candidates() -> None:
    neighbours = SampledNeighbours(5, 4, 3, n_candidates=4)
    losses = neighbours(STATES[:2], VECTORS[:2], [2], torch.tensor([7, 7]))
    assert torch.isfinite(losses).all()
    assert losses[0, 0] == 0.0


TARGETS = torch.from_numpy(numpy.random.default_rng(0).integers(7, size=(N_TOKENS, 2, 4)))


def test_hashed_losses_are_means_of_cross_entropies_over_hashes() -> None:
    torch.manual_seed(0)
    neighbours = HashedNeighbours(5, 2, 6, n_hashes=4, n_buckets=7)
    torch.nn.init.normal_(neighbours.output.weight)
    losses = neighbours(STATES, VECTORS, LENGTHS, TARGETS)
    hidden = neighbours.norm(neighbours.hidden(STATES).unflatten(2, (2, 6)).amax(2))
    scores = neighbours.output(hidden[2, 1]).view(4, 7)
    torch.testing.assert_close(losses[2, 1], F.cross_entropy(scores, TARGETS[2, 1]))


def test_hashed_losses_are_those_of_chance_at_first() -> None:
    neighbours = HashedNeighbours(5, 2, 6, n_hashes=4, n_buckets=7)
    torch.testing.assert_close(
        neighbours(STATES, VECTORS, LENGTHS, TARGETS), torch.full((N_TOKENS, 2), numpy.log(7)).float()
    )
