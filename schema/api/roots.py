"""All root fields, in the order of ``schema.graphql``. Each is defined in the file of its noun."""

from strawberry.tools import create_type
from strawberry.types.field import StrawberryField

from schema.api import (
    account,
    arrival,
    city,
    city_trip_route,
    driver_location,
    driver_pool,
    duty,
    email,
    my_trips,
    my_vehicle,
    node,
    password,
    profile,
    push,
    rating,
    recovery,
    session,
    trip,
    trip_estimate,
    trip_page,
    user,
)

QUERIES = (
    user.me,
    node.node,
    trip.trip,
    trip_page.trips,
    trip_estimate.trip_estimate,
    city.city_figures,
    city_trip_route.city_trip_route,
    push.push_public_key,
)


def query(*more: StrawberryField) -> type:
    """The type ``Query``, with more fields at its end."""
    return create_type("Query", [*QUERIES, *more], description="The queries.")


Mutation = create_type(
    "Mutation",
    [
        account.sign_up,
        session.log_in,
        password.change_password,
        recovery.request_password_reset,
        recovery.reset_password,
        session.log_out,
        profile.update_me,
        email.change_email,
        email.request_email_verification,
        email.verify_email,
        account.delete_me,
        push.register_push_subscription,
        push.remove_push_subscription,
        duty.set_on_duty,
        my_vehicle.set_vehicle,
        trip.create_trip,
        trip.update_trip,
        rating.rate_trip,
        arrival.report_arrival,
        driver_location.report_location,
    ],
    description="The mutations.",
)

Subscription = create_type(
    "Subscription",
    [
        trip.trip_updated,
        my_trips.my_trips_updated,
        driver_pool.driver_pool,
        driver_location.driver_location,
        city.city,
    ],
    description="The subscriptions. Each begins with the current state and then sends changes.",
)
