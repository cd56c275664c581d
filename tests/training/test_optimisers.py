"""Optimisers: each named one learns, decays, stops and goes on as it should."""

import io
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import huber_loss
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

import models
from models.training.optimisers import KINDS, Stepper, build, groups

# learning rates at which twenty steps (three of L-BFGS) are enough for the smallest network
RATES = {
    **dict.fromkeys(("sgd", "nesterov", "adam", "adamw", "adabelief", "lamb", "muon", "kron", "shampoo"), 0.1),
    **dict.fromkeys(("normuon", "adago", "po:muon"), 0.1),
    **dict.fromkeys(("adagrad", "nadam", "lion", "ranger21", "schedulefreeadamw"), 0.03),
    **{"rmsprop": 0.003, "soap": 0.01, "radam": 0.3},
    **dict.fromkeys(("lars", "lbfgs", "ranger", "adahessian", "schedulefreeradam", "schedulefreesgd"), 1.0),
    **{"adadelta": 3.0, "sophia": 3.0},
}
SCHEDULE_FREE = [kind for kind in KINDS if kind.startswith("schedulefree")]
LOOKS_AHEAD = {"ranger", "ranger21"}


def images() -> tuple[Tensor, Tensor]:
    """Images of noise with their total flux, in normalised units; channels last, as in the loop."""
    generator = torch.Generator().manual_seed(1)
    maps = torch.rand(32, 1, 12, 12, generator=generator) * (1 + torch.randn(32, 1, 1, 1, generator=generator) / 2)
    flux = maps.sum(dim=(2, 3))
    maps, flux = ((part - part.mean()) / part.std() for part in (maps, flux))
    return maps.contiguous(memory_format=torch.channels_last), flux


MAPS, FLUX = images()
CONSTANT = float(huber_loss(FLUX.mean().expand_as(FLUX), FLUX))


def cnn(**options: Any) -> nn.Module:
    torch.manual_seed(0)
    return models.build("cnn", 1, 1, widths=[4, 8], **options).to(memory_format=torch.channels_last)


def evaluates(model: nn.Module, calls: list[float] | None = None) -> Callable[[bool], Tensor]:
    """A closure that does what it should, and writes down the losses."""

    def closure(create_graph: bool) -> Tensor:
        assert all(parameter.grad is None for parameter in model.parameters())
        loss = huber_loss(model(MAPS), FLUX)
        loss.backward(create_graph=create_graph)
        if calls is not None:
            calls.append(loss.item())
        return loss.detach()

    return closure


def stepper(model: nn.Module, kind: str, weight_decay: float = 0.0, **options: Any) -> Stepper:
    return build(kind, groups(model), RATES.get(kind, 0.01), weight_decay, steps=20, **options)


def equal(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


# every optimiser


def test_every_named_one_has_its_rate_here() -> None:
    assert RATES.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_learns_better_than_the_constant(kind: str) -> None:
    model = cnn()
    driven, calls = stepper(model, kind, weight_decay=1e-3), list[float]()
    for step in range(3 if kind == "lbfgs" else 20):
        made = len(calls)
        assert float(driven.step(evaluates(model, calls))) == calls[made]  # the loss before the step
        assert len(calls) == made + 1 or kind == "lbfgs", step
    driven.eval()
    assert calls[0] > CONSTANT
    assert huber_loss(model(MAPS), FLUX).item() < 0.5 * CONSTANT


@pytest.mark.parametrize("kind", KINDS)
def test_goes_on_from_a_file_as_if_it_had_not_stopped(kind: str) -> None:
    """To the bit, with torch's random state as the only one that is kept, and under a schedule."""

    def begin(seed: int) -> tuple[nn.Module, Stepper]:
        model = cnn()
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002  # which a library draws from
        options = {"balance_prob": 0.5} if kind == "kron" else {}  # what it draws by numpy, and seldom
        return model, stepper(model, kind, weight_decay=1e-2, **options)

    def go(model: nn.Module, driven: Stepper, steps: int) -> None:
        for _ in range(steps):
            driven.set(0.3 * driven.lr, 0.88)
            driven.step(evaluates(model))

    whole, driven = begin(3)
    go(whole, driven, 6)

    half, driven = begin(3)
    go(half, driven, 3)
    file = io.BytesIO()
    torch.save([half.state_dict(), driven.state_dict(), torch.get_rng_state()], file)
    kept = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
    untouched = deepcopy(kept[1])
    resumed, again = begin(7)
    resumed.load_state_dict(kept[0])
    again.load_state_dict(kept[1])
    torch.set_rng_state(kept[2])
    assert again.lr == driven.lr
    go(resumed, again, 3)
    assert equal(resumed, whole)
    assert not equal(resumed, half)
    assert same(kept[1], untouched)  # the steps wrote on their own copy


def same(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


class Indifferent(nn.Module):
    """Answers zero with gradients of zero: what changes its weights is decay alone. One weight is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 4)
        self.unused = nn.Linear(4, 4)
        for parameter in self.parameters():
            nn.init.normal_(parameter)

    def forward(self, maps: Tensor) -> Tensor:
        return 0 * self.head(self.norm(self.conv(maps)).mean(dim=(2, 3)))[:, :1]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in SCHEDULE_FREE])
def test_the_decay_is_decoupled_and_spares_vectors(kind: str) -> None:
    """Loshchilov & Hutter 2019, eq. 12, under a schedule; for fewer steps than it takes to look ahead."""
    torch.manual_seed(0)
    model = Indifferent()
    before = deepcopy(dict(model.named_parameters()))
    options = {"norm_loss_factor": 0.0} if kind == "ranger21" else {}  # a second decay
    driven = build(kind, groups(model), 0.5, 0.3, 10, **options)
    rates = [0.5, 0.9, 0.2]
    for rate in rates:
        driven.set(rate)
        driven.step(evaluates(model))
    left = np.prod([1 - 0.3 * rate for rate in rates])
    for name, parameter in model.named_parameters():
        decayed = name in ("conv.weight", "head.weight")
        torch.testing.assert_close(parameter, before[name] * (left if decayed else 1), rtol=1e-5, atol=0, msg=name)


@pytest.mark.parametrize("kind", SCHEDULE_FREE)
def test_a_schedule_free_decay_is_that_of_its_three_sequences(kind: str) -> None:
    """Defazio et al. 2024, algorithm 1, whose decay is at y and moves z; all that is left of it at no gradient."""
    torch.manual_seed(0)
    model = Indifferent()
    start, vector = model.conv.weight.detach().clone(), model.conv.bias.detach().clone()
    options = {"momentum": 0.8} if kind == "schedulefreesgd" else {"betas": [0.8, 0.99]}
    driven = build(kind, groups(model), 0.5, 0.3, 10, **options)
    x = y = z = 1.0  # as multiples of the start
    rates: list[float] = []
    for step in range(1, 9):
        driven.step(evaluates(model))
        rates.append(rectified(step) if kind == "schedulefreeradam" else 0.5)
        shares = [max(rates[:count]) ** 2 for count in range(1, step + 1)]
        z -= rates[-1] * 0.3 * y
        x += (z - x) * shares[-1] / max(sum(shares), 1e-9)
        y = 0.2 * z + 0.8 * x
    assert x < 0.98
    torch.testing.assert_close(model.conv.weight.detach(), start * y, rtol=1e-5, atol=1e-6)
    driven.eval()
    torch.testing.assert_close(model.conv.weight.detach(), start * x, rtol=1e-5, atol=1e-6)
    assert torch.equal(model.conv.bias, vector)


def rectified(step: int) -> float:
    """The rate 0.5 as RAdam takes it at β₂ = 0.99, none at first: Liu et al. 2020, algorithm 2."""
    longest = 2 / (1 - 0.99) - 1
    length = longest - 2 * step * 0.99**step / (1 - 0.99**step)
    if length <= 4:
        return 0.0
    return 0.5 * ((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)) ** 0.5


# particular ones


def test_adamw_is_torch_s_fused_one_to_the_bit_under_a_cycle_of_rates_and_momenta() -> None:
    ours, theirs = cnn(), cnn()
    matrices, vectors = ([p for p in theirs.parameters() if (p.ndim > 1) == many] for many in (True, False))
    parts = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    expected = AdamW(parts, lr=0.05, fused=True)
    cycle = OneCycleLR(expected, 0.05, total_steps=9)
    driven = build("adamw", groups(ours), 0.05, 0.1, 9)
    assert driven.has_momentum
    for _ in range(9):
        driven.set(cycle.get_last_lr()[0], expected.param_groups[0]["betas"][0])
        driven.step(evaluates(ours))
        expected.zero_grad()
        huber_loss(theirs(MAPS), FLUX).backward()
        expected.step()
        cycle.step()
    assert equal(ours, theirs)
    assert not equal(ours, cnn())


FUSED = [kind for kind, known in KINDS.items() if known.options.get("fused")]


def test_those_with_a_fused_kernel_use_it() -> None:
    assert FUSED == ["sgd", "nesterov", "adam", "adamw"]


@pytest.mark.parametrize("kind", FUSED)
def test_a_fused_kernel_is_the_plain_one_but_for_rounding(kind: str) -> None:
    """Also where memory has not the order of the indices, of which a fused kernel knows nothing; and after a stop."""
    ours, theirs = cnn(norm="group"), cnn(norm="group")  # batch normalisation would magnify the rounding
    assert any(not parameter.is_contiguous() for parameter in ours.parameters())
    driven = stepper(ours, kind)
    plain = {name: value for name, value in KINDS[kind].options.items() if name != "fused"}
    make = type(driven.optimiser)
    expected = make(theirs.parameters(), RATES[kind], weight_decay=0.0, fused=False, foreach=False, **plain)
    for step in range(8):
        if step == 4:
            driven = begun_again(driven, ours, kind)
        driven.step(evaluates(ours))
        assert all(p.grad.stride() == p.stride() or 1 in p.shape for p in ours.parameters())
        expected.zero_grad()
        huber_loss(theirs(MAPS), FLUX).backward()
        expected.step()
        torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-4, atol=1e-5)
    assert (weights(ours) - weights(cnn(norm="group"))).abs().max() > 0.1


def begun_again(driven: Stepper, model: nn.Module, kind: str) -> Stepper:
    """Another stepper of the same weights, with the state of the first, through a file."""
    kept = torch.load(_saved(driven.state_dict()), weights_only=True)
    again = stepper(model, kind)
    again.load_state_dict(kept)
    assert same(again.state_dict(), driven.state_dict())
    return again


def moved_by(kind: str, **options: Any) -> dict[str, tuple[Tensor, Tensor]]:
    """Every parameter before a first step at the rate 0.01, and how far it went."""
    model = cnn(norm="group")
    before = deepcopy(dict(model.named_parameters()))
    build(kind, groups(model), 0.01, 0.0, 10, **options).step(evaluates(model))
    return {name: (before[name].detach(), (p - before[name]).detach()) for name, p in model.named_parameters()}


def test_lamb_moves_a_matrix_by_its_own_length_and_vectors_as_adam() -> None:
    """You et al. 2020, algorithm 2, with or without decay; Adam's first step is the sign."""
    for before, step in moved_by("lamb", eps=1e-12).values():
        if before.ndim > 1:
            torch.testing.assert_close(step.norm(), 0.01 * before.norm(), rtol=1e-3, atol=0)
        else:
            torch.testing.assert_close(step.abs(), torch.full_like(step, 0.01), rtol=1e-3, atol=0)


def test_muon_makes_kernels_orthogonal_and_moves_vectors_as_adamw() -> None:
    """Jordan et al. 2024: all singular values of a step are alike; as long as AdamW's (Liu et al. 2025)."""
    steps = moved_by("muon")
    for name in ("trunk.stages.0.1.0.weight", "trunk.stages.1.1.0.weight"):
        flat = steps[name][1].flatten(1)
        alike = torch.linalg.svdvals(flat) / (0.01 * 0.2 * max(flat.shape) ** 0.5)
        assert 0.6 < alike.min() <= alike.max() < 1.3  # as near as five iterations come
    for before, step in steps.values():
        if before.ndim == 1:
            torch.testing.assert_close(step.abs(), torch.full_like(step, 0.01), rtol=1e-2, atol=0)


def test_ranger21_leaves_the_schedule_to_us() -> None:
    ends = []
    for steps in (5, 5000):  # of which it would warm up over a fifth
        model = cnn()
        driven = build("ranger21", groups(model), 0.01, 0.0, steps)
        for _ in range(3):
            driven.step(evaluates(model))
        ends.append(model)
    assert equal(*ends)


def test_second_derivatives_are_taken_when_they_are_looked_at() -> None:
    model, asked = cnn(), list[bool]()

    def closure(create_graph: bool) -> Tensor:
        asked.append(create_graph)
        return evaluates(model)(create_graph)

    driven = stepper(model, "sophia", update_period=3)
    for _ in range(5):
        driven.step(closure)
    assert asked == [True, False, False, True, False]
    assert all(parameter.grad is None for parameter in model.parameters())  # or the graph would stay in memory


@pytest.mark.parametrize("kind", ["adamw", "lbfgs", "adahessian", "sophia"])
def test_gradients_may_come_in_parts_and_clipped(kind: str) -> None:
    """In two halves of the images, each as far as its share goes, gradients with their graph are those of all."""
    ends = []
    for parts in (1, 2):
        model = cnn(norm="group")
        torch.manual_seed(3)
        driven = stepper(model, kind, **({"max_iter": 2} if kind == "lbfgs" else {}))
        for _ in range(2):
            driven.step(in_parts(model, parts))
        ends.append(weights(model))
    torch.testing.assert_close(ends[1], ends[0], rtol=1e-3, atol=1e-4)
    assert (ends[0] - weights(cnn(norm="group"))).abs().max() > 0.01


def weights(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def in_parts(model: nn.Module, parts: int) -> Callable[[bool], Tensor]:
    def closure(create_graph: bool) -> Tensor:
        total = torch.zeros(())
        for maps, flux in zip(MAPS.chunk(parts), FLUX.chunk(parts), strict=True):
            loss = huber_loss(model(maps), flux) / parts
            loss.backward(create_graph=create_graph)
            total += loss.detach()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        return total

    return closure


def test_lbfgs_evaluates_as_often_as_it_may() -> None:
    model, calls = cnn(), list[float]()
    stepper(model, "lbfgs", max_iter=3).step(evaluates(model, calls))
    assert len(calls) == 3


@pytest.mark.parametrize("kind", SCHEDULE_FREE)
def test_a_schedule_free_one_is_evaluated_elsewhere_and_loads_in_either_place(kind: str) -> None:
    model = cnn()
    driven = stepper(model, kind)
    for _ in range(8):
        driven.step(evaluates(model))
    training = deepcopy(model)
    driven.eval()
    evaluation = deepcopy(model)
    assert not equal(training, evaluation)
    driven.eval()  # it is there already
    assert equal(model, evaluation)

    for place in ("evaluation", "training"):
        kept = model.state_dict(), driven.state_dict()
        other = cnn()
        loaded = stepper(other, kind)
        other.load_state_dict(kept[0])
        loaded.load_state_dict(kept[1])
        before = deepcopy(other)
        loaded.eval() if place == "evaluation" else loaded.train()
        assert equal(other, before)
        original = deepcopy(model)
        loaded.step(evaluates(other))  # which returns to training by itself
        assert not equal(other, original)
        driven.train()
    for one, two in zip(model.parameters(), training.parameters(), strict=True):
        torch.testing.assert_close(one, two)  # there and back is rounded


def test_numpy_s_generator_is_left_as_it_was() -> None:
    model = cnn()
    driven = stepper(model, "kron")
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.random(4)  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    driven.step(evaluates(model))
    assert np.array_equal(np.random.random(4), expected)  # noqa: NPY002


@pytest.mark.parametrize(
    ("kind", "momenta"),
    [("sgd", [0.7, 0.7]), ("adamw", [0.7, 0.7]), ("rmsprop", [0, 0]), ("muon", [0.7, 0.7]), ("lbfgs", [None])],
)
def test_a_momentum_is_set_where_there_is_one(kind: str, momenta: list[float | None]) -> None:
    driven = stepper(cnn(), kind)
    driven.set(0.5, 0.7)
    found = driven.optimiser.param_groups
    assert driven.has_momentum == (kind not in ("rmsprop", "lbfgs"))
    assert [group.get("momentum", group.get("betas", [None])[0]) for group in found] == momenta
    assert [group["lr"] for group in found] == [0.5] * len(found)


@pytest.mark.parametrize("kind", SCHEDULE_FREE)
def test_a_schedule_free_momentum_is_not_for_schedules(kind: str) -> None:
    """It ties the places of training and evaluation together."""
    assert not stepper(cnn(), kind).has_momentum


def test_parameters_without_a_gradient_stay_where_they_are() -> None:
    model = cnn()
    model.trunk.requires_grad_(requires_grad=False)
    frozen = deepcopy(model.trunk)
    weight = model.head.last.weight.detach().clone()
    stepper(model, "adamw", weight_decay=0.1).step(evaluates(model))
    pairs = zip(model.trunk.parameters(), frozen.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(model.head.last.weight, weight)


# groups


def test_there_are_two_groups_in_the_order_of_the_network() -> None:
    model = cnn()
    first, second = groups(model)
    assert [first["decayed"], second["decayed"], first["scale"], second["scale"]] == [True, False, 1.0, 1.0]
    assert list(map(id, first["params"])) == [id(p) for p in model.parameters() if p.ndim > 1]
    assert list(map(id, second["params"])) == [id(p) for p in model.parameters() if p.ndim <= 1]


def decayed(model: nn.Module) -> set[str]:
    inside = {id(parameter) for group in groups(model) if group["decayed"] for parameter in group["params"]}
    return {name for name, parameter in model.named_parameters() if id(parameter) in inside}


def test_tables_of_places_are_not_decayed() -> None:
    vit = models.build("vit", 1, 1, depth=4)
    of_several = {name for name, parameter in vit.named_parameters() if parameter.ndim > 1}
    assert of_several - decayed(vit) == {"trunk.stem.position"}
    d4net = models.build("d4net", 1, 1)
    of_several = {name for name, parameter in d4net.named_parameters() if parameter.ndim > 1}
    assert {name.rpartition(".")[2] for name in of_several - decayed(d4net)} == {"bias"}


def test_of_proxy_normalisation_only_the_proxy_is_decayed() -> None:
    """Labatie et al. 2021: β̃ and γ̃, neither β nor γ."""
    model = cnn(norm="proxy_group")
    vectors = {name for name in decayed(model) if dict(model.named_parameters())[name].ndim == 1}
    assert {name.rpartition(".")[2] for name in vectors} == {"proxy_gamma", "proxy_beta"}


class Asking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Module()
        self.inner.queries, self.inner.keys = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
        self.inner.no_weight_decay = lambda: {"queries"}


def test_a_module_may_ask_for_its_own_not_to_be_decayed() -> None:
    assert decayed(Asking()) == {"inner.keys"}


def test_rates_fall_from_the_head_to_the_stem() -> None:
    model = models.build("vit", 1, 1, 2, fusion="film", depth=4)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    scales = {
        names[id(parameter)]: group["scale"]
        for group in groups(model, discriminative=0.5)
        for parameter in group["params"]
    }
    assert scales.keys() == set(names.values())
    expected = {"head.": 1.0, "fusion.": 1.0, "trunk.neck.": 0.5, "trunk.stem.": 2.0**-6}
    expected |= {f"trunk.stages.{stage}.": 2.0 ** (stage - 5) for stage in range(4)}
    for part, scale in expected.items():
        assert {scales[name] for name in scales if name.startswith(part)} == {scale}, part


def test_a_part_s_rate_is_the_learning_rate_times_its_scale() -> None:
    """Sign descent makes the rate visible: every weight moves by just that; and each decays at its own rate."""
    model = cnn()
    before = deepcopy(dict(model.named_parameters()))
    driven = build("lion", groups(model, 0.1), 1.0, 0.5, 10)
    driven.set(0.01)
    driven.step(evaluates(model))
    for path, scale in {"head.last": 1.0, "trunk.stages.1.0.0": 0.1, "trunk.stages.0.0.0": 0.01}.items():
        moved, start = dict(model.named_parameters())[f"{path}.weight"], before[f"{path}.weight"]
        left = start * (1 - 0.5 * 0.01 * scale)
        torch.testing.assert_close((moved - left).abs(), torch.full_like(start, 0.01 * scale), rtol=1e-2, atol=1e-7)


# names and faults


@pytest.mark.parametrize(
    ("kind", "module"),
    [
        ("adamax", "torch"),
        ("asgd", "torch"),
        ("madgrad", "timm"),
        ("timm:adopt", "timm"),
        ("cadamw", "timm"),
        ("momentum", "torch"),
        ("po:lion", "pytorch_optimizer"),
        ("yogi", "pytorch_optimizer"),
        ("prodigy", "pytorch_optimizer"),
        ("po:alig", "pytorch_optimizer"),  # which wants to know the loss
    ],
)
def test_what_the_libraries_have_is_there_by_name(kind: str, module: str) -> None:
    model = cnn()
    driven = stepper(model, kind, weight_decay=1e-2)
    losses = [float(driven.step(evaluates(model))) for _ in range(12)]
    assert type(driven.optimiser).__module__.split(".")[0] == module
    assert losses[-1] < losses[0]
    torch.load(_saved(driven.state_dict()), weights_only=True)


def _saved(state: dict[str, Any]) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return file


def test_a_library_s_name_for_a_known_one_is_driven_alike() -> None:
    assert stepper(cnn(), "sophiah").kind is stepper(cnn(), "po:sophiah").kind is KINDS["sophia"]
    assert stepper(cnn(), "torch:sgd").kind is KINDS["sgd"]
    assert stepper(cnn(), "timm:nesterov").optimiser.param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize(
    ("kind", "options", "complaint"),
    [
        ("adamm", {}, r"^optimiser: no 'adamm'; there are sgd, nesterov, .*adamw, .*torch:, timm: or po:"),
        ("jax:adam", {}, r"^optimiser: no 'jax:adam'; there are sgd"),
        ("timm:shampoo", {}, r"^optimiser: no 'timm:shampoo'; there are sgd"),
        ("lookahead", {}, r"^optimiser: no 'lookahead'"),
        ("sparseadam", {}, r"^optimiser: torch:sparseadam cannot be driven here: it takes sparse gradients alone"),
        ("bnbadam8bit", {}, r"^optimiser: timm:bnbadam8bit cannot be driven here: it needs a library"),
        ("fusedlamb", {}, r"^optimiser: timm:fusedlamb cannot be driven here: it needs a library"),
        ("timm:adahessian", {}, r"^optimiser: timm:adahessian cannot be driven here: its Hessian is in no checkpoint"),
        ("lomo", {}, r"^optimiser: po:lomo cannot be driven here: it wants the network"),
        ("lionc", {}, r"^optimiser: lionc is another but for its weight decay"),
        ("adamw", {"beta": 0.9}, r"^optimiser: no option 'beta' for adamw; there are betas, eps, amsgrad$"),
        ("adamw", {"fused": True}, r"^optimiser: no option 'fused' for adamw; there"),
        ("soap", {"frequency": 3}, r"^optimiser: no option 'frequency' for soap; there are betas, shampoo_beta"),
        (
            "adamw",
            {"betas": "hello"},
            r"^optimiser\.betas: 'hello' is not a list of as many numbers; the default is",
        ),
        ("adamw", {"betas": [0.9, "0.99"]}, r"^optimiser\.betas: \(0\.9, '0\.99'\) is not a list of as many numbers"),
        ("sgd", {"momentum": "0.9"}, r"^optimiser\.momentum: '0\.9' is not a number; the default is 0$"),
        ("sgd", {"nesterov": 1}, r"^optimiser\.nesterov: 1 is not true or false; the default is False$"),
        ("sgd", {"momentum": [0.9]}, r"^optimiser\.momentum: \(0\.9,\) is not a number"),
        ("adamw", {"betas": [0.9]}, r"^optimiser\.betas: \(0\.9,\) is not a list of as many numbers"),
        ("adamw", {"betas": None}, r"^optimiser: adamw: .*\(with \{'betas': None\}\)$"),
        ("sgd", {"momentum": True}, r"^optimiser\.momentum: True is not a number"),
        ("adamw", {"betas": [1.5, 0.9]}, r"^optimiser: adamw: Invalid beta parameter at index 0: 1\.5"),
        ("shampoo", {"momentum": 2.0}, r"^optimiser: shampoo: .*momentum"),
    ],
)
def test_what_cannot_be_is_said_with_what_can(kind: str, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        build(kind, groups(cnn()), 0.1, 0.0, 10, **options)


@pytest.mark.parametrize("rate", [0.0, -1e-3, float("nan")])
def test_a_learning_rate_is_positive(rate: float) -> None:
    with pytest.raises(ValueError, match=rf"^learning_rate: {rate} is not positive"):
        build("adamw", groups(cnn()), rate, 0.0, 10)


def test_a_weight_decay_is_not_negative() -> None:
    with pytest.raises(ValueError, match=r"^weight_decay: -0.1 is negative"):
        build("adamw", groups(cnn()), 0.1, -0.1, 10)


@pytest.mark.parametrize("factor", [0.0, 1.1, -1.0, float("nan")])
def test_a_discriminative_factor_is_of_a_fall(factor: float) -> None:
    with pytest.raises(ValueError, match=r"^discriminative: .* is not above 0 and at most 1"):
        groups(cnn(), factor)


def test_lbfgs_has_one_rate_for_all() -> None:
    with pytest.raises(ValueError, match=r"^discriminative: the optimiser takes all parameters as one"):
        build("lbfgs", groups(cnn(), 0.5), 0.1, 0.0, 10)


def test_kron_says_what_it_would_need_for_large_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.opt_einsum, "is_available", lambda: False)
    large = [{"params": [nn.Parameter(torch.zeros(128, 64, 3, 3))], "decayed": True, "scale": 1.0}]
    with pytest.raises(ValueError, match=r"^optimiser: for weights of 128 x 64 x 3 x 3 it needs opt_einsum, or 20 GiB"):
        build("kron", large, 0.1, 0.0, 10)
    monkeypatch.setattr(torch.backends.opt_einsum, "is_available", lambda: True)
    build("kron", large, 0.1, 0.0, 10)


def test_those_that_processes_cannot_share_say_why() -> None:
    lone = {kind for kind, known in KINDS.items() if known.single_process}
    assert lone == {"lbfgs", "kron", "adahessian", "sophia"}
