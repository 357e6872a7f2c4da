"""A linear-chain conditional random field (CRF): its parameters, its loss, and the engines for inference."""

from .module import LinearChainCRF

__all__ = ["LinearChainCRF"]
