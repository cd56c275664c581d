"""The annulus response: what the integral says of a Gaussian ring, and what a flat sky and a galaxy do."""

import pytest
import torch
from scipy.integrate import quad
from torch import Tensor

from features.geometry import radius
from features.ring.annulus import annulus_response, trial_radii

LIKE = torch.empty(0, dtype=torch.float64)


def response(image: Tensor, **options: float) -> Tensor:
    return annulus_response(image[None], **options)[0][0]


@pytest.mark.parametrize("frame", [64, 65, 101])
def test_a_ring_answers_as_the_integral_says(frame: int) -> None:
    """To 1 % of the largest, where the frame holds the broad annulus: sums over pixels stand for integrals over r."""
    size, thick, width = 0.25 * frame, 2.0, 1.5
    bright = torch.exp(-(((radius(frame, frame, LIKE) - size) / thick) ** 2) / 2)

    def mean(trial: float, soft: float) -> float:
        def weight(r: float) -> float:
            return r * 2.718281828459045 ** (-(((r - trial) / soft) ** 2) / 2)

        def light(r: float) -> float:
            return weight(r) * 2.718281828459045 ** (-(((r - size) / thick) ** 2) / 2)

        reach = trial + 10 * soft
        return quad(light, 0, reach, points=[trial])[0] / quad(weight, 0, reach, points=[trial])[0]

    trials = trial_radii(frame, frame, 16)
    whole = (trials > 4) & (trials + 8 * width < frame / 2)
    expected = torch.tensor([mean(trial, width) - mean(trial, 2 * width) for trial in trials[whole].tolist()])
    ours = response(bright, width=width)
    torch.testing.assert_close(ours[whole], expected.double(), rtol=0, atol=0.01 * float(ours.max()))


@pytest.mark.parametrize("size", [8.0, 16.0, 24.0])
def test_a_ring_answers_most_at_its_own_radius(size: float) -> None:
    trials = trial_radii(64, 64, 33)
    answer = response(torch.exp(-(((radius(64, 64, LIKE) - size) / 1.5) ** 2) / 2), count=33)
    assert trials[answer.argmax()].item() == pytest.approx(size, abs=0.8)  # its step


def test_a_flat_sky_does_not_answer_and_a_galaxy_hardly() -> None:
    r = radius(64, 64, LIKE)
    assert response(torch.full((64, 64), 7.0, dtype=torch.float64)).abs().max() < 1e-12
    ring, galaxy = response(torch.exp(-(((r - 14) / 1.5) ** 2) / 2)), response(torch.exp(-r / 8))
    assert galaxy[trial_radii(64, 64, 16) > 8].abs().max() < 0.1 * ring.max()  # beyond its scale length


@pytest.mark.parametrize(
    ("options", "message"),
    [({"count": 0}, "^count: 0 trial radii"), ({"width": 0.0}, "^width: 0 pixels"), ({"width": 9.0}, "^width: 9 pix")],
)
def test_annuli_that_do_not_suit_the_frame_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        annulus_response(torch.zeros(1, 64, 64), **options)
