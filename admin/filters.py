"""Converts the filters of the lists to conditions."""

from datetime import UTC, datetime

from starlette_admin.fields import BaseField, BooleanField, DateTimeField, EnumField, StringField
from starlette_admin.filters import FilterApplyContext, FilterGroup, FilterRegistry, FilterRule
from starlette_admin.filters.base import BaseFilter
from starlette_admin.filters.boolean import IsFalseFilter, IsTrueFilter
from starlette_admin.filters.date import DateTimeBetweenFilter
from starlette_admin.filters.enum import InFilter, NotInFilter
from starlette_admin.filters.string import ContainsFilter, NotContainsFilter, StartsWithFilter

from services.staff.list_query import Group, Match, Rule


class _Contains(ContainsFilter):
    def apply(self, ctx: FilterApplyContext) -> Rule:
        return Rule(ctx.field_name, Match.CONTAINS, ctx.value)


class _NotContains(NotContainsFilter):
    def apply(self, ctx: FilterApplyContext) -> Rule:
        return Rule(ctx.field_name, Match.NOT_CONTAINS, ctx.value)


class _Begins(StartsWithFilter):
    def apply(self, ctx: FilterApplyContext) -> Rule:
        return Rule(ctx.field_name, Match.BEGINS, ctx.value)


class _OneOf(InFilter):
    def apply(self, ctx: FilterApplyContext) -> Rule:
        return Rule(ctx.field_name, Match.ONE_OF, ctx.value)


class _NoneOf(NotInFilter):
    def apply(self, ctx: FilterApplyContext) -> Rule:
        return Rule(ctx.field_name, Match.NONE_OF, ctx.value)


class _Is(IsTrueFilter):
    def apply(self, ctx: FilterApplyContext) -> Rule:
        return Rule(ctx.field_name, Match.EQUAL, True)


class _IsNot(IsFalseFilter):
    def apply(self, ctx: FilterApplyContext) -> Rule:
        return Rule(ctx.field_name, Match.EQUAL, False)


class _Between(DateTimeBetweenFilter):
    def apply(self, ctx: FilterApplyContext) -> Group:
        return Group(
            (
                Rule(ctx.field_name, Match.FROM, _in_utc(ctx.value)),
                Rule(ctx.field_name, Match.UNTIL, _in_utc(ctx.value2)),
            )
        )


def _in_utc(value: datetime) -> datetime:
    # The library has converted it to UTC and removed the time zone.
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


FILTERS = FilterRegistry(
    {
        StringField: [_Contains, _NotContains, _Begins],
        EnumField: [_OneOf, _NoneOf],
        BooleanField: [_Is, _IsNot],
        DateTimeField: [_Between],
    }
)


def condition(filters: FilterGroup | None, fields: dict[str, BaseField]) -> Group:
    """The condition of a list's filters. Nested groups of "and" are merged into their parent."""
    if filters is None:
        return Group()
    parts: list[Rule | Group] = []
    is_any = filters.logic == "or"
    for part in filters.rules:
        made = _rule(part, fields) if isinstance(part, FilterRule) else condition(part, fields)
        if isinstance(made, Group) and not made.is_any and not is_any:
            parts += made.parts
        else:
            parts.append(made)
    return Group(tuple(parts), is_any=is_any)


def _rule(rule: FilterRule, fields: dict[str, BaseField]) -> Rule | Group:
    kind: type[BaseFilter] | None = FILTERS.get_filter(fields[rule.field], rule.filter)
    assert kind is not None, "the library has looked it up before"
    context = FilterApplyContext(query=None, field_name=rule.field, value=rule.value, value2=rule.value2)
    return kind().apply(context)
