"""What the dialogues of buttons say: whom or what it is about, and what follows. Every value is escaped."""

from collections.abc import Iterable
from typing import Any

from markupsafe import Markup
from starlette.requests import Request

from admin import time_zones, words
from models.trip_life import STAFF_CANCEL_CODES, CancelCode, is_open
from models.values import VehicleValue
from services.webhooks.events import TEST_TYPE

_FINAL = "It cannot be undone."
_OPTIONS = Markup().join(
    Markup('<option value="{}"{}>{}</option>').format(
        code.value, Markup(" selected") if code is CancelCode.STAFF else "", badge.text
    )
    for code, badge in words.CODE.items()
    if code in STAFF_CANCEL_CODES
)


def form(facts: Iterable[tuple[str, object]], follows: Iterable[str], fields: str = "") -> str:
    """The content of a dialogue: facts without a value are left out."""
    rows = Markup().join(
        Markup("<dt>{}</dt><dd>{}</dd>").format(name, value) for name, value in facts if value not in (None, "")
    )
    said = Markup().join(Markup("<p>{}</p>").format(sentence) for sentence in follows)
    return Markup('<form class="dialogue"><dl>{}</dl>{}{}</form>').format(rows, said, fields)


def text_area(name: str, label: str) -> Markup:
    """A required text, for example a reason. ``name`` makes its id unique among the dialogues."""
    return Markup(
        '<label class="form-label mt-3" for="{0}-reason">{1}</label>'
        '<textarea id="{0}-reason" name="reason" class="form-control" maxlength="500" rows="2" required>'
        "</textarea>"
    ).format(name, label)


def vehicle_text(vehicle: VehicleValue | None) -> str | None:
    """A vehicle in one line; None without one."""
    if vehicle is None:
        return None
    what = f"{vehicle.color} {vehicle.make} {vehicle.model}"
    return f"{what}, {vehicle.license_plate}, {vehicle.seats} seat{'' if vehicle.seats == 1 else 's'}"


def trip_facts(trip: Any) -> list[tuple[str, object]]:
    """Which trip it is."""
    requested = time_zones.moment(trip.created)
    return [
        ("From", trip.pick_up_address),
        ("To", trip.drop_off_address),
        ("Rider", _named(trip.rider_full_name, trip.rider)),
        ("Driver", _named(trip.driver_full_name, trip.driver)),
        ("Vehicle", vehicle_text(trip.vehicle)),
        ("Status", words.STATUS[trip.status].text),
        ("Requested", f"{requested.age}, {requested.text}"),
    ]


def _named(full_name: str, username: str | None) -> str | None:
    return f"{full_name} ({username})" if full_name and username else username


def user_facts(user: Any) -> list[tuple[str, object]]:
    """Who it is."""
    return [
        ("Name", f"{user.first_name} {user.last_name}".strip()),
        ("User name", user.username),
        ("Role", "Staff" if user.is_staff else words.ROLE[user.role].text),
        ("Vehicle", vehicle_text(user.vehicle)),
        ("Since", time_zones.moment(user.created).age),
    ]


def cancel(_: Request, trip: Any) -> str:
    """To cancel a trip."""
    if is_open(trip.status):
        what = "The rider sees the reason at once, and no driver sees the request any more."
    else:
        what = "The rider and the driver see the reason at once, and the driver gets offers again."
    codes = Markup(
        '<label class="form-label mt-3" for="cancel-code">Code</label>'
        '<select id="cancel-code" name="code" class="form-select">{}</select>'
    ).format(_OPTIONS)
    return form(trip_facts(trip), (what, _FINAL), text_area("cancel", "Reason, for both to read") + codes)


def complete(_: Request, trip: Any) -> str:
    """To complete a trip."""
    what = "The rider and the driver see it at once and may rate each other; the driver gets offers again."
    return form(trip_facts(trip), (what, _FINAL), text_area("complete", "Reason, for the audit trail alone"))


def deactivate(_: Request, user: Any) -> str:
    """To deactivate a user."""
    goes_on = " A trip under way goes on." if not user.is_staff else " They lose the admin too."
    return form(
        user_facts(user),
        (
            f"All their sessions end at once, on every device, and log-ins are refused.{goes_on}",
            "You can reactivate the account later.",
        ),
    )


def reactivate(_: Request, user: Any) -> str:
    """To reactivate a user."""
    return form(user_facts(user), ("They can log in again, with the password that they had.",))


def reset_password(_: Request, user: Any) -> str:
    """To send a letter that resets a password."""
    return form(
        user_facts(user),
        (
            "A letter with a link goes to their verified e-mail address. The password stays until they use the "
            "link; then all their sessions end.",
            "Without a verified address, and within an hour of the last such letter, none is sent.",
        ),
    )


def export(_: Request, user: Any) -> str:
    """To download everything about a user."""
    return form(
        user_facts(user),
        (
            "A ZIP file with everything that is stored about this person: the account, its sessions, trips, "
            "ratings with their comments, what staff did, and the photo. It is for this person alone.",
            "The audit trail says that you downloaded it.",
        ),
    )


def approve(_: Request, user: Any) -> str:
    """To approve a driver."""
    return form(user_facts(user), ("The driver hears of it at once, gets offers and may accept trips.",))


def refuse(_: Request, user: Any) -> str:
    """To refuse a driver who waits."""
    what = "The driver gets no offers, and sees the reason at once. You can approve the driver later."
    return form(user_facts(user), (what,), text_area("refuse", "Reason, for the driver"))


def revoke(_: Request, user: Any) -> str:
    """To revoke an approval."""
    what = "The driver gets no more offers, and sees the reason at once. A trip under way goes on."
    return form(
        user_facts(user),
        (what, "You can approve the driver again."),
        text_area("revoke", "Reason, for the driver"),
    )


def _endpoint_facts(endpoint: Any) -> list[tuple[str, object]]:
    """Which endpoint it is."""
    return [
        ("Address", endpoint.url),
        ("Who listens", endpoint.description),
        ("Hears of", endpoint.event_types),
        ("State", words.ENDPOINT[endpoint.state].text),
        ("Waiting", f"{endpoint.waiting:,}" if endpoint.waiting else None),
        ("Dead letters", f"{endpoint.dead:,}" if endpoint.dead else None),
    ]


def send_test(_: Request, endpoint: Any) -> str:
    """To send a test event."""
    return form(
        _endpoint_facts(endpoint),
        (
            f"An event of the type {TEST_TYPE} goes to this address within seconds, whatever types it hears of.",
            "The list of deliveries shows the answer.",
        ),
    )


def rotate(_: Request, endpoint: Any) -> str:
    """To make a new secret."""
    return form(
        _endpoint_facts(endpoint),
        (
            "The new secret is shown once, on the next page. For a day, webhooks are signed with the new one and "
            "with the present one: whoever listens must change it within that time.",
        ),
    )


def disable_endpoint(_: Request, endpoint: Any) -> str:
    """To send nothing more."""
    return form(
        _endpoint_facts(endpoint),
        (
            "Nothing more is sent to it, and it never hears of what happens meanwhile. What waits for it stays "
            "for a day.",
            "You can enable it again.",
        ),
    )


def enable_endpoint(_: Request, endpoint: Any) -> str:
    """To send again."""
    return form(
        _endpoint_facts(endpoint),
        ("It hears of changes from a few seconds from now on, and gets what still waits for it.",),
    )


def resend_all(_: Request, endpoint: Any) -> str:
    """To send all dead letters again."""
    return form(
        _endpoint_facts(endpoint),
        (
            "All its dead letters are sent to this address again, the oldest first, for another day. It may have "
            "had some of them: they have the same ids as before.",
        ),
    )


def delete_endpoint(_: Request, endpoint: Any) -> str:
    """To delete an endpoint."""
    return form(
        _endpoint_facts(endpoint),
        (
            "Nothing more is sent to it. What waits for it, its dead letters and its list of deliveries go too.",
            _FINAL,
        ),
    )


def resend(_: Request, delivery: Any) -> str:
    """To send a dead letter again."""
    created = time_zones.moment(delivery.created)
    return form(
        (
            ("Event", delivery.event_type),
            ("Trip", words.short_id(delivery.trip_id) if delivery.trip_id is not None else None),
            ("Of", f"{created.age}, {created.text}"),
            ("To", delivery.host),
            ("Who listens", delivery.description),
            ("Attempts", delivery.attempts),
            ("Last answer", delivery.last_status or delivery.last_answer),
        ),
        (
            "It is sent within seconds, and tried again for a day if it fails. It tells the trip as it was then, "
            "and has the same id as before.",
        ),
    )
