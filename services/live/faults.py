"""Why a subscription is refused, or ends."""


class NotShown(Exception):
    """The caller may not, or no longer, see what they follow."""


class NotStaff(NotShown):
    """The caller is not, or no longer, a member of staff."""


class TooManyPools(Exception):
    """The driver has the maximum of pool subscriptions."""
