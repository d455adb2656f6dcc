"""Shared by the commands: reading the settings, running a coroutine, ending with one line."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn, TypeVar

import typer

from application.application import Application
from application.errors import one_line
from application.settings import Settings, SettingsError, load_settings
from services.database import migrations
from services.runtime import logs
from services.staff.trail import CommandLine

T = TypeVar("T")


async def with_application(work: Callable[[Application], Awaitable[None]], **given: object) -> None:
    """Run a command's work with the use cases, beside a server or without one. ``given`` overrides settings."""
    settings = read_settings(**given)
    logs.configure(level="warning", format=settings.log_format)
    await migrations.apply_or_check(settings)
    application = Application(settings)
    await application.database.connect()
    try:
        # The command publishes nothing: a running server sweeps the outbox and announces the changes.
        await work(application)
        await application.shield.drain()
    finally:
        await application.database.disconnect()


def command_line() -> CommandLine:
    """The operating system's user who runs this command, for the audit trail."""
    try:
        # Not by the environment, which its user can choose.
        import pwd

        return CommandLine(pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:
        # A container may run under a number without a name.
        return CommandLine(f"user {os.getuid()}")
    except ImportError:
        # Windows.
        return CommandLine(os.getlogin())


def read_settings(**given: object) -> Settings:
    """The settings; ``given`` override the environment. A wrong setting ends the process with one line."""
    try:
        return load_settings(**given)
    except SettingsError as error:
        stop(str(error))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine. An error that is clear without its traceback ends the process with one line."""
    try:
        return asyncio.run(work)
    except Exception as error:
        line = one_line(error)
        if line is None:
            raise
        stop(line)


def utf8(text: str) -> str:
    """A text of the command line. One that is not UTF-8, and in no database, ends the process with one line."""
    if any("\ud800" <= char <= "\udfff" for char in text):
        stop("a name or a password is not UTF-8: does the terminal use another encoding?")
    return text


def stop(message: str) -> NoReturn:
    """Print the message as one line and end the process with status 1."""
    typer.echo(f"taxirank: {message}", err=True)
    raise SystemExit(1)
