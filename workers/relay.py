"""Within a sandbox: ports of its loopback that lead out through sockets; then the command.

    python -I -S relay.py PORT=SOCKET... -- COMMAND...

1. The ports are there before the command begins: it need not wait for them.
2. The command takes this process: its exit code, its signals and what it reads are its own. What
   carries the bytes is a process of its own that is nobody's child here but the first one's, so
   that no command waits for it, and that ends with the sandbox.
3. Asked to end, it goes on: a command that says goodbye may say it to the world.
4. Connections and what is held of each are bounded; what does not fit waits.

It runs alone, with the standard library, and is quick to start: no imports but what it needs.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys

CONNECTIONS = 64
_CHUNK_BYTES = 64 * 1024
_READ, _WRITE = select.POLLIN, select.POLLOUT
_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


class End:
    """One end of a connection: what is to be written to it, and whether more will come."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self.other: End = self
        self.held = b""
        self.said_all = False
        """It will say no more."""
        self.told_all = False
        """It has been told that no more comes."""
        self.awaited = 0

    def wants(self) -> int:
        """What to wait for."""
        reads = not self.said_all and not self.other.held
        return (_READ if reads else 0) | (_WRITE if self.held else 0)

    def read(self) -> None:
        """Take what it says, for the other one."""
        self.other.held = self.socket.recv(_CHUNK_BYTES)
        self.said_all = not self.other.held

    def write(self) -> None:
        """Give it what is held for it, and tell it when that was all."""
        if self.held:
            self.held = self.held[self.socket.send(self.held) :]
        if self.other.said_all and not self.held and not self.told_all:
            self.told_all = True
            self.socket.shutdown(socket.SHUT_WR)


class Relay:
    """All connections of all ports, in one loop."""

    def __init__(self, doors: dict[int, tuple[socket.socket, str]]) -> None:
        self._doors = doors
        self._ends: dict[int, End] = {}
        self._poll = select.poll()

    def run(self) -> None:
        """Carry bytes until the sandbox ends."""
        open_doors = False
        while True:
            room = len(self._ends) < 2 * CONNECTIONS
            if room != open_doors:
                open_doors = room
                for number in self._doors:
                    self._poll.register(number, _READ if room else 0)
            for number, happened in self._poll.poll():
                if number in self._doors:
                    self._accept(*self._doors[number])
                elif number in self._ends:
                    self._carry(self._ends[number], happened)

    def _accept(self, door: socket.socket, path: str) -> None:
        try:
            inner, _ = door.accept()
        except OSError:
            return
        outer = socket.socket(socket.AF_UNIX)
        try:
            outer.connect(path)
        except OSError:  # whoever was there is gone: so is the connection
            inner.close()
            outer.close()
            return
        one, other = End(inner), End(outer)
        one.other, other.other = other, one
        for end in (one, other):
            end.socket.setblocking(False)
            self._ends[end.socket.fileno()] = end
            self._expect(end)

    def _carry(self, end: End, happened: int) -> None:
        try:
            if happened & (_READ | _GONE) and end.wants() & _READ:
                end.read()
                end.other.write()
            if happened & (_WRITE | _GONE) and end.wants() & _WRITE:
                end.write()
        except BlockingIOError:
            pass
        except OSError:
            self._drop(end)
            return
        if end.told_all and end.other.told_all:
            self._drop(end)
            return
        self._expect(end)
        self._expect(end.other)

    def _expect(self, end: End) -> None:
        """Wait for what it wants; for nothing at all, since the news that it is gone comes too."""
        wants = end.wants()
        if wants != end.awaited:
            end.awaited = wants
            if wants:
                self._poll.register(end.socket, wants)
            else:
                self._poll.unregister(end.socket)

    def _drop(self, end: End) -> None:
        for one in (end, end.other):
            if one.awaited:
                self._poll.unregister(one.socket)
            del self._ends[one.socket.fileno()]
            one.socket.close()


def open_doors(pairs: list[str]) -> dict[int, tuple[socket.socket, str]]:
    """A listening socket for each PORT=SOCKET, by its descriptor."""
    doors: dict[int, tuple[socket.socket, str]] = {}
    for pair in pairs:
        port, _, path = pair.partition("=")
        door = socket.socket(socket.AF_INET)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(("127.0.0.1", int(port)))
        door.listen(128)
        door.setblocking(False)
        doors[door.fileno()] = (door, path)
    return doors


def leave(doors: dict[int, tuple[socket.socket, str]]) -> None:
    """Go on as a process of its own that carries bytes, and return in the one that came."""
    first = os.fork()
    if first:
        os.waitpid(first, 0)
        return
    try:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            nothing = os.open("/dev/null", os.O_RDWR)
            for standard in (0, 1, 2):  # the command's output ends when the command does
                os.dup2(nothing, standard)
            os.chdir("/")
            Relay(doors).run()
    finally:
        os._exit(0)


def become(argv: list[str]) -> None:
    """Be the command, as if this had never been here."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):  # Python changed them
        signal.signal(number, signal.SIG_DFL)
    with open("/proc/self/environ", "rb") as file:  # as it was given, before Python looked at it
        given = [entry.partition(b"=") for entry in file.read().split(b"\0") if entry]
    try:
        os.execvpe(argv[0], argv, {name: value for name, _, value in given})
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(126 if isinstance(error, PermissionError) else 127)


def main(words: list[str]) -> None:
    """Open the ports, leave somebody at them, be the command."""
    at = words.index("--")
    leave(open_doors(words[:at]))
    become(words[at + 1 :])


if __name__ == "__main__":
    main(sys.argv[1:])
