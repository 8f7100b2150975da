"""Floor 6: a company that works and is attacked, written as native logs."""

from .emulation import START, Emulated, campaigns, emulate
from .truth import Step

__all__ = ["START", "Emulated", "Step", "campaigns", "emulate"]
