"""`simulate`: a city of riders and drivers on a running server."""

from pathlib import Path
from typing import Annotated

import typer

from application.process import read_settings, stop


def simulate(
    url: Annotated[str | None, typer.Argument(help="The server; by default the one of the settings.")] = None,
    riders: Annotated[int, typer.Option(help="The number of riders.")] = 20,
    drivers: Annotated[int, typer.Option(help="The number of drivers.")] = 50,
    seconds: Annotated[float, typer.Option(help="The duration, counted after everybody has signed up.")] = 60.0,
    center: Annotated[str, typer.Option(help="The centre of the city: latitude,longitude.")] = "52.3702,4.8952",
    radius_m: Annotated[float, typer.Option(help="The radius of the city.")] = 5000.0,
    requests_per_minute: Annotated[float, typer.Option(help="Trips requested, by all riders together.")] = 30.0,
    report_every_s: Annotated[float, typer.Option(help="How often a driver reports a position.")] = 4.0,
    speed_up: Annotated[float, typer.Option(help="Time lapse: cars and people are faster by this factor.")] = 10.0,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same city and people.")] = None,
    json: Annotated[Path | None, typer.Option(help="Also write the summary to this file.")] = None,
) -> None:
    """Let riders and drivers use a running server, as its clients do: for demonstrations, load and tests."""
    # Imported here because a server does not need the simulation.
    from simulation.city import City
    from simulation.command import simulate as run
    from simulation.options import CannotSimulate, Options, point, server_url

    try:
        options = Options(
            server_url(url if url is not None else _own_url()),
            riders=riders,
            drivers=drivers,
            seconds=seconds,
            city=City(point(center), radius_m),
            requests_per_minute=requests_per_minute,
            report_every_s=report_every_s,
            speed_up=speed_up,
            seed=seed,
        )
        raise SystemExit(run(options, json_path=json))
    except CannotSimulate as error:
        stop(str(error))


def _own_url() -> str:
    """The address of a server with these settings, as seen from its own machine."""
    settings = read_settings()
    host = "localhost" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104 - not listened on
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
