"""Splits the SQL of a migration into its statements."""

import re

_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)|(?P<text>'(?:[^']|'')*')|"(?:[^"]|"")*"|(?P<body>\$(\w*)\$.*?\$\4\$)|(?P<end>;)""",
    re.DOTALL,
)
_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS (\S+) ")


def split(script: str) -> list[str]:
    """The statements of a script, each with the comments before it and without its semicolon."""
    found: list[str] = []
    begin = 0
    for token in _TOKEN.finditer(script):
        if token["end"]:
            found.append(script[begin : token.start()])
            begin = token.end()
    found.append(script[begin:])
    return [statement.strip() for statement in found if bare(statement)]


def bare(statement: str) -> str:
    """A statement without comments, in one line, with ``''`` for each text."""

    def short(token: re.Match[str]) -> str:
        if token["comment"]:
            return " "
        return "''" if token["text"] else token[0]

    return " ".join(_TOKEN.sub(short, statement).split())


def index_made(statement: str) -> str | None:
    """The name of the index that a statement creates beside other writers; None if it creates none."""
    found = _INDEX.match(bare(statement))
    return found[1].strip('"') if found else None


def lets_others_pass(statement: str) -> bool:
    """Whether a statement that waits for its table lets others read and write it meanwhile."""
    text = bare(statement)
    return (
        " CONCURRENTLY " in text.partition("(")[0]
        or re.fullmatch(r"ALTER TABLE \S+ VALIDATE CONSTRAINT \S+", text) is not None
    )
