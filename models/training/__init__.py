"""Training: one plain loop and what it is made of. Tensors in, numbers out; no path and no file."""

from models.training.loop import Epoch, Settings, State, fit, pick_device
from models.training.predict import predict

__all__ = ["Epoch", "Settings", "State", "fit", "pick_device", "predict"]
