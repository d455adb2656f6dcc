"""The event bus: broadcaster, over Redis or within the process. Nothing else touches broadcaster."""

from services.bus.bus import Bus, BusState

__all__ = ["Bus", "BusState"]
