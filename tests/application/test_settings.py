"""Settings: read strictly, and refused in one line."""

from pathlib import Path

import pytest

from application.settings import PREFIX, Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `.env`, and no settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(PREFIX + name, value)
    return load_settings()


def test_every_setting_is_optional() -> None:
    settings = load_settings()
    assert settings.sqlite_path is not None
    assert settings.redis_url is None
    assert not settings.secure_cookies


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("PORTT", "8000", "unknown setting TAXIRANK_PORTT"),
        ("CONSOLE", "false", "TAXIRANK_CONSOLE is called TAXIRANK_BOARD now"),
        ("PORT", "eighty", "TAXIRANK_PORT"),
        ("PORT", "65536", "TAXIRANK_PORT"),
        ("DATABASE_URL", "mysql://x", "TAXIRANK_DATABASE_URL: must begin with"),
        ("DATABASE_URL", "sqlite://", "TAXIRANK_DATABASE_URL: must begin with"),
        ("DATABASE_URL", "postgresql://u:p@host:port/db", "TAXIRANK_DATABASE_URL: its port"),
        ("REDIS_URL", "http://x", "TAXIRANK_REDIS_URL: must begin with"),
        ("REDIS_URL", "redis://host:99999", "TAXIRANK_REDIS_URL: its port"),
        ("REDIS_URL", "redis+sentinel://one,two", "TAXIRANK_REDIS_URL: must name the service"),
        ("REDIS_PREFIX", "a:b", "TAXIRANK_REDIS_PREFIX: must be 1 to 40 of"),
        ("MEDIA_OPTIONS", "{", "TAXIRANK_MEDIA_OPTIONS: must be a JSON object"),
        ("MEDIA_OPTIONS", "[]", "TAXIRANK_MEDIA_OPTIONS: must be"),
        ("MEDIA_OPTIONS", '{"a": 1}', "TAXIRANK_MEDIA_OPTIONS: must be"),
        ("PUBLIC_URL", "taxi.example", "TAXIRANK_PUBLIC_URL: must be an address"),
        ("PUBLIC_URL", "https://taxi.example/path", "TAXIRANK_PUBLIC_URL: must be an address"),
        ("ALLOWED_ORIGINS", "*", "TAXIRANK_ALLOWED_ORIGINS: '*' is not an origin"),
        ("ALLOWED_ORIGINS", "https://a.example, null", "'null' is not an origin"),
        ("ALLOWED_ORIGINS", "https://*.example", "is not an origin"),
        ("ALLOWED_ORIGINS", "https://a.example/", "is not an origin"),
        ("PUBLIC_URL", "https://taxi.example:port", "TAXIRANK_PUBLIC_URL: its port"),
        ("PUBLIC_URL", "https://[", "TAXIRANK_PUBLIC_URL: its port"),
        ("ALLOWED_HOSTS", "taxi.example:8000", "TAXIRANK_ALLOWED_HOSTS: 'taxi.example:8000' is not a name"),
        ("ALLOWED_HOSTS", "https://taxi.example", "is not a name"),
        ("ALLOWED_HOSTS", "*.example", "is not a name"),
        ("COOKIE_SAMESITE", "none", "needs a PUBLIC_URL that begins with https://"),
        ("COOKIE_SAMESITE", "off", "TAXIRANK_COOKIE_SAMESITE"),
        ("WORKERS", "2", "TAXIRANK_WORKERS above 1 needs a REDIS_URL"),
        ("FEDERATION", "perhaps", "TAXIRANK_FEDERATION"),
        ("PHOTO_REQUIRED", "perhaps", "TAXIRANK_PHOTO_REQUIRED"),
        ("LOG_FORMAT", "xml", "TAXIRANK_LOG_FORMAT"),
        ("SESSION_TTL_S", "0", "TAXIRANK_SESSION_TTL_S"),
        ("MAX_DEPTH", "0", "TAXIRANK_MAX_DEPTH"),
        ("MAX_COST", "much", "TAXIRANK_MAX_COST"),
        ("OPERATION_TIMEOUT_S", "0", "TAXIRANK_OPERATION_TIMEOUT_S"),
        ("OPERATION_TIMEOUT_S", "inf", "TAXIRANK_OPERATION_TIMEOUT_S"),
        ("CONNECTION_INIT_TIMEOUT_S", "nan", "TAXIRANK_CONNECTION_INIT_TIMEOUT_S"),
        ("OFFER_RADIUS_M", "0", "TAXIRANK_OFFER_RADIUS_M"),
        ("OFFER_RADIUS_M", "50001", "TAXIRANK_OFFER_RADIUS_M"),
        ("OFFER_RADIUS_M", "nan", "TAXIRANK_OFFER_RADIUS_M"),
        ("LOCATION_TTL_S", "0", "TAXIRANK_LOCATION_TTL_S"),
        ("LOCATION_RATE", "5 a second", "TAXIRANK_LOCATION_RATE: must be like 10/minute"),
        ("LOCATION_RATE", "0/second", "TAXIRANK_LOCATION_RATE: must be like 10/minute"),
        ("LOG_IN_RATE", "10", "TAXIRANK_LOG_IN_RATE: must be like 10/minute"),
        ("SIGN_UP_RATE", "often", "TAXIRANK_SIGN_UP_RATE: must be like 10/minute"),
        ("TRIP_RATE", "-1/second", "TAXIRANK_TRIP_RATE: must be like 10/minute"),
        ("SUBSCRIBE_RATE", "", "TAXIRANK_SUBSCRIBE_RATE: must be like 10/minute"),
        ("OPEN_TRIPS_PER_RIDER", "0", "TAXIRANK_OPEN_TRIPS_PER_RIDER: must be greater"),
        ("OPEN_TRIPS_PER_RIDER", "on", "TAXIRANK_OPEN_TRIPS_PER_RIDER: must be a valid integer"),
        ("TRUSTED_PROXIES", "*", "TAXIRANK_TRUSTED_PROXIES: '*' is not an address"),
        ("TRUSTED_PROXIES", "10.0.0.1, proxy.example", "'proxy.example' is not an address"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "'10.0.0.1/8' is not an address"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,0.0.0.0/0", "'0.0.0.0/0' trusts every address"),
        ("TRUSTED_PROXIES", "::/0", "'::/0' trusts every address"),
        ("DRIVING_SPEED_KMH", "0", "TAXIRANK_DRIVING_SPEED_KMH"),
        ("DRIVING_SPEED_KMH", "nan", "TAXIRANK_DRIVING_SPEED_KMH"),
        ("ROUTING_TIMEOUT_S", "0", "TAXIRANK_ROUTING_TIMEOUT_S"),
        ("ROUTING_TIMEOUT_S", "inf", "TAXIRANK_ROUTING_TIMEOUT_S"),
        ("ROUTING_URL", "", "TAXIRANK_ROUTING_URL: must be an address"),
        ("ROUTING_URL", "osrm.example:5000", "TAXIRANK_ROUTING_URL: must be an address"),
        ("ROUTING_URL", "http://", "TAXIRANK_ROUTING_URL: must be an address"),
        ("ROUTING_URL", "http://:5000", "TAXIRANK_ROUTING_URL: must be an address"),
        ("ROUTING_URL", "http://osrm.example/?key=1", "TAXIRANK_ROUTING_URL: must be an address"),
        ("ROUTING_URL", "http://osrm.example:port", "TAXIRANK_ROUTING_URL: its port"),
        ("ROUTING_URL", "http://\u00f6srm..example", "TAXIRANK_ROUTING_URL: must be an address"),
        ("MAP_STYLE_URL", "", "TAXIRANK_MAP_STYLE_URL: must be an address"),
        ("MAP_STYLE_URL", "tiles.example/style.json", "TAXIRANK_MAP_STYLE_URL: must be an address"),
        ("MAP_STYLE_URL", "https://tiles.example", "TAXIRANK_MAP_STYLE_URL: must be an address"),
        (
            "MAP_STYLE_URL",
            "https://me:secret@tiles.example/style.json",
            "TAXIRANK_MAP_STYLE_URL: must be an address",
        ),
        ("MAP_STYLE_URL", "https://*.example/style.json", "TAXIRANK_MAP_STYLE_URL: must be an address"),
        ("MAP_STYLE_URL", "https://tiles.example;script-src/s", "TAXIRANK_MAP_STYLE_URL: must be an address"),
        ("MAP_STYLE_URL", "https://tiles.example/a b", "TAXIRANK_MAP_STYLE_URL: must be an address"),
        ("MAP_STYLE_URL", "https://tiles.example/s#top", "TAXIRANK_MAP_STYLE_URL: must be an address"),
        ("MAP_STYLE_URL", "https://tiles.example:99999/s", "TAXIRANK_MAP_STYLE_URL: its port"),
        ("MAP_ORIGINS", "https://tiles.example", "TAXIRANK_MAP_ORIGINS is for the style of a MAP_STYLE_URL"),
        ("MAP_ORIGINS", "https://tiles.example/path", "'https://tiles.example/path' is not an origin"),
        ("MAP_ORIGINS", "https://tiles.example; script-src *", "is not an origin"),
        ("MAP_ORIGINS", "https://*.example", "'https://*.example' is not an origin"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, hint: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(monkeypatch, **{name: value})
    assert hint in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["MAP_STYLE_URL", "MAP_ORIGINS"])
def test_a_page_with_https_cannot_have_a_map_in_clear_text(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    maps = {"MAP_STYLE_URL": "https://tiles.example/style.json", "MAP_ORIGINS": "https://glyphs.example"}
    assert load(monkeypatch, PUBLIC_URL="https://taxi.example", **maps).map_origins == ("https://glyphs.example",)
    clear = {**maps, name: maps[name].replace("https", "http")}
    assert load(monkeypatch, PUBLIC_URL="http://taxi.example", **clear).map_style_url is not None
    with pytest.raises(SettingsError, match="must begin with https://"):
        load(monkeypatch, PUBLIC_URL="https://taxi.example", **clear)


def test_a_subgraph_cannot_be_restricted_to_a_list_of_operations(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "documents.json").write_text("{}")
    listed = str(tmp_path / "documents.json")
    assert load(monkeypatch, TRUSTED_DOCUMENTS=listed).federation is False
    with pytest.raises(SettingsError, match="FEDERATION does not go with TRUSTED_DOCUMENTS"):
        load(monkeypatch, TRUSTED_DOCUMENTS=listed, FEDERATION="true")


def test_a_wrong_setting_does_not_show_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as refused:
        load(monkeypatch, DATABASE_URL="postgresql://me:hunter2@host:port/db")
    assert "hunter2" not in str(refused.value)


def test_unknown_names_in_dotenv_are_refused_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TAXIRANK_PORT=8001\nOTHER=1\n")
    assert load_settings().port == 8001
    (tmp_path / ".env").write_text("TAXIRANK_PROT=8001\n")
    with pytest.raises(SettingsError, match="unknown setting TAXIRANK_PROT"):
        load_settings()


def test_an_old_name_in_dotenv_is_refused_with_the_new_one(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TAXIRANK_CONSOLE=false\n")
    with pytest.raises(SettingsError, match="TAXIRANK_CONSOLE is called TAXIRANK_BOARD now"):
        load_settings()


def test_a_dotenv_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"TAXIRANK_PORT=8001\n# caf\xe9\n")
    with pytest.raises(SettingsError, match=r"the file \.env is not in UTF-8"):
        load_settings()


def test_the_environment_takes_precedence_over_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("TAXIRANK_PORT=8001\n")
    assert load(monkeypatch, PORT="8002").port == 8002


def test_origins_are_kept_as_browsers_send_them(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(
        monkeypatch,
        ALLOWED_ORIGINS=" https://App.Example:443 ,http://localhost:5173,http://a.example:80,",
        PUBLIC_URL="https://Taxi.example/",
    )
    assert settings.allowed_origins == ("https://app.example", "http://localhost:5173", "http://a.example")
    assert settings.public_url == "https://taxi.example"
    assert settings.secure_cookies


def test_each_limit_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("LOG_IN_RATE", "SIGN_UP_RATE", "TRIP_RATE", "SUBSCRIBE_RATE", "LOCATION_RATE")
    settings = load(monkeypatch, OPEN_TRIPS_PER_RIDER="off", **dict.fromkeys(names, "off"))
    assert settings.open_trips_per_rider is None
    assert {getattr(settings, name.lower()) for name in names} == {"off"}


@pytest.mark.parametrize("proxies", ["", "10.0.0.1", "10.0.0.0/8, 2001:db8::/32,::1", "127.0.0.1,"])
def test_proxies_are_addresses_and_networks(monkeypatch: pytest.MonkeyPatch, proxies: str) -> None:
    assert load(monkeypatch, TRUSTED_PROXIES=proxies).trusted_proxies == proxies


def test_settings_of_the_tests_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, TEST_DATABASE_URL="postgresql://somewhere")


@pytest.mark.parametrize("url", ["http://osrm:5000", "https://maps.example/berlin/car/", "http://[::1]:5000"])
def test_a_routing_engine_may_have_a_port_and_a_path(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert load(monkeypatch, ROUTING_URL=url, LOCATION_RATE="off").routing_url == url


def test_the_host_names_of_the_server_come_from_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch).host_names == {"127.0.0.1"}
    settings = load(
        monkeypatch, PUBLIC_URL="https://Taxi.example:8443/", ALLOWED_HOSTS="a.example, B.example,", HOST="Here"
    )
    assert settings.host_names == {"taxi.example", "a.example", "b.example", "here"}


@pytest.mark.parametrize(
    "served",
    [
        {"REDIS_URL": "redis://localhost"},
        {"DATABASE_URL": "postgresql://localhost/taxi"},
        {"PUBLIC_URL": "https://taxi.example"},
        {"PHOTO_REQUIRED": "true"},
        {"DRIVER_APPROVAL": "true"},
        {"PICK_UP_PIN": "true"},
    ],
)
def test_only_a_server_for_trying_out_offers_demo_people(
    monkeypatch: pytest.MonkeyPatch, served: dict[str, str]
) -> None:
    assert load(monkeypatch).has_demo
    assert not load(monkeypatch, **served).has_demo
