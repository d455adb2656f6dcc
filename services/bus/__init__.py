"""The event bus: broadcaster, over Redis or within the process. Nothing else touches broadcaster."""

from services.bus.bus import Bus, BusState
from services.bus.redis_link import LINK_ERRORS, RedisLink, UnusableRedis

__all__ = ["LINK_ERRORS", "Bus", "BusState", "RedisLink", "UnusableRedis"]
