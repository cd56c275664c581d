"""Fusion: vectors reach the answer, and FiLM begins as if there were none."""

import pytest
import torch
from torch import Tensor, nn

import models
from models.blocks import Mean, Trunk
from models.network import Network, fused
from models.network.fusion import FiLM


class Tokens(nn.Module):
    """Pixels as tokens: (n, c, h, w) to (n, h w, c)."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.flatten(2).movedim(1, 2)


class Orientations(nn.Module):
    """Maps with a further axis: (n, c, h, w) to (n, c, 8, h, w)."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps[:, :, None].expand(-1, -1, 8, -1, -1)


class Pool(nn.Module):
    """The mean over everything but images and channels."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, state: Tensor) -> Tensor:
        return state.mean(dim=self.dims)


def trunk(kind: str) -> Trunk:
    """Two stages of the given kind of state, from maps of three channels to 3 and then 5."""
    torch.manual_seed(0)
    if kind == "maps":
        return Trunk(nn.Identity(), [nn.Conv2d(3, 3, 3), nn.Conv2d(3, 5, 3)], Mean(), [3, 5], 5)
    if kind == "tokens":
        return Trunk(Tokens(), [nn.Linear(3, 3), nn.Linear(3, 5)], Pool((1,)), [3, 5], 5, axis=-1)
    return Trunk(Orientations(), [nn.Conv3d(3, 3, 1), nn.Conv3d(3, 5, 1)], Pool((2, 3, 4)), [3, 5], 5)


def network(kind: str, fusion: str, num_vectors: int = 4) -> Network:
    made, torch_state = trunk(kind), torch.get_rng_state()
    fusing, width = fused(fusion, made, num_vectors)
    torch.set_rng_state(torch_state)
    return Network(made, fusing, models.heads.build(width, 1))


every_state = pytest.mark.parametrize("kind", ["maps", "tokens", "orientations"])
MAPS, VECTORS = torch.randn(6, 3, 8, 8), torch.randn(6, 4)


@every_state
def test_film_begins_as_the_network_without_vectors(kind: str) -> None:
    assert torch.equal(network(kind, "film")(MAPS, VECTORS), network(kind, "none")(MAPS))


@every_state
@pytest.mark.parametrize("fusion", ["concat", "film"])
def test_vectors_act_after_a_step_and_those_of_other_images_do_not(kind: str, fusion: str) -> None:
    model, vectors = network(kind, fusion), VECTORS.clone().requires_grad_()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    (model(MAPS, vectors) - 1).square().mean().backward()
    optimiser.step()
    vectors.grad = None
    model(MAPS, vectors)[0].sum().backward()
    assert vectors.grad is not None
    assert vectors.grad[0].abs().min() > 0
    assert not vectors.grad[1:].any()


@every_state
def test_every_parameter_of_film_has_a_gradient_after_a_step(kind: str) -> None:
    model = network(kind, "film")
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        optimiser.zero_grad()
        (model(MAPS, VECTORS) - 1).square().mean().backward()
        optimiser.step()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


@every_state
def test_film_scales_and_shifts_each_channel_of_each_stage(kind: str) -> None:
    """Against the stages applied by hand, with a scale and a shift that do not depend on the vectors."""
    model = network(kind, "film")
    assert isinstance(model.fusion, FiLM)
    scales, shifts = [torch.randn(3), torch.randn(5)], [torch.randn(3), torch.randn(5)]
    model.fusion.last.bias.data = torch.cat([*scales, *shifts])
    state = model.trunk.stem(MAPS)
    for stage, scale, shift in zip(model.trunk.stages, scales, shifts, strict=True):
        channels_last = stage(state).movedim(model.trunk.axis, -1)
        state = ((1 + scale) * channels_last + shift).movedim(-1, model.trunk.axis)
    torch.testing.assert_close(model(MAPS, VECTORS), model.head(model.trunk.neck(state)))


def test_film_acts_under_half_precision() -> None:
    model = network("maps", "film")
    nn.init.normal_(model.fusion.last.weight, std=0.1)
    with torch.autocast("cpu", torch.bfloat16):
        coarse = model(MAPS, VECTORS).float()
    torch.testing.assert_close(coarse, model(MAPS, VECTORS), rtol=0.1, atol=0.05)


@pytest.mark.parametrize("fusion", ["concat", "film"])
def test_a_network_built_for_vectors_refuses_to_go_without(fusion: str) -> None:
    model = network("maps", fusion)
    with pytest.raises(ValueError, match=r"^vectors: no columns; this network was built for 4$"):
        model(MAPS)
    with pytest.raises(ValueError, match=r"^vectors: 3 columns; this network was built for 4$"):
        model(MAPS, VECTORS[:, :3])


def test_an_unknown_fusion_is_refused_with_the_known() -> None:
    with pytest.raises(ValueError, match=r"^fusion: no 'add'; there are none, concat, film$"):
        models.build("cnn", 1, 1, 3, fusion="add")
