"""Hardware: what is asked for, what there is, and what is said about the difference; memory that runs out."""

import numpy as np
import pytest
import torch

from models.training.device import Hardware, hardware, has_bfloat16, peak_memory
from models.training.memory import does_not_fit, out_of_memory, smaller


def gpus(monkeypatch: pytest.MonkeyPatch, count: int, bfloat16: bool = True) -> None:
    """Let torch see so many GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bfloat16 or including_emulation)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("auto", "auto"), Hardware("cuda", [0], "auto", "bf16-mixed")),
        (("cuda", "32-true"), Hardware("cuda", [0], "auto", "32-true")),
        (("cuda:1", "bf16-mixed"), Hardware("cuda", [1], "auto", "bf16-mixed")),
        (("auto", "32-true", 2), Hardware("cuda", [0, 1], "ddp", "32-true")),
        (("cpu", "auto"), Hardware("cpu", 1, "auto", "32-true")),
        (("cpu", "32-true", 3), Hardware("cpu", 3, "ddp", "32-true")),
    ],
)
def test_what_fabric_is_given(asked: tuple[str, str], expected: Hardware, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 2)
    assert hardware(*asked) == expected
    assert expected.arguments().keys() == {"accelerator", "devices", "strategy", "precision"}


def test_a_gpu_without_bfloat16_computes_in_float32_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 1, bfloat16=False)
    assert hardware("cuda", "auto") == Hardware("cuda", [0], "auto", "32-true")  # nobody asked for it
    asked = hardware("cuda", "bf16-mixed")
    assert asked.precision == "32-true"
    assert asked.note == "precision: this cuda has no bfloat16; float32 instead"


def test_a_cpu_has_bfloat16_or_says_so() -> None:
    asked = hardware("cpu", "bf16-mixed")
    assert (asked.precision == "bf16-mixed") == has_bfloat16("cpu") == (asked.note == "")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("cuda:7", "auto"), r"^device: 'cuda:7' is not there; torch sees 2 GPUs \(try auto\)"),
        (("cuda:1", "auto", 2), "^device: cuda:1 is one GPU, and 2 processes need one each; choose cuda"),
        (("auto", "auto", 3), "^devices: 3, but torch sees 2 GPUs; choose fewer"),
        (("cpu", "bf16"), "^precision: no 'bf16'; there are auto, 32-true, bf16-mixed"),
    ],
)
def test_what_cannot_be_is_refused(asked: tuple[str, str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 2)
    with pytest.raises(ValueError, match=message):
        hardware(*asked)


def raised_by_torch() -> BaseException:
    """A tensor that no machine holds."""
    try:
        torch.empty(2**50)
    except RuntimeError as error:
        return error
    return AssertionError("four petabytes")


def raised_by_numpy() -> BaseException:
    try:
        np.empty(2**50)
    except MemoryError as error:
        return error
    return AssertionError("eight petabytes")


@pytest.mark.parametrize(
    "error",
    [
        raised_by_torch(),
        raised_by_numpy(),
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        torch.cuda.OutOfMemoryError("of old"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
    ids=repr,
)
def test_memory_that_ran_out_is_known_by_its_error(error: BaseException) -> None:
    assert out_of_memory(error)


@pytest.mark.parametrize(
    "error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("CUDA out of memory"), OSError(28)]
)
def test_other_errors_are_not_for_want_of_memory(error: BaseException) -> None:
    assert not out_of_memory(error)


@pytest.mark.parametrize(
    ("batch_size", "accumulate", "named", "advice"),
    [
        (512, 1, "512", "accumulate: 2 for the same steps, or batch_size: 256"),
        (64, 4, "64 in 4 parts", "accumulate: 8 for the same steps, or batch_size: 32"),
        (4, 4, "4 in 4 parts", "smaller images or a smaller network"),
    ],
)
def test_less_memory_and_a_smaller_batch_are_named(batch_size: int, accumulate: int, named: str, advice: str) -> None:
    said = does_not_fit(batch_size, "cuda:0", accumulate)
    assert said == f"batch_size: {named} does not fit into the memory of cuda:0; try {advice}"


def test_halving_always_ends_at_one() -> None:
    batch_size = 1000
    for _ in range(20):
        batch_size = smaller(batch_size)
    assert batch_size == 1


def test_peak_memory_grows_by_what_is_held() -> None:
    before = peak_memory("cpu")
    held = torch.ones(int(before + 64) * 2**18)  # so much and more on top of what there was, in float32
    assert before + 64 <= peak_memory("cpu") < 2 * before + 64 + 200
    assert len(held) > 0
