"""The largest layers that can be built, so that a damaged or hostile config is refused before it takes memory."""

MAX_WEIGHTS = 2**31


def check_number_of_weights(layer: str, n_weights: int, arguments: str) -> None:
    """Check that a layer is not so large that its config must be incorrect.

    layer: the layer, for the message.
    n_weights: number of its weights, about.
    arguments: the arguments that it depends on, with their values, for the message.
    RAISES: ValueError if it has more than 2 billion weights.
    """
    if n_weights > MAX_WEIGHTS:
        raise ValueError(
            f"{layer} with {arguments} would have about {float(n_weights):.1e} weights, but at most {MAX_WEIGHTS:.1e} "
            "are allowed, which take 8 GB. Use smaller values."
        )
