"""What a sandbox that may reach some hosts reaches: these, and nothing else. On loopback."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger import events as e
from ledger.model import CommandWorker, Gate
from tests.support.project import Project, task
from tests.support.sandboxed import Cell, needs_sandbox
from workers.reach import PROXY_PORT, Reach, allowance_of

pytestmark = needs_sandbox

GET = "python3 -c \"import urllib.request as u; print(u.urlopen('{}', timeout=9).read().decode())\""
CURL = "curl -sS -m 9 {}"


class Web(http.server.BaseHTTPRequestHandler):
    """Says the host that it was asked as."""

    def do_GET(self) -> None:
        self.server.asked.append(self.headers["Host"])  # type: ignore[attr-defined]
        text = f"this is {self.headers['Host']}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: object) -> None:
        """Quiet."""


class Outside:
    """A server on this machine's loopback, and names that lead to it."""

    def __init__(self) -> None:
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
        self.asked: list[str] = []
        self.server.asked = self.asked  # type: ignore[attr-defined]
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    async def resolve(self, name: str, port: int) -> tuple[str, ...]:
        if name == "rebound.test":
            return ("127.0.0.2",)
        return ("127.0.0.1",)

    def reach(self, cell: Cell, *hosts: str) -> tuple[Reach, list[str]]:
        """What a child may reach that may reach these, and what it is refused."""
        refused: list[str] = []
        named = allowance_of((*hosts, f"127.0.0.1:{self.port}"))
        folder = cell.home.parent / "sockets"
        return Reach(named, folder, "ask somebody", refused.append, self.resolve), refused


@pytest.fixture
def outside() -> Iterator[Outside]:
    found = Outside()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cell]:
    made = Cell(tmp_path_factory.mktemp("c"))
    yield made
    made.close()


@pytest.mark.parametrize("client", [GET, CURL, "curl -sS -m 9 -p {}"])
@pytest.mark.sample(1)
def test_programs_reach_the_hosts_that_are_allowed(
    cell: Cell, outside: Outside, client: str
) -> None:
    port = outside.port
    reach, refused = outside.reach(cell, f"index.test:{port}", f"*.files.test:{port}")
    for host in (f"index.test:{port}", f"a.files.test:{port}"):
        code, said, ended = cell.run(client.format(f"http://{host}/x"), network=reach)
        assert (code, said.strip()) == (0, f"this is {host}"), ended
    assert refused == []
    assert list(reach.sockets.iterdir()) == []


def test_other_hosts_are_refused_and_told_with_how_to_allow_them(
    cell: Cell, outside: Outside
) -> None:
    reach, refused = outside.reach(cell, "index.test", f"*.files.test:{outside.port}")
    for url in (
        "http://evil.test/",
        f"http://index.test:{outside.port}/",
        f"http://files.test:{outside.port}/",
    ):
        _, said, _ = cell.run(CURL.format(url) + f"; {CURL.format(url)}", network=reach)
        assert "is not allowed here; ask somebody" in said
    _, said, _ = cell.run(GET.format("https://evil.test/"), network=reach)
    assert "403 orch: evil.test:443 is not allowed here; ask somebody" in said
    assert [*dict.fromkeys(refused)] == [
        "evil.test:80",
        f"index.test:{outside.port}",
        f"files.test:{outside.port}",
        "evil.test:443",
    ]
    assert outside.asked == []


def test_a_name_that_is_turned_inwards_is_refused(cell: Cell, outside: Outside) -> None:
    reach, _ = outside.reach(cell, f"rebound.test:{outside.port}")
    url = f"http://rebound.test:{outside.port}/"
    _, said, _ = cell.run(f"{CURL.format(url)}; {CURL.format('-p ' + url)}", network=reach)
    assert "leads to 127.0.0.2, which is no public address" in said
    assert outside.asked == []


OTHERWISE = {
    "connect straight": "curl -sS -m 3 --noproxy '*' http://192.0.2.1/",
    "look a name up": "curl -sS -m 3 --noproxy '*' http://index.test/",
    "reach another port of this machine": "curl -sS -m 3 --noproxy '*' http://127.0.0.1:{other}/",
    "send a datagram": 'python3 -c "import socket; s=socket.socket(socket.AF_INET,'
    " socket.SOCK_DGRAM); s.connect(('192.0.2.1', 53)); s.send(b'x')\"",
    "find another child's socket": "ls {sockets}",
    "replace its socket": "rm -f /run/orch/doors/{proxy}",
    "use the proxy for a port of this machine": "curl -sS -f -m 3 -p --noproxy '' "
    "--proxy http://127.0.0.1:{proxy} http://localhost:{other}/",
    "speak as another user of the proxy": "curl -sS -f -m 3 --noproxy '' "
    "--proxy http://user:pw@127.0.0.1:{proxy} http://127.0.0.1:{other}/",
}


@pytest.mark.parametrize("what", OTHERWISE)
@pytest.mark.sample(4)
def test_there_is_no_other_way_out(cell: Cell, what: str) -> None:
    secret = Outside()
    folder = cell.home.parent / "sockets"
    reach = Reach(allowance_of(["index.test"]), folder, "", lambda _: None, secret.resolve)
    try:
        command = OTHERWISE[what].format(other=secret.port, proxy=PROXY_PORT, sockets=reach.sockets)
        code, said, _ = cell.run(command, network=reach)
        assert code != 0, said
        assert secret.asked == []
    finally:
        secret.server.shutdown()
        secret.server.server_close()


def test_a_service_of_this_machine_is_there_within(cell: Cell, outside: Outside) -> None:
    reach, _ = outside.reach(cell)
    said = cell.run(CURL.format(f"http://127.0.0.1:{outside.port}/"), network=reach)[1]
    assert said == f"this is 127.0.0.1:{outside.port}\n"


ALONE = {
    "exit 7": (7, ""),
    "kill -TERM $$": (143, "SIGTERM"),
    "kill -PIPE $$": (141, "SIGPIPE"),
    "kill -XFSZ $$": (153, "SIGXFSZ"),
    "kill -INT $$": (130, "SIGINT"),
    "yes | head -n1 > /dev/null; exit 3": (3, ""),
    "(sleep 0.2; exit 5) & wait $!": (5, ""),
    "not-a-program": (127, ""),
    "/etc/passwd": (126, ""),
}


@pytest.mark.parametrize("command", ALONE)
@pytest.mark.sample(3)
def test_it_ends_as_without(cell: Cell, outside: Outside, command: str) -> None:
    reach, _ = outside.reach(cell, "index.test")
    with_relay, without = cell.run(command, network=reach)[2], cell.run(command)[2]
    assert (with_relay.exit_code, with_relay.why) == (without.exit_code, without.why)
    assert with_relay.exit_code == ALONE[command][0]


def test_its_environment_and_children_are_its_own(cell: Cell, outside: Outside) -> None:
    reach, _ = outside.reach(cell, "index.test")
    look = 'env | grep -vi -e proxy -e PWD= | sort; cat; python3 -c "import os; os.wait()"'
    said, alone = cell.run(look, network=reach)[1], cell.run(look)[1]
    assert said == alone
    assert "No child processes" in said, "nobody waits for the relay"


def test_a_users_own_proxy_does_not_stand_in_the_way(cell: Cell, outside: Outside) -> None:
    reach, _ = outside.reach(cell, f"index.test:{outside.port}")
    mine = {"http_proxy": "http://192.0.2.1:1", "NO_PROXY": "*"}
    code, said, _ = cell.run(
        CURL.format(f"http://index.test:{outside.port}/"),
        environ=mine,
        allowed=tuple(mine),
        network=reach,
    )
    assert (code, said) == (0, f"this is index.test:{outside.port}\n")


@pytest.mark.thorough
def test_one_that_is_ended_may_still_say_goodbye_outside(cell: Cell, outside: Outside) -> None:
    reach, _ = outside.reach(cell, f"index.test:{outside.port}")
    goodbye = CURL.format(f"http://index.test:{outside.port}/")
    _, said, ended = cell.run(
        f"trap '{goodbye}; exit 0' TERM; while :; do sleep 60 & wait; done",
        timeout_s=3.0,
        network=reach,
    )
    assert ended.reason == "timeout" and said == f"this is index.test:{outside.port}\n"
    assert ended.duration_s < 5.5


def test_nothing_of_it_lives_when_it_has_ended(cell: Cell, outside: Outside) -> None:
    reach, _ = outside.reach(cell, "index.test")
    _, _, ended = cell.run("setsid sleep 98 & echo x", network=reach)
    assert ended.survivors == ()
    own = f"{PROXY_PORT}=/run/orch".encode()
    left = [p for p in Path("/proc").glob("[0-9]*/cmdline") if own in _read(p)]
    assert left == []


def test_when_the_proxy_is_gone_it_is_told_so_at_once(cell: Cell) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        path = cell.home.parent / "dead"
        dead.bind(str(path))
        began = time.monotonic()
        command = f"curl -sS -m 9 -x http://127.0.0.1:{PROXY_PORT} http://a.test/"
        code, _, ended = cell.run(command, relays=((PROXY_PORT, path),))
        path.unlink()
    assert code in (52, 56) and ended.reason == "exited"
    assert time.monotonic() - began < 8


def test_a_socket_that_cannot_be_made_is_no_verdict(cell: Cell, outside: Outside) -> None:
    reach, _ = outside.reach(cell, "index.test")
    reach.sockets.rmdir()
    reach.sockets.write_text("in the way")
    try:
        ended = cell.run("echo never", network=reach)[2]
    finally:
        reach.sockets.unlink()
    assert ended.reason == "not-started" and "not this user's own" in ended.why


@pytest.mark.thorough
def test_a_flood_from_within_is_served_in_turn(cell: Cell, outside: Outside) -> None:
    reach, _ = outside.reach(cell, f"index.test:{outside.port}")
    flood = f"""python3 - <<'E'
import socket, threading
def one(held):
    s = socket.create_connection(('127.0.0.1', {PROXY_PORT}), 20)
    if held: return idle.append(s)
    s.sendall(b'GET http://index.test:{outside.port}/ HTTP/1.1\\r\\n\\r\\n')
    said = b''
    while chunk := s.recv(9999): said += chunk
    answers.append(b'this is' in said)
idle, answers = [], []
for _ in range(20): one(True)
threads = [threading.Thread(target=one, args=(False,)) for _ in range(150)]
[t.start() for t in threads]; [t.join() for t in threads]
print(len(answers), all(answers))
E"""
    code, said, _ = cell.run(flood, network=reach)
    assert (code, said) == (0, "150 True\n")


@pytest.mark.thorough
def test_much_goes_through_in_both_directions(cell: Cell, outside: Outside) -> None:
    """Sizes beyond every buffer, to a reader that is slow at first."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def echo() -> None:
            stream, _ = server.accept()
            with stream:
                time.sleep(0.3)
                while chunk := stream.recv(65536):
                    stream.sendall(chunk)

        threading.Thread(target=echo, daemon=True).start()
        reach = Reach(
            allowance_of([f"localhost:{port}"]), cell.home.parent / "sockets", "", lambda _: None
        )
        code, said, _ = cell.run(
            f"""python3 - <<'E'
import hashlib, os, socket, threading
s, data = socket.create_connection(('127.0.0.1', {port}), 20), os.urandom(20_000_000)
def send(): s.sendall(data); s.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
back = hashlib.sha256()
while chunk := s.recv(65536): back.update(chunk)
print(back.digest() == hashlib.sha256(data).digest())
E""",
            network=reach,
        )
    assert (code, said) == (0, "True\n")


@pytest.mark.thorough
def test_children_at_once_have_ways_of_their_own(cell: Cell, outside: Outside) -> None:
    port = outside.port

    def one(number: int) -> bool:
        own, other = f"h{number}.test:{port}", f"h{number + 1}.test:{port}"
        reach, refused = outside.reach(cell, own)
        command = f"{CURL.format(f'http://{own}/')}; {CURL.format(f'http://{other}/')}"
        said = cell.run(command, network=reach)[1]
        return f"this is {own}\norch: {other} is not allowed" in said and refused == [other]

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(one, range(8)))


def test_a_run_tells_once_what_its_workers_and_gates_wanted(tmp_path: Path) -> None:
    project = Project(tmp_path, {"a.txt": "one\n"})
    project.sandbox = "bubblewrap"
    wanted = f"{CURL.format('http://evil.test/')}; {CURL.format('http://evil.test/')}; "
    worker = CommandWorker(
        kind="command", command=f"{wanted} echo $ORCH_TASK > $ORCH_TASK", network=("good.test",)
    )
    project.more_settings = {"worker": "w", "workers": {"w": worker}}
    project.gates = (
        Gate(name="asks", command=f"{wanted} exit 0", network=("good.test:8080",)),
        Gate(name="none", command=f"! {CURL.format('http://good.test/')}"),
    )
    state = project.run(task("one"), task("two"))
    assert state.finished and state.finished.outcome == "complete"
    notices = [fact for fact in project.facts(state.run) if isinstance(fact, e.Noticed)]
    assert {(fact.what, fact.hint) for fact in notices} == {
        (
            f"{who} wanted to reach evil.test:80, which its settings do not allow",
            f'to allow it: network = [..., "evil.test"] below {where}',
        )
        for who, where in (
            ("worker w", "[worker.w]"),
            ("gate asks", '[[gate]] name = "asks"'),
        )
    }
    assert len(notices) == 2


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
