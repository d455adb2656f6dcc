"""The base of the lists: reading rows, and showing the errors of forms and buttons."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette_admin.exceptions import ActionFailed, FormValidationError
from starlette_admin.filters import FilterGroup, FilterRegistry
from starlette_admin.types import ListParams, RequestAction
from starlette_admin.views import BaseModelView

from admin.csv_export import PlainCsv
from admin.fields import MomentField
from admin.filters import FILTERS, condition
from admin.log_in import member_of
from services.errors import BadInput, UserFault, UserFaults
from services.runtime import incidents
from services.staff.list_query import MAX_ROWS, StaffList
from services.staff.staff import LetterSentLately, NoSuchSession, NoSuchUser, NotOneself, NoVerifiedEmail, Staff
from services.staff.trail import NotStaff
from services.webhooks.deliveries import NoSuchDelivery
from services.webhooks.endpoints import NoSuchEndpoint

# They have a message for whoever pressed the button.
_SHOWN = (NoSuchUser, NoSuchSession, NotOneself, NoVerifiedEmail, LetterSentLately, NoSuchEndpoint, NoSuchDelivery)

T = TypeVar("T")
R = TypeVar("R")


class ListView(BaseModelView, Generic[T]):
    """A list of rows with their details.

    It edits, deletes and imports nothing. Every export is written to the audit trail.
    """

    pk_attr = "id"
    actions: Sequence[str] | None = ("export",)
    exporters = (PlainCsv(),)
    importers = ()
    page_size = 25
    row_actions: Sequence[str] | None = ("view",)
    # What is said above the list, and in its empty search.
    note = (
        f"The newest {MAX_ROWS:,} of the period: filter by time to see older ones. Searching finds ids and user "
        "names, from their beginning, however old they are."
    )
    search_hint = "Search"
    # Said instead of the rows if there are none.
    nothing = "Nothing here."
    # Filters that work needs often: the text of the link, and the filter.
    shortcuts: Sequence[tuple[str, str]] = ()
    # Fields that a list shows only on request; they can be filtered by.
    hidden_at_first: frozenset[str] = frozenset()
    # Fields that the details show only if they have a value.
    hidden_if_unknown: frozenset[str] = frozenset()

    def __init__(self, staff_list: StaffList[T], staff: Staff) -> None:
        self._staff_list = staff_list
        self._staff = staff
        super().__init__()

    def heading(self, obj: Any) -> str:
        """The title of a row's page; empty: as the row is called elsewhere."""
        return ""

    def can_create(self, request: Request) -> bool:
        """A view that creates rows overrides this."""
        return False

    def can_edit(self, request: Request) -> bool:
        """Part of starlette-admin: the admin never does this."""
        return False

    def can_delete(self, request: Request) -> bool:
        """Part of starlette-admin: the admin never does this."""
        return False

    def can_import(self, request: Request) -> bool:
        """Part of starlette-admin: the admin never does this."""
        return False

    async def is_row_action_allowed(self, request: Request, name: str) -> bool:
        """Whether the view offers the button; the library would also run those that it does not offer."""
        return name in (self.row_actions or ())

    def _parse_list_params(self, request: Request, query_params: QueryParams | None = None) -> ListParams:
        # Part of starlette-admin, which shows every field of a list at first.
        params = super()._parse_list_params(request, query_params)
        if params.visible_cols is None and self.hidden_at_first:
            shown = [field.name for field in self.get_fields_list(request, action=RequestAction.LIST)]
            params.visible_cols = [name for name in shown if name not in self.hidden_at_first]
        return params

    def get_filter_registry(self) -> FilterRegistry:
        """The filters of a list."""
        return FILTERS

    async def find_all(
        self,
        request: Request,
        skip: int = 0,
        limit: int = 100,
        q: str | None = None,
        sorts: Sequence[tuple[str, str]] | None = None,
        filters: FilterGroup | None = None,
    ) -> Sequence[T]:
        """A page of the list."""
        return await self._staff_list.page(
            search=q,
            where=condition(filters, self._by_name()),
            order=[(name, direction == "desc") for name, direction in sorts or ()],
            skip=skip,
            source=await self._staff.reads.of(member_of(request).actor),
            **({"limit": limit} if limit > 0 else {}),
        )

    async def count(self, request: Request, q: str | None = None, filters: FilterGroup | None = None) -> int:
        """The number of rows."""
        return await self._staff_list.count(
            search=q,
            where=condition(filters, self._by_name()),
            source=await self._staff.reads.of(member_of(request).actor),
        )

    async def find_by_pk(self, request: Request, pk: Any) -> T | None:
        """The row with the id."""
        found = await self.find_by_pks(request, [pk])
        return found[0] if found else None

    async def find_by_pks(self, request: Request, pks: list[Any]) -> Sequence[T]:
        """The existing rows with these ids."""
        ids = [found for pk in pks if (found := self.to_id(pk)) is not None]
        return await self._staff_list.find(ids)

    def to_id(self, pk: Any) -> UUID | int | None:
        """An id from a URL; None if it is not an id."""
        return to_uuid(pk)

    async def get_serialized_pk_value(self, request: Request, obj: Any) -> Any:
        """The id as text."""
        return str(obj.id)

    async def before_export(self, request: Request, ctx: Any) -> None:
        """Write the export to the audit trail."""
        query = request.query_params.get("_list_query", "")
        try:
            await self._staff.note_export(member_of(request), what=f"{len(ctx.rows)} × {self.key} {query}".strip())
        except NotStaff:
            raise ActionFailed("You are no longer a member of staff.") from None

    async def create(self, request: Request, data: dict[str, Any]) -> Any:
        """Part of starlette-admin; ``can_create`` forbids it."""
        raise NotImplementedError

    async def edit(self, request: Request, pk: Any, data: dict[str, Any]) -> Any:
        """Part of starlette-admin; ``can_edit`` forbids it."""
        raise NotImplementedError

    async def delete(self, request: Request, pks: list[Any]) -> int | None:
        """Part of starlette-admin; ``can_delete`` forbids it."""
        raise NotImplementedError

    def _by_name(self) -> dict[str, Any]:
        return {field.name: field for field in self.fields}


def time_field(name: str, **options: Any) -> MomentField:
    """A time, shown in the reader's time zone and with its age."""
    return MomentField(name, **options)


def to_uuid(value: Any) -> UUID | None:
    """An id from a form or a URL; None if it is not an id."""
    try:
        return UUID(str(value))
    except ValueError:
        return None


def known_user_id(value: Any) -> UUID:
    """The id of a user from a button. Raises: NoSuchUser."""
    user_id = to_uuid(value)
    if user_id is None:
        raise NoSuchUser
    return user_id


def to_number(value: Any) -> int | None:
    """A numeric id from a URL; None if it is not one."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def is_action(request: Request, *actions: RequestAction) -> bool:
    """Whether the request runs one of these actions."""
    return request.state.action in actions


async def in_form(work: Awaitable[R], fields: Mapping[str, str]) -> R:
    """Await a form's use case, and show its error beside the field.

    ``fields`` maps the names of a use case's fields to the form's fields; the last one gets the errors without a
    field.
    """
    *_, last = fields.values()
    try:
        return await work
    except (UserFault, UserFaults, BadInput) as fault:
        faults = fault.faults if isinstance(fault, UserFaults) else (fault,)
        raise FormValidationError(
            {fields.get(".".join(each.field or ()), last): each.message for each in faults}
        ) from None
    except NoSuchUser as error:
        raise FormValidationError({last: error.message}) from None
    except NotStaff:
        raise FormValidationError({last: "You are no longer a member of staff."}) from None


async def in_dialogue(work: Awaitable[R]) -> R:
    """Await a button's use case, and show any error in a message."""
    try:
        return await work
    except (UserFault, BadInput, *_SHOWN) as fault:
        raise ActionFailed(fault.message) from None
    except NotStaff:
        raise ActionFailed("You are no longer a member of staff.") from None
    except Exception as error:
        # The library's script shows no other kind of answer.
        raise ActionFailed(incidents.shown(incidents.report(error))) from error
