"""Compilation: the same numbers, and the plain network with a reason where the compiler fails."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch._dynamo.backends.common import aot_autograd
from torch._inductor.exc import InductorError

from models.training.compilation import Compiled, compiled
from models.training.loop import fit
from tests.training.miniature import distance, lenses, settings


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Linear(8, 1))


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Make torch.compile end in a back end of ours; what comes before is torch's own."""
    compile_ = torch.compile

    def use(backend: Any) -> None:
        torch._dynamo.reset()
        monkeypatch.setattr(torch, "compile", lambda model, mode, dynamic: compile_(model, backend=backend))

    return use


def broken(graph: object, inputs: object) -> Any:
    raise RuntimeError("\n  the back end is not well\nand has more to say")


def unable(graph: object, inputs: object) -> Any:
    raise InductorError(RuntimeError("no such gradient"), None)


BATCH = torch.linspace(-1, 1, 20).reshape(5, 4)


def test_none_is_the_network_itself(network: nn.Module) -> None:
    assert compiled(network, "none", "cpu") == (network, "")


def test_an_unknown_mode_lists_the_known(network: nn.Module) -> None:
    with pytest.raises(
        ValueError, match=r"^compile: no 'fast'; there are none, default, reduce-overhead, max-autotune$"
    ):
        compiled(network, "fast", "cpu")


def test_without_a_compiler_the_plain_network_is_given_back_and_the_reason(network: nn.Module) -> None:
    from torch._inductor import config

    with config.patch({"cpp.cxx": (None, "/no/such/compiler")}):
        given, reason = compiled(network, "default", "cpu")
    assert given is network
    assert reason == "compile: the plain network instead; there is no C++ compiler (install g++, or set CXX)"


def test_what_is_compiled_is_the_network(network: nn.Module, backend: Callable[[Any], None]) -> None:
    """Same outputs, gradients and statistics; the compiler really ran."""
    graphs = []

    def counted(graph: Any, inputs: object) -> Any:
        graphs.append(graph)
        return graph.forward

    backend(counted)
    fast, reason = compiled(network, "default", "cpu")
    assert isinstance(fast, Compiled)
    assert reason == ""
    slow = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Linear(8, 1))
    slow.load_state_dict(network.state_dict())
    for model in (fast, slow):
        model(BATCH).sum().backward()
    assert len(graphs) == 1
    assert fast.reason == ""
    for mine, theirs in zip(network.parameters(), slow.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)
    torch.testing.assert_close(network.state_dict(), slow.state_dict())
    torch.testing.assert_close(fast.eval()(BATCH), slow.eval()(BATCH))


def test_a_compiler_that_fails_leaves_the_plain_network_and_a_line(
    network: nn.Module, backend: Callable[[Any], None]
) -> None:
    backend(broken)
    fast, _ = compiled(network, "default", "cpu")
    assert isinstance(fast, Compiled)
    statistics = network[1].num_batches_tracked.item()
    torch.testing.assert_close(fast(BATCH), network(BATCH))
    assert network[1].num_batches_tracked.item() == statistics + 2  # each batch counted once
    assert fast.reason.startswith("compile: the plain network instead; BackendCompilerFailed: backend='broken' raised:")
    assert "\n" not in fast.reason
    assert len(fast.reason) < 300


def test_a_compiler_that_fails_later_does_so_too(network: nn.Module, backend: Callable[[Any], None]) -> None:
    """At another shape or in evaluation it is asked again."""
    calls = []

    def once(graph: Any, inputs: object) -> Any:
        calls.append(graph)
        return graph.forward if len(calls) == 1 else broken(graph, inputs)

    backend(once)
    fast, _ = compiled(network, "default", "cpu")
    fast(BATCH)
    assert fast.reason == ""
    torch.testing.assert_close(fast.eval()(BATCH), network.eval()(BATCH))
    assert fast.reason != ""


class Faulty(nn.Module):
    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        raise ValueError("vectors: expected 3 columns")


def test_the_network_s_own_errors_are_not_hidden(backend: Callable[[Any], None]) -> None:
    backend("eager")
    fast, _ = compiled(Faulty(), "default", "cpu")
    with pytest.raises(ValueError, match=r"^vectors: expected 3 columns$"):
        fast(BATCH)


def test_a_system_without_a_compiler_is_told_at_once(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise RuntimeError("torch.compile is not supported on Python 3.99")

    monkeypatch.setattr(torch, "compile", refuse)
    assert compiled(network, "default", "cpu") == (
        network,
        "compile: the plain network instead; RuntimeError: torch.compile is not supported on Python 3.99",
    )


def test_a_training_whose_gradient_cannot_be_compiled_is_that_of_the_plain_network(
    backend: Callable[[Any], None],
) -> None:
    """The compiler comes to gradients in the backward pass."""
    rows = lenses(32, seed=0)
    found = {}
    for wanted in ("none", "default"):
        backend(aot_autograd(fw_compiler=lambda graph, inputs: graph.forward, bw_compiler=unable))
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(144, 4), nn.GELU(), nn.Linear(4, 1))
        found[wanted] = fit(model, rows, rows, settings(epochs=1, compile=wanted), seed=0), model.state_dict()
    (_, plain), (record, weights) = found.values()
    assert distance(weights, plain) == 0.0
    assert record.said["notes"] == ["compile: the plain network instead; InductorError: RuntimeError: no such gradient"]
