"""Results that a thousand test servers would compute again, computed once for each process."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from functools import cache
from typing import Any, ClassVar

from tortoise.models import MetaInfo

from schema.operations.documents import Document, Documents
from tests.support.api import PASSWORD

# The test of the documents' memory must not find all of them here.
LONGEST_CHARS = 2_000
MOST = 1_000


class RememberedDocuments(Documents):
    """The documents of a server; a document that another server with the same rules has validated is not validated
    again.
    """

    _valid: ClassVar[OrderedDict[Hashable, Document]] = OrderedDict()

    def prepare(self, query: str) -> Document:
        """The document with that text, perhaps another server's."""
        key = (self._schema, *self._rules, self.hides_suggestions, self._limits, query)
        document = self._valid.get(key)
        if document is not None:
            self._valid.move_to_end(key)
            return document
        document = super().prepare(query)
        if not document.errors and len(query) <= LONGEST_CHARS:
            self._valid[key] = document
            if len(self._valid) > MOST:
                self._valid.popitem(last=False)
        return document


Rating = Callable[[str, Sequence[str]], dict[str, Any]]


def rates_once(rate: Rating) -> Rating:
    """Rate the tests' usual password only once: its strength does not depend on the user."""
    usual = cache(lambda: rate(PASSWORD, []))

    def rated(password: str, about_user: Sequence[str]) -> dict[str, Any]:
        return usual() if password == PASSWORD else rate(password, about_user)

    return rated


def filters_once(make: Callable[[MetaInfo], None]) -> Callable[[MetaInfo], None]:
    """Makes the filters of a model once for each kind of database, instead of for each server."""
    made: dict[Hashable, dict[str, Any]] = {}

    def remembered(model: MetaInfo) -> None:
        kind = (model, model.db.executor_class)
        if kind in made:
            model.filters.update(made[kind])
            return
        make(model)
        made[kind] = dict(model.filters)

    return remembered
