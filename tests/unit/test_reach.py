"""Which hosts a child may reach, and where their names may lead."""

import pytest

from workers.reach import Host, allowance_of, parse_host, parse_target, render_target


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("index.example.com", Host("index.example.com")),
        ("Index.Example.com.", Host("index.example.com")),
        ("*.example.org", Host("example.org", below=True)),
        ("registry:8080", Host("registry", (8080,))),
        ("*.corp:8443", Host("corp", (8443,), below=True)),
        ("10.0.0.7:5000", Host("10.0.0.7", (5000,))),
        ("[2001:DB8::1]:443", Host("2001:db8::1", (443,))),
        ("[::1]", Host("::1")),
    ],
)
def test_entries_of_the_settings(text: str, host: Host) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize(
    "text",
    (
        *(
            "",
            "*",
            "*.",
            "*.*.org",
            "a b",
            "http://index.example.com",
            "index.example.com/simple",
            "user@host",
        ),
        *(
            "host:",
            "host:0",
            "host:65536",
            "host:http",
            "::1",
            "[index.example.com]",
            "*.[::1]",
            ".org",
        ),
        *("*.10.0.0.1", "a..b", "host\r\nX: y", "host%00", "ho\u0441t"),
    ),
)
def test_what_is_no_entry(text: str) -> None:
    assert parse_host(text) is None
    with pytest.raises(ValueError, match="is no host"):
        allowance_of([text])


def test_a_host_is_meant_exactly_at_the_usual_ports() -> None:
    allowance = allowance_of(["index.example.com", "*.example.org", "registry:8080"])
    allowed = [("index.example.com", 443), ("index.example.com", 80), ("files.example.org", 443)]
    allowed += [("a.b.example.org", 443), ("registry", 8080)]
    refused = [
        ("index.example.com", 22),
        ("evil-index.example.com", 443),
        ("index.example.com.evil.example", 443),
    ]
    refused += [("sub.index.example.com", 443), ("example.org", 443), ("evilexample.org", 443)]
    refused += [("registry", 443), ("registry", 80)]
    assert all(allowance.allows(*target) for target in allowed)
    assert not any(allowance.allows(*target) for target in refused)


INNER = (
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.0.1", "100.64.0.1"),
    *("169.254.169.254", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::1", "localhost", "nonsense"),
)


@pytest.mark.parametrize("address", INNER)
def test_a_name_may_not_lead_inwards(address: str) -> None:
    assert not allowance_of(["host", "*.domain"]).allows_address(address, 443)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::8.8.8.8"])
def test_a_name_may_lead_to_the_internet(address: str) -> None:
    assert allowance_of(["host"]).allows_address(address, 443)


def test_a_name_may_lead_to_an_address_that_is_named_beside_it() -> None:
    allowance = allowance_of(["index.corp", "10.1.2.3", "localhost:5432", "[fd00::1]"])
    assert allowance.allows_address("10.1.2.3", 443)
    assert allowance.allows_address("::ffff:10.1.2.3", 443)
    assert allowance.allows_address("fd00::1", 443)
    assert allowance.allows_address("127.0.0.1", 5432) and allowance.allows_address("::1", 5432)
    assert not allowance.allows_address("10.1.2.3", 22)
    assert not allowance.allows_address("10.1.2.4", 443)
    assert not allowance.allows_address("127.0.0.1", 443)
    assert not allowance_of(["*.1.2.3.x"]).allows_address("10.1.2.3", 443)


def test_ports_of_this_machine_are_there_within() -> None:
    allowance = allowance_of(
        ["localhost:5432", "127.0.0.1:6379", "[::1]:5432", "index.example.com:8080"]
    )
    assert allowance.own_ports == (5432, 6379)
    assert allowance_of(["localhost"]).own_ports == ()


def test_what_is_asked_for() -> None:
    assert parse_target("Index.Example.com:443") == ("index.example.com", 443)
    assert parse_target("index.example.com", 80) == ("index.example.com", 80)
    assert parse_target("[::1]:80") == ("::1", 80)
    assert parse_target("index.example.com") is None
    assert parse_target("evil@index.example.com:443") is None
    assert render_target("::1", 80) == "[::1]:80"
    assert parse_target(render_target("fd00::1", 80)) == ("fd00::1", 80)
