"""What can be done."""

from typing import Annotated, Literal

import strawberry
from strawberry import UNSET

from models.visibility import Audience, audience_of
from schema.api.context import (Context, Sender, to_uuid)
from schema.api.errors import (RequestError, bad_user_input, to_user_errors)
from schema.api.inputs import (ChangePasswordInput, CreateTripInput, LocationInput, SignUpInput, UpdateMeInput, UpdateTripInput)
from schema.api.types import (AuthPayload, DeleteMePayload, LocationPayload, LogOutPayload, TripPayload, UserPayload, to_trip, to_user)
from schema.api.uploads import read_upload
from services.errors import UserFault, UserFaults
from services.accounts.profiles import (UNCHANGED, Unchanged)
from services.accounts.sessions import NewSession

Info = strawberry.Info[Context, None]


@strawberry.type(description="What can be done.")
class Mutation:
    @strawberry.mutation(description="Create an account and log it in. Over HTTP only, since it sets the cookie.")
    async def sign_up(
        self, info: Info, input: Annotated[SignUpInput, strawberry.argument(description="The account.")]
    ) -> AuthPayload:
        sender = _sender(info)
        photo = await read_upload(input.photo, "photo")
        try:
            session = await info.context.services.accounts.sign_up(
                username=input.username,
                password1=input.password1,
                password2=input.password2,
                first_name=input.first_name,
                last_name=input.last_name,
                role=input.role,
                photo=photo,
                address=sender.address,
                replaces=sender.token(is_bearer=False),
            )
        except (UserFault, UserFaults) as fault:
            return AuthPayload(errors=to_user_errors(fault))
        return _logged_in(info, session, issue_token=False)

    @strawberry.mutation(
        description="Begin a session. The one whose cookie (or, with `issueToken`, bearer token) came with the "
        "request ends. Over HTTP only, since it sets the cookie."
    )
    async def log_in(
        self,
        info: Info,
        username: Annotated[str, strawberry.argument(description="The user name, in any case.")],
        password: Annotated[str, strawberry.argument(description="The password.")],
        issue_token: Annotated[
            bool,
            strawberry.argument(
                description="Return the token, for clients without cookies; the cookie is then not set."
            ),
        ] = False,
    ) -> AuthPayload:
        sender = _sender(info)
        try:
            session = await info.context.services.accounts.log_in(
                username=username,
                password=password,
                address=sender.address,
                # What the client forgets for the new one must not live on.
                replaces=sender.token(is_bearer=issue_token),
            )
        except UserFault as fault:
            return AuthPayload(errors=to_user_errors(fault))
        return _logged_in(info, session, issue_token=issue_token)

    @strawberry.mutation(
        description="Exchange the password. All sessions of the caller's end, and their sockets are closed, this "
        "one's too; the answer begins a new one, which is for the next request. Over HTTP only, since it sets the "
        "cookie."
    )
    async def change_password(
        self, info: Info, input: Annotated[ChangePasswordInput, strawberry.argument(description="The passwords.")]
    ) -> AuthPayload:
        sender = _sender(info)
        try:
            session = await info.context.services.accounts.change_password(
                info.context.actor,
                current=input.current_password,
                password1=input.password1,
                password2=input.password2,
                address=sender.address,
            )
        except UserFault as fault:
            return AuthPayload(errors=to_user_errors(fault))
        info.context.end_session()
        return _logged_in(info, session, issue_token=sender.is_bearer)

    @strawberry.mutation(
        description="End the session; its sockets are closed. A cookie beside a bearer token is left alone."
    )
    async def log_out(
        self,
        info: Info,
        everywhere: Annotated[
            bool, strawberry.argument(description="End all sessions of the caller's, on every device.")
        ] = False,
    ) -> LogOutPayload:
        await info.context.services.sessions.end(info.context.actor, everywhere=everywhere)
        info.context.end_session()
        return LogOutPayload()

    @strawberry.mutation(
        description="Change how the caller is shown. A trip that others look at shows it with its next change, "
        "and with every snapshot and query; no event tells of it alone."
    )
    async def update_me(
        self, info: Info, input: Annotated[UpdateMeInput, strawberry.argument(description="The changes.")]
    ) -> UserPayload:
        actor = info.context.actor
        photo = input.photo if input.photo is UNSET else await read_upload(input.photo, "photo")
        try:
            user = await info.context.services.profiles.update(
                actor,
                first_name=_given(input.first_name, "firstName"),
                last_name=_given(input.last_name, "lastName"),
                photo=UNCHANGED if photo is UNSET else photo,
            )
        except UserFault as fault:
            return UserPayload(errors=to_user_errors(fault))
        return UserPayload(user=to_user(user, with_username=True))

    @strawberry.mutation(
        description="Delete the caller's account, for good. Trips stay, with a user who has no name, user name or "
        "photo; a rider's are cancelled if no car carries the rider yet. All sessions end, and their sockets are "
        "closed. The user name is free again. Over HTTP only, since it removes the cookie."
    )
    async def delete_me(
        self,
        info: Info,
        password: Annotated[str, strawberry.argument(description="The password, to be sure.")],
    ) -> DeleteMePayload:
        sender = _sender(info)
        try:
            await info.context.services.deletions.delete(
                info.context.actor, password=password, address=sender.address
            )
        except UserFault as fault:
            return DeleteMePayload(errors=to_user_errors(fault))
        info.context.end_session()
        return DeleteMePayload()

    @strawberry.mutation(description="Request a trip. For riders.")
    async def create_trip(
        self, info: Info, input: Annotated[CreateTripInput, strawberry.argument(description="The trip.")]
    ) -> TripPayload:
        try:
            trip = await info.context.services.trips.request(
                info.context.actor,
                pick_up_address=input.pick_up_address,
                drop_off_address=input.drop_off_address,
                pick_up=input.pick_up.value() if input.pick_up is not None else None,
                drop_off=input.drop_off.value() if input.drop_off is not None else None,
                idempotency_key=input.idempotency_key,
            )
        except UserFault as fault:
            return TripPayload(errors=to_user_errors(fault))
        return TripPayload(trip=to_trip(trip, Audience.PARTY))

    @strawberry.mutation(
        description="Move a trip to another status. Of several simultaneous callers exactly one succeeds; "
        "the same change asked again by the same caller succeeds too."
    )
    async def update_trip(
        self, info: Info, input: Annotated[UpdateTripInput, strawberry.argument(description="The change.")]
    ) -> TripPayload:
        actor = info.context.actor
        try:
            trip = await info.context.services.trips.update(
                actor,
                trip_id=to_uuid(input.id, "id"),
                status=input.status,
                if_version=input.if_version,
                reason=input.reason,
            )
        except UserFault as fault:
            return TripPayload(errors=to_user_errors(fault))
        # Whoever has given a trip back may ask that again, and sees of it what the pool sees: no more user name or
        # history, which go on without them.
        return TripPayload(trip=to_trip(trip, audience_of(actor, trip) or Audience.POOL))

    @strawberry.mutation(
        description="Tell where the calling driver is. The last position is kept for a while: offers are those "
        "around it, and the rider of the driver's active trip sees it. For drivers."
    )
    async def report_location(
        self, info: Info, input: Annotated[LocationInput, strawberry.argument(description="The position.")]
    ) -> LocationPayload:
        try:
            await info.context.services.locations.report(
                info.context.actor,
                point=input.point.value(),
                heading=input.heading,
                recorded_at=input.recorded_at,
            )
        except UserFault as fault:
            return LocationPayload(errors=to_user_errors(fault))
        return LocationPayload()


def _given(name: str | None, field: str) -> str | Literal[Unchanged.UNCHANGED]:
    """A name, if one was given. Raises: RequestError BAD_USER_INPUT for null."""
    if name is None:
        raise bad_user_input("A name cannot be removed.", field=(field,))
    return UNCHANGED if name is UNSET else name


def _sender(info: Info) -> Sender:
    if info.context.sender is None:
        raise RequestError("COOKIE_TRANSPORT_REQUIRED", "Send this over HTTP: a socket cannot set a cookie.")
    return info.context.sender


def _logged_in(info: Info, session: NewSession, *, issue_token: bool) -> AuthPayload:
    caller = info.context.caller
    if caller is not None and caller.session_id == session.replaced:
        info.context.end_session()
    if not issue_token:
        info.context.set_token = session.token
    return AuthPayload(
        user=to_user(session.actor.user, with_username=True), token=session.token if issue_token else None
    )
