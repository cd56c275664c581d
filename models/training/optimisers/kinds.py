"""The optimisers that are known to work here, what must be known of each, and those that cannot."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

GRAPH = "second derivatives do not pass through the buckets in which processes exchange gradients"
CHANCE = "it draws random numbers, and processes that draw different ones drift apart"
CLOSURE = "it decides by its own process's loss how often to evaluate, and the others would wait for ever"

# One pass over the weights where torch's default takes ten. On a CPU it walks through memory and looks at no strides:
# a gradient in another order than its weights, which backward() does not make, would be taken wrongly and in silence.
FUSED = {"fused": True}


@dataclass(frozen=True)
class Kind:
    """Where an optimiser is from, and how it differs from `loss.backward(); optimiser.step()`."""

    source: str  # torch, timm, or po for pytorch_optimizer
    name: str  # there
    options: Mapping[str, Any] = field(default_factory=dict)  # where our default is not the library's
    matrices: Mapping[str, Any] = field(default_factory=dict)  # of decayed groups alone
    vectors: Mapping[str, Any] = field(default_factory=dict)  # of the others
    own_decay: bool = False  # its weight decay cannot be taken out of it; otherwise decay is ours, and decoupled
    create_graph: bool = False  # differentiates gradients
    closure: bool = False  # evaluates the loss itself, as often as it likes, for all parameters as one
    schedule_free: bool = False  # trains at other weights than it is evaluated at
    steps: str = ""  # the argument that wants to know the number of steps
    numpy_random: bool = False  # draws from numpy's global generator
    einsum: bool = False  # contracts many factors at once
    single_process: str = ""  # why it must not run on several processes at once


KINDS = {
    "sgd": Kind("torch", "sgd", {"momentum": 0.9, **FUSED}),
    "nesterov": Kind("torch", "sgd", {"momentum": 0.9, "nesterov": True, **FUSED}),
    "rmsprop": Kind("torch", "rmsprop"),
    "adagrad": Kind("torch", "adagrad"),
    "adadelta": Kind("torch", "adadelta"),
    "adam": Kind("torch", "adam", FUSED),
    "adamw": Kind("torch", "adamw", FUSED),
    "nadam": Kind("torch", "nadam"),
    "radam": Kind("torch", "radam"),
    "lbfgs": Kind("torch", "lbfgs", closure=True, single_process=CLOSURE),
    # the layer-wise rate is tied to the library's own decay, unless it is asked for
    "lamb": Kind("timm", "lamb", matrices={"always_adapt": True}),
    "lars": Kind("timm", "lars", {"momentum": 0.9}, matrices={"always_adapt": True}),
    "lion": Kind("timm", "lion"),
    "adabelief": Kind("timm", "adabelief"),
    "muon": Kind("timm", "muon"),  # takes kernels as matrices, and vectors by AdamW; torch's takes neither
    "normuon": Kind("po", "normuon", matrices={"use_muon": True}, vectors={"use_muon": False}),
    "adago": Kind("po", "adago", matrices={"use_muon": True}, vectors={"use_muon": False}),
    "po:muon": Kind("po", "muon", matrices={"use_muon": True}, vectors={"use_muon": False}),
    "ranger": Kind("po", "ranger"),
    # with its own schedule upon ours the rate would be nobody's
    "ranger21": Kind("po", "ranger21", {"disable_lr_scheduler": True}, steps="num_iterations"),
    "shampoo": Kind("po", "shampoo"),
    "soap": Kind("po", "soap"),
    # of timm's two, one compiles itself and the other keeps its Hessian and its chance outside its state
    "kron": Kind("po", "kron", numpy_random=True, einsum=True, single_process=CHANCE),
    "adahessian": Kind("po", "adahessian", create_graph=True, single_process=GRAPH),
    "sophia": Kind("po", "sophiah", create_graph=True, single_process=GRAPH),
    "schedulefreeadamw": Kind("po", "schedulefreeadamw", own_decay=True, schedule_free=True),
    "schedulefreeradam": Kind("po", "schedulefreeradam", own_decay=True, schedule_free=True),
    "schedulefreesgd": Kind("po", "schedulefreesgd", own_decay=True, schedule_free=True),
}

MODEL = "it wants the network and drives it itself"
OBJECTS = "its state is not tensors and numbers, which is all that a checkpoint holds"
LAYOUT = "it fails at kernels in channels-last memory"
FLAT = "it takes no kernels"
EXTRA = "it needs a library that is not ours"
REFUSED = {
    "torch:sparseadam": "it takes sparse gradients alone; choose adam",
    "torch:muon": f"{FLAT} and no vectors; choose muon, which is timm's",
    "timm:bnb*": f"{EXTRA}; choose the one without bnb and 8bit",
    "timm:fused*": f"{EXTRA}; choose the one without fused",
    "timm:kron*": "it compiles itself, which takes a C++ compiler; choose kron, which is pytorch_optimizer's",
    "timm:adahessian": "its Hessian is in no checkpoint; choose adahessian, which is pytorch_optimizer's",
    "po:lbfgs": "choose lbfgs, which is torch's",
    "po:*lomo": MODEL,
    "po:adammini": MODEL,
    "po:bsam": MODEL,
    "po:muonclip": MODEL,
    "po:distributedmuon": "it shares its work among processes; choose muon, which is timm's",
    "po:demo": EXTRA,
    "po:adashift": OBJECTS,
    "po:conda": OBJECTS,
    "po:scion*": OBJECTS,
    "po:scalableshampoo": f"{OBJECTS}; choose shampoo",
    "po:adamuon": f"{LAYOUT}; choose adamuon, which is timm's",
    "po:adamp": f"{LAYOUT}; choose adamp, which is timm's",
    "po:sgdp": f"{LAYOUT}; choose sgdp, which is timm's",
    "po:nero": LAYOUT,
    "po:swats": LAYOUT,
    "po:lorarite": FLAT,
    "po:spectralsphere": FLAT,
}


def refuse_undrivable(source: str, name: str) -> None:
    """Raises `ValueError` with the reason why a library's optimiser cannot be driven here, if it cannot."""
    for pattern, reason in REFUSED.items():
        if fnmatch(f"{source}:{name}", pattern):
            raise ValueError(f"optimiser: {source}:{name} cannot be driven here: {reason}")
