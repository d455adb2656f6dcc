"""The output of `uv run pytest -m attack`, and what makes it fail."""

import pytest

from tests.support.attacks import TOPICS, Tally, table

CONFTEST = """
    import threading
    from dataclasses import dataclass
    from http.server import BaseHTTPRequestHandler, HTTPServer

    import pytest

    from tests.support import attacks

    def pytest_configure(config):
        config.pluginmanager.register(attacks)
        config.addinivalue_line("markers", "attack(topic): as in the project")

    @dataclass
    class Server:
        url: str
        loop: None = None

    class Handler(BaseHTTPRequestHandler):
        health, answer = 200, b'{"data": {"me": null}}'

        def do_GET(self):
            self.send(self.health, b"")

        def do_POST(self):
            self.send(200, self.answer)

        def send(self, status, body):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    @pytest.fixture
    def handler():
        return type("", (Handler,), {})

    @pytest.fixture
    def server(handler):
        http = HTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield Server(f"http://127.0.0.1:{http.server_port}")
        http.shutdown()
        thread.join()
        http.server_close()
"""


ATTACKS = """
    import pytest

    @pytest.mark.attack("abuse")
    @pytest.mark.parametrize("number", range(3))
    def test_one_each(server, number):
        pass

    @pytest.mark.attack("abuse")
    def test_many(attempts):
        for _ in range(20):
            attempts.add()

    @pytest.mark.attack("errors")
    def test_one_gets_through(server, attempts):
        attempts.add(5)
        assert False

    @pytest.mark.attack("errors")
    def test_not_here():
        pytest.skip("no such thing on this machine")

    @pytest.mark.attack("fuzzing")
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("health", 503),
            ("answer", b'{"errors": [{"extensions": {"code": "INTERNAL"}}]}'),
            ("do_POST", None),
        ],
    )
    def test_does_harm(server, handler, name, value):
        setattr(handler, name, value)

    def test_no_attack(server, attempts):
        attempts.add(100)
"""


def test_every_attack_of_every_worker_is_in_the_table_with_its_result(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(ATTACKS)
    result = pytester.runpytest("-n", "1", "-p", "no:randomly", "-p", "no:asyncio")
    result.assert_outcomes(passed=5, failed=4, skipped=1)
    rows = {row[0]: row[1:] for line in result.outlines if (row := line.split())}
    assert rows["abuse"] == ["4", "23", "23", "3", "3"]
    assert rows["errors"] == ["1", "5", "0", "0", "0"]
    # Afterwards the server does not answer correctly: these tests fail.
    assert rows["fuzzing"] == ["3", "3", "0", "3", "0"]
    assert rows["all"] == ["8", "31", "23", "6", "3"]


def test_a_topic_that_nobody_attacks_is_in_the_table_too() -> None:
    rows = [line.split() for line in table({"abuse": Tally(1, 2, 3, 4, 1000)})]
    assert [row[0] for row in rows[1:]] == [*TOPICS, "all"]
    assert rows[-1] == ["all", "1", "2", "3", "4", "1,000"]


def test_a_topic_that_nobody_knows_is_refused(request: pytest.FixtureRequest) -> None:
    attacks = request.config.pluginmanager.get_plugin("attacks")
    item = pytest.Function.from_parent(request.node.parent, name="test_x", callobj=lambda: None)
    item.add_marker(pytest.mark.attack("eror"))
    with pytest.raises(pytest.UsageError, match="one of cross-site"):
        attacks.pytest_collection_modifyitems([item])
