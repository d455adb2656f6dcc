"""Results as the parts of a multipart response, which Apollo's clients read.

Source: https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol
"""

from collections.abc import Sequence

import orjson
from graphql import GraphQLError

from schema.api.errors import format_error
from schema.transport.send_queue import Frame
from schema.transport.subscription_stream import part_of_body

_OF_THE_SERVER = frozenset({"INTERNAL", "TIMEOUT"})


class MultipartFraming:
    """One part for each result, ``{}`` as a heartbeat, and the last delimiter at the end.

    Each part brings the delimiter after it: clients take a part for complete only when they have that.
    """

    key = "multipart"
    content_type = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
    opening = b"\r\n--graphql"

    @property
    def keep_alive(self) -> bytes:
        """The heartbeat, which clients ignore."""
        return _part(b"{}")

    def next(self, payload: bytes) -> Frame:
        """The part with one result, given as JSON."""
        return part_of_body(_part(b'{"payload":' + payload + b"}"))

    def failure(self, errors: Sequence[GraphQLError]) -> Frame:
        """The part with the errors that end the operation.

        What the caller may not do, or what does not exist, is a result with errors, as over all transports. A
        failure of the server is an error beside a null payload, for which Apollo's RetryLink tries again.
        """
        formatted = [format_error(error) for error in errors]
        if not all(error["extensions"]["code"] in _OF_THE_SERVER for error in formatted):
            return self.next(orjson.dumps({"data": None, "errors": formatted}))
        # Without path and locations, as the protocol says.
        shown = [{"message": error["message"], "extensions": error["extensions"]} for error in formatted]
        return part_of_body(_part(orjson.dumps({"payload": None, "errors": shown})))

    def complete(self) -> Frame:
        """The end of the last delimiter. Without it a client knows that the response was cut."""
        return part_of_body(b"--\r\n")


def _part(body: bytes) -> bytes:
    return b"\r\ncontent-type: application/json\r\n\r\n" + body + b"\r\n--graphql"
