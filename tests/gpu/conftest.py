"""The device of each test here: the CPU, where the tests check themselves, and a GPU."""

from collections.abc import Iterator

import pytest
import torch
from thinc.api import require_cpu, require_gpu
from toy_pipelines import has_gpu

GPU = pytest.param(
    "gpu", marks=[pytest.mark.gpu, pytest.mark.skipif(not has_gpu(), reason="needs CUDA, torch for CUDA, and CuPy")]
)


@pytest.fixture(params=["cpu", GPU])
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """Compute on the CPU or on a GPU in the test, and on the CPU after it.

    cuDNN rounds the factors of products to TF32 by default, which has 10 bits. The tests compare without that.
    """
    (require_gpu if request.param == "gpu" else require_cpu)()
    with torch.backends.cudnn.flags(allow_tf32=False):
        yield request.param
    require_cpu()


@pytest.fixture
def gpu_id(device: str) -> int:
    """Return the ID of the device, as `--gpu-id` takes it: -1 for the CPU."""
    return 0 if device == "gpu" else -1
