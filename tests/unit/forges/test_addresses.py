"""Where a remote is, which forge that is, and where a token may go."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.connectors import ForgeSettings
from orchestrator.errors import OrchError
from orchestrator.forges.address import is_own_host, is_safe_way, kind_of, repo_of
from orchestrator.forges.tokens import find_token, require_token
from worktree.address import BadAddress, parse_address, rewritten


@pytest.mark.parametrize(
    ("url", "scheme", "host", "path"),
    [
        ("https://github.com/ada/tea.git", "https", "github.com", "ada/tea"),
        ("https://ada:word@GitLab.com:8443/g/s/tea", "https", "gitlab.com", "g/s/tea"),
        ("git@github.com:ada/tea.git", "ssh", "github.com", "ada/tea"),
        ("ssh://git@host:22/ada/tea.git/", "ssh", "host", "ada/tea"),
        ("host:tea", "ssh", "host", "tea"),
        ("/srv/git/tea.git", "file", "", "srv/git/tea"),
        ("file:///srv/git/tea.git", "file", "", "srv/git/tea"),
    ],
)
def test_addresses_are_read(url: str, scheme: str, host: str, path: str) -> None:
    found = parse_address(url)
    assert (found.scheme, found.host, found.path) == (scheme, host, path)
    assert "word" not in found.shown and "word" not in repr(found)


@pytest.mark.parametrize(
    "url",
    [
        *("ext::sh -c touch% x", "ext::sh", "fd::17", "a.b::x"),
        *("--upload-pack=touch x", "-u", "-oProxyCommand=x:y"),
        *("ssh://-oProxyCommand=x/y", "a@-oProxyCommand=x:y", "host:-x"),
        *("git://example.com/x", "ftp://example.com/x", "https://example.com", "https://:80/x"),
        *("https://exa mple.com/x", "https://example.com/a\nb", "", "x" * 3000, "tea"),
        "https://ada:a%0apassword=b@example.com/x",
        *("file://elsewhere/x", "https://[::1/x", "https://example.com:99999/x"),
    ],
)
def test_what_could_start_a_program_or_pass_for_an_option_is_refused(url: str) -> None:
    with pytest.raises(BadAddress):
        parse_address(url)


def test_the_users_own_rewriting_counts_and_the_longest_wins() -> None:
    rules = (("https://github.com/", "git@github.com:"), ("https://github.com/ada/", "mine:"))
    assert rewritten("https://github.com/eve/x", rules) == "git@github.com:eve/x"
    assert rewritten("https://github.com/ada/x", rules) == "mine:x"
    assert (
        rewritten("https://github.com/eve/x", rules, (("https:", "ssh:"),))
        == "ssh://github.com/eve/x"
    )
    assert rewritten("/srv/x", rules) == "/srv/x"


@pytest.mark.parametrize(
    ("url", "kind", "api", "name"),
    [
        ("git@github.com:ada/tea.git", "github", "https://api.github.com", "ada/tea"),
        ("ssh://git@ssh.github.com:443/ada/tea", "github", "https://api.github.com", "ada/tea"),
        ("https://github.example.com/a/b", "github", "https://github.example.com/api/v3", "a/b"),
        ("https://tea.ghe.com/a/b", "github", "https://api.tea.ghe.com", "a/b"),
        ("git@gitlab.com:g/s/tea.git", "gitlab", "https://gitlab.com/api/v4", "g/s/tea"),
        (
            "https://gitlab.example.com:8443/g/t",
            "gitlab",
            "https://gitlab.example.com:8443/api/v4",
            "g/t",
        ),
    ],
)
def test_the_remote_says_which_forge_it_is(url: str, kind: str, api: str, name: str) -> None:
    repo = repo_of(ForgeSettings(), parse_address(url))
    assert (repo.kind, repo.api, repo.name) == (kind, api, name)
    assert is_own_host(repo)


@pytest.mark.parametrize(
    "host", ["example.com", "notgithub.com", "gh-work", "codeberg.example.com"]
)
def test_a_host_that_tells_nothing_is_asked_about(host: str) -> None:
    assert kind_of(host) is None
    with pytest.raises(OrchError, match="which kind of forge"):
        repo_of(ForgeSettings(), parse_address(f"https://{host}/a/b"))
    assert repo_of(ForgeSettings(kind="gitlab"), parse_address(f"https://{host}/a/b")).host == host


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("/srv/tea.git", ForgeSettings(kind="github", url="https://github.example.com/api/v3")),
        ("https://github.com/only", ForgeSettings()),
        ("https://github.com/a/b/c", ForgeSettings()),
        ("https://github.com/../..", ForgeSettings()),
        ("https://gitlab.com/a/b?private_token=x", ForgeSettings(repository="a/../b")),
    ],
)
def test_a_repository_that_cannot_be_told_is_asked_about(url: str, settings: ForgeSettings) -> None:
    with pytest.raises(OrchError, match="repository"):
        repo_of(settings, parse_address(url))


def test_a_well_known_token_goes_to_the_remotes_own_host_and_nowhere_else() -> None:
    environ = {"GITHUB_TOKEN": "t" * 20, "MINE": "m" * 20, "PATH": ""}
    remote = parse_address("https://github.com/ada/tea")
    here = repo_of(ForgeSettings(), remote)
    found = find_token(ForgeSettings(), here, environ)
    assert found is not None and found.source == "GITHUB_TOKEN" and "tttt" not in repr(found)
    for token in (None, "GITHUB_TOKEN"):
        astray = ForgeSettings(url="https://evil.example.com/api/v3", token=token)
        with pytest.raises(OrchError, match="another server"):
            find_token(astray, repo_of(astray, remote), environ)
    own = ForgeSettings(url="https://other.example.com/api/v3", token="MINE")
    found = find_token(own, repo_of(own, remote), environ)
    assert found is not None and found.source == "MINE"


@pytest.mark.parametrize(
    ("host", "name", "home"),
    [
        ("github.evil.example.com", "GH_TOKEN", "GH_HOST"),
        ("github.example.com", "GITHUB_TOKEN", "GITHUB_SERVER_URL"),
        ("github-mirror.example.com", "GH_ENTERPRISE_TOKEN", "GH_HOST"),
        ("gitlab.evil.example.com", "GITLAB_TOKEN", "GITLAB_HOST"),
        ("gitlab.example.com", "GITLAB_TOKEN", "CI_SERVER_URL"),
    ],
)
def test_a_usual_token_is_not_given_to_whoever_calls_a_host_like_the_forge(
    host: str, name: str, home: str
) -> None:
    """Who cloned from there has not given it to them; the environment may say that it is theirs."""
    repo = repo_of(ForgeSettings(), parse_address(f"https://{host}/ada/tea"))
    environ = {name: "t" * 20, "PATH": ""}
    assert find_token(ForgeSettings(), repo, environ) is None
    with pytest.raises(OrchError, match=f"{name} is not sent to {host}") as caught:
        require_token(ForgeSettings(), repo, environ)
    assert f"={host}; or name a variable of its own" in caught.value.hint
    with pytest.raises(OrchError, match="is not sent to"):
        find_token(ForgeSettings(token=name), repo, environ)
    for said in (host, f"https://{host}", f"https://{host.upper()}:443/"):
        found = find_token(ForgeSettings(), repo, {**environ, home: said})
        assert found is not None and found.source == name
    for said in ("https://other.example.com", f"{host}.example.org", ""):
        assert find_token(ForgeSettings(), repo, {**environ, home: said}) is None


def test_the_forges_own_program_is_asked_for_what_it_keeps_and_not_for_a_variable(
    tmp_path: Path,
) -> None:
    program = tmp_path / "glab"
    program.write_text('#!/bin/sh\necho "${GITLAB_TOKEN:-kept-for-$5-of-hosts}"\n')
    program.chmod(0o755)
    repo = repo_of(ForgeSettings(), parse_address("https://gitlab.example.com/ada/tea"))
    environ = {"GITLAB_TOKEN": "t" * 20, "PATH": str(tmp_path)}
    found = find_token(ForgeSettings(), repo, environ)
    assert found is not None and found.source == "glab"
    assert found.value == "kept-for-gitlab.example.com-of-hosts"


def test_no_token_goes_without_https() -> None:
    plain = ForgeSettings(url="http://github.com/api/v3", token="MINE")
    with pytest.raises(OrchError, match="not https"):
        find_token(
            plain, repo_of(plain, parse_address("https://github.com/a/b")), {"MINE": "m" * 20}
        )
    assert is_safe_way("http://127.0.0.1:80") and not is_safe_way("http://127.0.0.1.example.com")


def test_a_token_that_is_none_is_refused_and_not_repeated() -> None:
    remote = parse_address("https://github.com/ada/tea")
    with pytest.raises(OrchError, match="holds no token") as caught:
        find_token(
            ForgeSettings(), repo_of(ForgeSettings(), remote), {"GH_TOKEN": "two words\n here"}
        )
    assert "two words" not in str(caught.value)
