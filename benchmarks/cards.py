"""The card of every backbone, what it is and what it costs at its default options, into docs/backbones.md.

    OMP_NUM_THREADS=1 python -m benchmarks.cards [backbone ...]

A row for each backbone of the table (of those named alone, on the terminal), each measured in a process of its own. On
a processor, seconds are those that one core has worked, which other programs take little from; on a GPU, the clock's.
A backbone's paper is what its file's docstring has after `Reference:`, up to an empty line.
"""

import importlib
import json
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import mse_loss
from torch.utils.flop_counter import FlopCounterMode

import models
from models.network import Network
from models.timm_cpu import import_timm

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "backbones.md"
SIZES = (64, 150)  # px
BATCH, STEPS = 32, 3
PROBES = 8  # images that the gradients of the receptive field are summed over
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

COLUMNS = (
    *("backbone", "parameters", "Gflop 64 px", "Gflop 150 px", "sees", "half within"),
    *("training 64 px", "training 150 px", "evaluation 64 px", "evaluation 150 px", "memory"),
)
SHELL = """# Backbones

Every backbone of `models/` at its default options, with one channel and one target. Written by
`python -m benchmarks.cards` on {machine}, torch {torch}: speeds are of that machine, and their ratios are what to read.

{table}

- *Gflop*: operations of one image, 10⁹, two for a multiplication with its addition (papers often count it as one).
- *Sees*: the side of the square of pixels on which the middle of the last stage depends, in a frame of 150 px.
  *Half within*: the diameter of the circle around it that holds half of the gradient, at random weights; training
  moves it.
- *Training* and *evaluation*: images a second, float32, {batch} at a time; a training step is forward, backward and
  AdamW.
- *Memory*: what such steps at 64 px add to the process{device}, at their peak.

## References

{references}
"""


def parameters(model: nn.Module) -> int:
    return sum(values.numel() for values in model.parameters())


def operations(model: nn.Module, size: int, in_channels: int = 1) -> int:
    """Of one image in convolutions, matrix products and attention; two for a multiplication with its addition."""
    maps = torch.zeros(1, in_channels, size, size, device=_device(model))
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model.eval()(maps)  # attention in plain products: not every device's fused kernels are counted
    return int(counter.get_total_flops())


def sensitivity(model: Network, size: int) -> Tensor:
    """(h, w): mean |gradient| of the middle of the last stage by each pixel, at random weights and images.

    Scales, biases and kernels of zero get noise first, so that residual branches that start at zero are seen through.
    """
    torch.manual_seed(0)
    with torch.no_grad():
        for values in model.eval().parameters():
            if values.ndim < 2 or not values.any():
                values.add_(0.1 * torch.randn_like(values))
    maps = torch.randn(PROBES, 1, size, size, device=_device(model), requires_grad=True)
    states: list[Tensor] = []

    def keep(state: Tensor) -> Tensor:
        states.append(state)
        return state

    model.trunk(maps, [keep] * len(model.trunk.stages))
    middle = _middle(states[-1].movedim(model.trunk.axis, 1))
    (gradient,) = torch.autograd.grad((middle * torch.randn_like(middle)).sum(), maps)
    return gradient[:, 0].abs().mean(dim=0).cpu()


def _middle(state: Tensor) -> Tensor:
    """(n, f): the features (n, f, *places) in the middle of a map, or of a row of tokens."""
    while state.ndim > 2:
        state = state.select(2, state.shape[2] // 2)
    return state


def extent(gradient: Tensor) -> int:
    """Side [px] of the smallest square that holds all pixels with a gradient."""
    sides = (gradient.any(dim=axis).nonzero().flatten() for axis in (0, 1))
    return max(int(side[-1] - side[0]) + 1 for side in sides)


def half_within(gradient: Tensor) -> float:
    """Diameter [px] of the circle around the gradient's centroid that holds half of it."""
    places = torch.stack(torch.meshgrid(*map(torch.arange, gradient.shape), indexing="ij")).flatten(1).double()
    weights = gradient.flatten().double() / gradient.sum()
    radii = (places - (places * weights).sum(dim=1, keepdim=True)).norm(dim=0)
    order = radii.argsort()
    return 2 * float(radii[order][weights[order].cumsum(0) >= 0.5][0])


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def training_step(model: nn.Module, size: int) -> Callable[[], None]:
    """A step on one batch of noise, as a function of nothing."""
    maps, target = torch.randn(BATCH, 1, size, size, device=DEVICE), torch.randn(BATCH, 1, device=DEVICE)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> None:
        optimiser.zero_grad()
        mse_loss(model.train()(maps), target).backward()
        optimiser.step()

    return step


def evaluation(model: nn.Module, size: int) -> Callable[[], None]:
    maps = torch.randn(BATCH, 1, size, size, device=DEVICE)

    def evaluate() -> None:
        with torch.inference_mode():
            model.eval()(maps)

    return evaluate


def pace(work: Callable[[], None]) -> float:
    """Images a second, after a batch that does not count."""
    work()
    began = _now()
    for _ in range(STEPS):
        work()
    return BATCH * STEPS / (_now() - began)


def _now() -> float:
    """Seconds: of work on one core, or of the clock once the GPU is done."""
    if DEVICE.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def _memory(kind: str) -> int:
    """Bytes of this process, or on the GPU: in use (`VmRSS`), or at the most so far (`VmHWM`)."""
    if DEVICE.type == "cuda":
        return torch.cuda.memory_allocated() if kind == "VmRSS" else torch.cuda.max_memory_allocated()
    return 1024 * int(Path("/proc/self/status").read_text().split(f"{kind}:")[1].split()[0])


def measure(name: str) -> dict[str, Any]:
    """The numbers of a backbone's card; in a fresh process, because of the memory."""
    torch.set_num_threads(1)
    import_timm()
    training_step(models.build("cnn", 1, 1, widths=[8]).to(DEVICE), 8)()  # whatever is imported once, is by now
    before = _memory("VmRSS")
    model = models.build(name, 1, 1).to(DEVICE)
    card: dict[str, Any] = {"name": name, "parameters": parameters(model)}
    card["training"] = [pace(training_step(model, SIZES[0]))]
    card["memory"] = _memory("VmHWM") - before
    card["training"] += [pace(training_step(model, size)) for size in SIZES[1:]]
    card["evaluation"] = [pace(evaluation(model, size)) for size in SIZES]
    card["operations"] = [operations(model, size) for size in SIZES]
    gradient = sensitivity(models.build(name, 1, 1).to(DEVICE), SIZES[-1])
    return card | {"sees": extent(gradient), "half": half_within(gradient)}


def reference(name: str) -> str:
    """What the docstring of a backbone's file has after `Reference:`, on one line."""
    told = importlib.import_module(f"models.{name}").__doc__ or ""
    found = re.search(r"^Reference: (.+?)(?:\n\s*\n|\Z)", told, re.MULTILINE | re.DOTALL)
    return " ".join(found[1].split()) if found else "ours"


def row(card: Mapping[str, Any]) -> str:
    sees = "all" if card["sees"] >= SIZES[-1] else f"{card['sees']} px"
    cells = [
        f"`{card['name']}`",
        f"{card['parameters']:,}",
        *(f"{count / 1e9:.3g}" for count in card["operations"]),
        sees,
        f"{card['half']:.0f} px",
        *(f"{float(f'{speed:.3g}'):,g}" for speed in (*card["training"], *card["evaluation"])),
        f"{card['memory'] / 1e6:.0f} MB",
    ]
    return f"| {' | '.join(cells)} |"


def machine() -> str:
    if DEVICE.type == "cuda":
        return torch.cuda.get_device_name()
    told = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return f"one core of {told[1] if told else platform.machine()}"


def page(cards: list[dict[str, Any]]) -> str:
    rule = "|".join(["", "---", *["--:"] * (len(COLUMNS) - 1), ""])
    return SHELL.format(
        machine=machine(),
        torch=torch.__version__,
        table="\n".join([f"| {' | '.join(COLUMNS)} |", rule, *map(row, cards)]),
        batch=BATCH,
        device="" if DEVICE.type == "cpu" else " on the GPU",
        references="\n".join(f"- `{card['name']}`: {reference(card['name'])}" for card in cards),
    )


def main(names: list[str]) -> None:
    cards = []
    for name in names or models.BACKBONES:
        words = [sys.executable, "-m", "benchmarks.cards", "--measure", name]
        done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        cards.append(json.loads(done.stdout))
        print(row(cards[-1]), flush=True)
    if not names:
        PAGE.write_text(page(cards))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2])))
    else:
        main(sys.argv[1:])
