"""A linear-chain conditional random field (CRF): its parameters, its loss, and two engines for inference."""

from .module import LinearChainCRF

__all__ = ["LinearChainCRF"]
