"""The layout of images: channels last where it is asked for and safe."""

import subprocess
import sys

import pytest
import torch
from torch import nn

import models
from models.training.layout import memory_format, unsafe
from tests.conftest import ROOT, environment

# the gradient of a strided 1 x 1 convolution's weights beside a slow and sure one; the kernel of a CPU without AVX-512
GRADIENT = """
import sys, torch
from torch.nn.functional import conv2d
sys.path.insert(0, sys.argv[1])
from models.training.layout import memory_format
layer = torch.nn.Conv2d(4, 8, 1, stride=2, bias=False)
layout = getattr(torch, sys.argv[2]) if len(sys.argv) > 2 else memory_format(layer, "channels_last", "cpu")[0]
torch.set_num_threads(1)
for _ in range(5):
    maps = torch.randn(16, 4, 16, 16)
    columns = maps[:, :, ::2, ::2].double().movedim(1, 3).reshape(-1, 4)
    weight = layer.weight.detach().double()[:, :, 0, 0]
    expected = 2 * (columns @ weight.T).T @ columns
    layer.to(memory_format=layout).zero_grad()
    layer(maps.contiguous(memory_format=layout)).square().sum().backward()
    torch.testing.assert_close(layer.weight.grad[:, :, 0, 0].double(), expected, rtol=1e-4, atol=1e-2)
print("sound")
"""


def gradient(*layout: str) -> bool:
    """Whether a process of its own, which may well break, gets the gradients right."""
    variables = environment(ONEDNN_MAX_CPU_ISA="AVX2")
    command = [sys.executable, "-c", GRADIENT, str(ROOT), *layout]
    try:
        found = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:  # it has been seen to hang
        return False
    return found.returncode == 0 and found.stdout == "sound\n"


def test_the_layout_that_is_chosen_gets_gradients_right() -> None:
    assert gradient()


def test_the_layout_that_is_avoided_breaks_them() -> None:
    """Or there is nothing left to avoid: with a torch whose oneDNN is mended, or a processor it has other code for."""
    if gradient("channels_last"):
        pytest.skip("this torch and processor compute strided 1 x 1 convolutions soundly with channels last")


@pytest.mark.parametrize(
    ("layer", "is_unsafe"),
    [
        (nn.Conv2d(4, 8, 1, stride=2), True),
        (nn.Conv2d(7, 8, 1, stride=(1, 2)), True),
        (nn.Conv2d(16, 16, 1, stride=2, groups=4), True),
        (nn.Conv2d(8, 4, 1, stride=2), False),
        (nn.Conv2d(4, 8, 1), False),
        (nn.Conv2d(4, 8, 3, stride=2), False),
        (nn.Linear(4, 8), False),
    ],
)
def test_which_layers_are_unsafe(layer: nn.Module, is_unsafe: bool) -> None:
    network = nn.Sequential(nn.Identity(), layer)
    assert unsafe(network) == (["1"] if is_unsafe else [])
    assert memory_format(network, "channels_last", "cpu")[0] == (
        torch.contiguous_format if is_unsafe else torch.channels_last
    )
    assert memory_format(network, "channels_last", "cuda:0") == (torch.channels_last, "")
    assert memory_format(network, "contiguous", "cpu") == (torch.contiguous_format, "")


def test_the_reason_names_the_layers() -> None:
    network = nn.Sequential(*(nn.Conv2d(4, 4, 1, stride=2) for _ in range(5)))
    reason = memory_format(network, "channels_last", "cpu")[1]
    assert reason == (
        "memory_format: contiguous; strided 1 x 1 convolutions of fewer than 8 channels (0, 1, 2 and 2 more) corrupt "
        "memory on a CPU otherwise"
    )


def test_the_networks_as_they_come_have_their_channels_last() -> None:
    """Only a network made very narrow loses it."""
    assert unsafe(models.build("cnn", 1, 1, widths=[4, 8])) == []
    assert unsafe(models.build("alternet", 1, 1, depth=18, width=0.125)) == []
    assert unsafe(models.build("alternet", 1, 1, depth=18)) == []


def test_an_unknown_layout_lists_the_known() -> None:
    with pytest.raises(ValueError, match=r"^memory_format: no 'nhwc'; there are contiguous, channels_last$"):
        memory_format(nn.Identity(), "nhwc", "cpu")
