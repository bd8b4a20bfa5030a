"""Words to exit codes, settings in their order, and nothing heavy for a mere --help."""

import asyncio
import inspect
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from panal.cli.main import main, panal
from panal.errors import PanalError, by_slug
from panal.trust.certificates import Authority
from tests.support.network import Network


def exit_code(*words: str) -> int:
    try:
        main(list(words))
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["version"], 0),
        (["--help"], 0),
        (["get", "--help"], 0),
        (["nonsense"], 2),
        (["peer", "peer_1"], 2),
        (["peer", "peer_1", "port", "x"], 2),
        (["peer", "peer_1", "70000", "x"], 2),
        (["peer", "-bad name-", "0", "x"], 2),
        (["get", "sha256:zz"], 2),
        (["get", "panal:zz"], 2),
        (["get", "x", "--into", __file__], 2),
        (["search", "--tracker", "nowhere"], 2),
        (["search", "--limit", "0"], 2),
        (["tracker", "--listen", "50051"], 2),
        (["tracker", "--open", "--network"], 2),
        (["peer", "p", "0", "x", "--join", "panal-join:secret"], 2),
        (["peer", "p", "0", "x", "--join", "join.txt"], 2),
        (["peer", "p", "0", "x", "--join", "@no-such-file"], 2),
        (["peer", "p", "0", "x", "--join", f"@{__file__}"], 2),
        (["get", "x", "--join", "panal-join:secret"], 2),
        (["network", "--state", "nowhere"], 3),
        (["network", "join-line", "--state", "nowhere"], 3),
        (["network", "join-line", "--for", "forever"], 2),
        (["network", "join-line", "--uses", "0"], 2),
        (["network", "join-line", "--address", "nowhere"], 2),
        (["network", "revoke"], 2),
        (["network", "remove", "x", "--state", "nowhere"], 3),
        (["peer", "p", "0", "x", "--host", "0.0.0.0"], 7),
        (["peer", "p", "0", "/"], 7),
        (["peer", "p", "0", "~"], 7),
        (["search", "x", "--tracker", "127.0.0.1:1"], 4),
        (["peers", "--tracker", "127.0.0.1:1"], 4),
        (["get", "x", "--peer", "http://127.0.0.1:1"], 4),
        (["get", "x", "--peer", "ftp://x"], 2),
        (["get", "x", "--dry-run", "--tracker", "127.0.0.1:1"], 4),
        (["get", "x", "--dry-run", "--into", __file__], 2),
        (["ls", "--peer", "http://127.0.0.1:1"], 4),
        (["ls", "--peer", "127.0.0.1:5000"], 2),
        (["ls", "extra"], 2),
        (["add"], 2),
        (["add", "no-such-file"], 2),
        (["add", __file__, "--peer", "http://127.0.0.1:1"], 4),
        (["unshare"], 2),
        (["unshare", "x", "--peer", "http://127.0.0.1:1"], 4),
        (["verify", "--peer", "http://127.0.0.1:1"], 4),
        (["downloads", "--peer", "http://127.0.0.1:1"], 4),
        (["downloads", "list", "--peer", "http://127.0.0.1:1"], 4),
        (["downloads", "pause"], 2),
        (["downloads", "nonsense"], 2),
        (["downloads", "priority", "x", "y"], 2),
        (["downloads", "priority", "1001", "y"], 2),
        (["downloads", "--peer", "http://127.0.0.1:1", "list"], 2),
        (["doctor", "--name", "-bad-"], 2),
        (["config", "nonsense"], 2),
        (["completion", "tcsh"], 2),
    ],
)
def test_exit_codes(
    words: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert exit_code(*(str(Path.home()) if word == "~" else word for word in words)) == code
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    assert bool(shown.err) == (code != 0)


def test_a_failure_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("search", "--json", "--tracker", "127.0.0.1:1") == 4
    body = json.loads(capsys.readouterr().out)
    assert (body["type"], body["exit_code"]) == ("urn:panal:error:unreachable", 4)
    assert body["title"] == "The tracker or a peer does not answer."
    assert "127.0.0.1:1" in body["detail"]


def test_a_usage_error_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("search", "--json", "--limit", "x") == 2
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2


def test_settings_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Flags, then environment, then the file, then what is built in."""
    config = tmp_path / "config" / "panal" / "config.toml"
    config.parent.mkdir(parents=True)

    def asked(*words: str) -> str:
        assert exit_code("search", *words) == 4
        return capsys.readouterr().err

    config.write_text('tracker = ["127.0.0.1:3"]')
    assert "127.0.0.1:3" in asked()
    config.write_text('tracker = ["127.0.0.1:3"]\n[search]\ntracker = ["127.0.0.1:4"]')
    assert "127.0.0.1:4" in asked()
    monkeypatch.setenv("PANAL_TRACKER", "127.0.0.1:5")
    assert "127.0.0.1:5" in asked()
    assert "127.0.0.1:6" in asked("--tracker", "127.0.0.1:6")


def test_a_settings_file_that_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("tracker = ")
    assert exit_code("--config", str(broken), "peers") == 2
    assert "broken.toml" in capsys.readouterr().err
    assert exit_code("--config", str(tmp_path / "missing.toml"), "peers") == 2


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from panal.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('grpc', 'aiohttp', 'rich', 'asyncio', 'msgspec') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_get_loads_neither_a_tracker_nor_what_draws() -> None:
    code = (
        "import sys, panal.cli.main, panal.cli.getting; "
        "print([m for m in ('panal.tracker', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_a_get_without_a_network_loads_no_cryptography(
    network: Network, tmp_path: Path
) -> None:
    source = await network.peer("source")
    link = (await source.upload("x", b"1"))["link"]
    code = (
        "import sys; from panal.cli.main import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print([m for m in ('cryptography', 'segno', 'panal.tracker') if m in sys.modules])"
    )
    words = ["get", link, "--into", str(tmp_path / "got"), "--tracker", network.tracker_address]
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, *words, stdout=subprocess.PIPE
    )
    said, _ = await done.communicate()
    assert (tmp_path / "got" / "x").read_bytes() == b"1"
    assert said.decode().splitlines()[-1] == "[]"


@pytest.mark.parametrize(("words", "code"), [(["version"], 0), (["nonsense"], 2), (["ls"], 4)])
def test_the_program_says_all_and_ends_with_its_code(words: list[str], code: int) -> None:
    command = [sys.executable, "-m", "panal", *words]
    if words == ["ls"]:
        command += ["--peer", "http://127.0.0.1:1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code
    assert (done.stdout or done.stderr).startswith(("panal", "Usage"))


def test_the_program_waits_for_threads_that_still_work() -> None:
    code = (
        "import threading\n"
        "from panal.cli import main\n"
        "def work(): threading.main_thread().join(); print('done')\n"
        "main.main = lambda: threading.Thread(target=work).start()\n"
        "main.program()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_the_program_reads_no_authorities_wherever_they_are(tmp_path: Path) -> None:
    _, authority = Authority.made(time.time())
    (tmp_path / "authorities").write_bytes(authority)
    code = (
        "import ssl\n"
        "from panal.cli import main\n"
        "def work(): print(ssl.create_default_context().cert_store_stats()['x509'])\n"
        "main.main = work\n"
        "main.program()\n"
    )
    environment = {**os.environ, "SSL_CERT_FILE": str(tmp_path / "authorities")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (0, "0\n")


def every_command(group: click.Group, above: str = "panal") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{above} {name}", command
        if isinstance(command, click.Group):
            yield from every_command(command, f"{above} {name}")


def test_every_option_says_what_it_does() -> None:
    silent = [
        f"{name} {option.opts[-1]}"
        for name, command in every_command(panal)
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert silent == []
    assert all(command.help for _, command in every_command(panal))


def test_every_command_shows_examples() -> None:
    """Those below `downloads` stand in the help of `downloads`."""
    simple = {"panal version", "panal completion"}
    without = [
        name
        for name, command in every_command(panal)
        if name.count(" ") == 1 and f"\b\n{name}" not in inspect.cleandoc(command.help or "")
    ]
    assert set(without) == simple


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_command(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("completion", shell) == 0
    assert f"_PANAL_COMPLETE={shell}_complete" in capsys.readouterr().out


def every_error() -> list[type[PanalError]]:
    found = [PanalError]
    for kind in found:
        found += kind.__subclasses__()
    return found


def test_each_error_has_its_own_word_and_a_known_exit_code() -> None:
    slugs = [kind.slug for kind in every_error()]
    assert len(slugs) == len(set(slugs))
    assert {kind.exit_code for kind in every_error()} == {1, 2, 3, 4, 5, 6, 7}
    for kind in every_error():
        assert type(by_slug(kind.slug, "text")) is kind
    assert type(by_slug("unheard-of", "text")) is PanalError
