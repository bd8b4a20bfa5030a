"""What web pages can do to a peer, in a real browser: other sites' nothing, a link opens it."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import BrowserContext, Page

from panal.peer import doorkeeper
from panal.peer.roles import Asker
from tests.support.another_user import NOBODY, needs_another_user, words_as
from tests.support.browser import EVIL_NAME, LAN_NAME, OUTER
from tests.support.network import Network, RunningPeer

pytestmark = pytest.mark.slow
SECRET = b"only for its owner"
ATTACKS = """
async ([peer, id]) => {
  const got = {};
  const note = async (name, work, patience_ms = 60_000) => {
    const patience = new Promise((_, fail) => setTimeout(fail, patience_ms));
    try { got[name] = String(await Promise.race([work(), patience])); }
    catch (error) { got[name] = "refused"; }
  };
  const text = async (answer) => (answer.ok ? await answer.text() : "refused");
  const form = () => {
    const data = new FormData();
    data.append("file", new Blob(["evil"]), "evil.txt");
    return data;
  };
  const json = JSON.stringify({ what: "x" });
  // Looked at together: a file that a frame asks for is saved, and nothing loads.
  const frames = [];
  const reading = ["/api/v1/status", "/api/v1/files", "/files/", "/files/kept.txt",
                   `/content/${id}`, `/content/${id}/manifest`, "/healthz"];
  for (const path of reading) {
    await note(`read ${path}`, async () => text(await fetch(peer + path)));
    await note(`read with cookies ${path}`, async () =>
      text(await fetch(peer + path, { credentials: "include" })));
    await note(`blind ${path}`, async () => {
      const answer = await fetch(peer + path, { mode: "no-cors", credentials: "include" });
      return answer.status < 400 && (await answer.text()) || "refused";
    });
    await note(`xhr ${path}`, () => new Promise((done, fail) => {
      const request = new XMLHttpRequest();
      request.open("GET", peer + path);
      request.onload = () => done(request.status < 400 ? request.responseText : "refused");
      request.onerror = fail;
      request.send();
    }));
    await note(`script ${path}`, () => new Promise((done, fail) => {
      const script = document.createElement("script");
      script.src = peer + path;
      script.onload = () => done("ran");
      script.onerror = fail;
      document.body.append(script);
    }));
    frames.push(note(`frame ${path}`, () => new Promise((done) => {
      const frame = document.createElement("iframe");
      frame.src = peer + path;
      const look = () => {
        try { done(frame.contentDocument.body.innerText.includes("urn:panal") ? "refused"
                   : frame.contentDocument.body.innerText || "refused"); }
        catch (error) { done("refused"); }
      };
      frame.onload = look;
      document.body.append(frame);
    }), 3000));
  }
  for (const mode of ["cors", "no-cors"]) {
    const options = { mode, credentials: "include" };
    await note(`${mode} form`, async () =>
      text(await fetch(peer + "/upload", { ...options, method: "POST", body: form() })));
    await note(`${mode} replacing form`, async () => text(await fetch(
      peer + "/upload?replace=true", { ...options, method: "POST", body: form() })));
    await note(`${mode} download`, async () => text(await fetch(
      peer + "/api/v1/downloads", { ...options, method: "POST", body: json })));
    await note(`${mode} link`, async () => text(await fetch(
      peer + "/api/v1/page-link", { ...options, method: "POST" })));
  }
  for (const [method, path] of [["PUT", "/upload/evil.txt"], ["DELETE", "/api/v1/files/kept.txt"],
                                ["PATCH", "/api/v1/settings"]])
    await note(`${method} ${path}`, async () =>
      text(await fetch(peer + path, { method, body: method === "DELETE" ? undefined : json })));
  navigator.sendBeacon(peer + "/upload", form());
  await note("socket", () => new Promise((done, fail) => {
    const socket = new WebSocket(peer.replace("http", "ws") + "/api/v1/status");
    socket.onopen = () => done("open");
    socket.onerror = fail;
  }));
  await note("events", () => new Promise((done, fail) => {
    const events = new EventSource(peer + "/api/v1/status");
    events.onopen = () => done("open");
    events.onerror = fail;
  }));
  for (const type of ["multipart/form-data", "text/plain", "application/x-www-form-urlencoded"])
    await note(`submit ${type}`, () => new Promise((done) => {
      const frame = document.createElement("iframe");
      frame.name = "sent" + Math.random();
      document.body.append(frame);
      const sent = document.createElement("form");
      Object.assign(sent, { method: "post", enctype: type, target: frame.name,
                            action: peer + "/upload" });
      const file = document.createElement("input");
      const chosen = new DataTransfer();
      chosen.items.add(new File(["evil"], "evil.txt"));
      Object.assign(file, { type: "file", name: "file", files: chosen.files });
      sent.append(file);
      document.body.append(sent);
      frame.onload = () => done("refused");
      sent.submit();
    }));
  await Promise.all(frames);
  return got;
}
"""


@asynccontextmanager
async def another_site(
    *lines: str, on: str = "127.0.0.1", cookies: list[str] | None = None
) -> AsyncIterator[int]:
    """The port of a site of somebody else's, which keeps the cookies that it gets."""

    async def page(request: web.Request) -> web.Response:
        if cookies is not None:
            cookies.extend(request.headers.getall("Cookie", []))
        return web.Response(text="<!doctype html>" + "".join(lines), content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, on, 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def state_of(peer: RunningPeer) -> Any:
    """All that an attack could have changed."""
    files = {path.name: path.read_bytes() for path in peer.folder.glob("[!.]*")}
    shared = (await peer.request("GET", "/api/v1/files")).json()
    settings = (await peer.request("GET", "/api/v1/settings")).json()
    return files, shared, settings, peer.node.downloads()


async def attack(page: Page, peer_url: str, content: str) -> None:
    """Every way that a page has; nothing comes back, and nothing is only half refused."""
    got: dict[str, str] = await page.evaluate(ATTACKS, [peer_url, content])
    assert len(got) > 50
    told = {name: text for name, text in got.items() if text != "refused"}
    assert told == {}


@pytest.mark.parametrize("site", [EVIL_NAME, "localhost", "127.0.0.1"])
async def test_another_site_s_page_reads_nothing_and_changes_nothing(
    site: str, network: Network, browser: BrowserContext
) -> None:
    """From another site, and from another port of this machine, a session's cookie there."""
    peer = await network.peer("one", shares_folder=False)
    content = (await peer.upload("kept.txt", SECRET))["id"]
    before = await state_of(peer)
    async with another_site() as port:
        page = await browser.new_page()
        await page.goto(await one_time_link(peer))
        await page.wait_for_url(peer.url + "/**")
        await page.get_by_text("kept.txt").wait_for()
        await page.goto(f"http://{site}:{port}/")
        await attack(page, peer.url, content)
    assert await state_of(peer) == before


async def test_a_page_that_rebinds_its_name_reads_nothing_and_changes_nothing(
    network: Network, browser: BrowserContext
) -> None:
    """Its own origin is the peer's address by now: the browser holds nothing back."""
    peer = await network.peer("one", shares_folder=False)
    content = (await peer.upload("kept.txt", SECRET))["id"]
    before = await state_of(peer)
    page = await browser.new_page()
    rebound = f"http://{EVIL_NAME}:{peer.app.port}"
    answer = await page.goto(rebound + "/files/")
    assert answer is not None
    assert answer.status == 421
    await page.route(
        "**/before", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html")
    )
    await page.goto(rebound + "/before")
    await attack(page, rebound, content)
    assert await state_of(peer) == before


@pytest_asyncio.fixture(loop_scope="session")
async def open_peer(network: Network) -> tuple[RunningPeer, str, str]:
    """A peer on every address of this machine, where it answers others, and what it shares."""
    if not OUTER:
        pytest.skip("this machine has no address but loopback")
    peer = await network.peer("one", shares_folder=False, hosts=("0.0.0.0",), open=True)
    content = (await peer.upload("kept.txt", SECRET))["id"]
    return peer, f"http://{OUTER}:{peer.app.port}", content


@pytest.mark.parametrize("site", [EVIL_NAME, LAN_NAME, "localhost", OUTER or "none"])
async def test_another_site_s_page_gets_nothing_of_an_open_peer(
    site: str, open_peer: tuple[RunningPeer, str, str], browser: BrowserContext
) -> None:
    """Whoever reaches it may fetch; a page that makes a browser ask may not, nor read it."""
    peer, outer, content = open_peer
    before = await state_of(peer)
    async with another_site(on="0.0.0.0") as port:
        page = await browser.new_page()
        await page.goto(outer + "/files/")
        assert "kept.txt" in await page.inner_text("body")
        await page.goto(f"http://{site}:{port}/")
        await attack(page, outer, content)
    assert await state_of(peer) == before


async def test_a_page_that_rebinds_its_name_to_an_open_peer_gets_nothing(
    open_peer: tuple[RunningPeer, str, str], browser: BrowserContext
) -> None:
    peer, _, content = open_peer
    before = await state_of(peer)
    page = await browser.new_page()
    rebound = f"http://{LAN_NAME}:{peer.app.port}"
    answer = await page.goto(rebound + "/files/")
    assert answer is not None
    assert answer.status == 421
    await page.route(
        "**/before", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html")
    )
    await page.goto(rebound + "/before")
    await attack(page, rebound, content)
    assert await state_of(peer) == before


async def test_the_same_attacks_succeed_on_the_peer_s_own_page(
    network: Network, browser: BrowserContext
) -> None:
    """So they are refused for where they come from, and for nothing else."""
    peer = await network.peer("one", shares_folder=False)
    content = (await peer.upload("kept.txt", SECRET))["id"]
    page = await browser.new_page()
    await page.goto(peer.url + "/files/")
    # The listing's policy lets nothing run; a page without one stands in for it.
    await page.route(
        "**/bare", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html")
    )
    await page.goto(peer.url + "/bare")
    got: dict[str, str] = await page.evaluate(ATTACKS, [peer.url, content])
    assert got["read /files/kept.txt"] == got[f"xhr /content/{content}"] == SECRET.decode()
    assert (peer.folder / "evil.txt").read_bytes() == b"evil"
    for name in ("cors form", "no-cors form", "cors link", "DELETE /api/v1/files/kept.txt"):
        assert got[name] != "refused"


async def test_a_link_from_elsewhere_opens_the_page(
    network: Network, browser: BrowserContext
) -> None:
    peer = await network.peer("one", shares_folder=False)
    await peer.upload("kept.txt", SECRET)
    async with another_site(f'<a href="{peer.url}/">a peer</a>') as port:
        page = await browser.new_page()
        await page.goto(f"http://{EVIL_NAME}:{port}/")
        await page.click("a")
        await page.wait_for_url(peer.url + "/**")
        await page.get_by_text("kept.txt").wait_for()
        assert await page.evaluate("window.opener") is None


async def one_time_link(peer: RunningPeer) -> str:
    answer = await peer.request("POST", "/api/v1/page-link")
    return str(answer.json()["url"])


async def test_a_one_time_link_lets_another_user_s_browser_in(
    network: Network, browser: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await network.peer("one", shares_folder=False)
    await peer.upload("kept.txt", SECRET)
    link = await one_time_link(peer)
    another = Asker(on_loopback=True, place=f"user {os.getuid()}")  # not the peer's
    monkeypatch.setattr(doorkeeper, "_facts", lambda _: another)
    page = await browser.new_page()
    refused = await page.goto(peer.url + "/files/")
    assert refused is not None
    assert refused.status == 403
    await page.goto(link)
    await page.wait_for_url(peer.url + "/**")
    await page.get_by_text("kept.txt").wait_for()
    assert await page.evaluate("document.cookie") == ""
    let_in = await page.goto(peer.url + "/api/v1/status")
    assert let_in is not None
    assert let_in.status == 200
    await page.goto("about:blank")
    await page.goto(link)
    await page.wait_for_selector("text=panal page")
    assert "#" not in page.url


ASK = """
import sys, urllib.request, urllib.error
fields = {"Cookie": sys.stdin.read()}
try: print(urllib.request.urlopen(urllib.request.Request(sys.argv[1], None, fields)).status)
except urllib.error.HTTPError as error: print(error.code)
"""


@needs_another_user
async def test_a_session_s_cookie_is_of_no_use_to_whom_a_browser_shows_it(
    network: Network, browser: BrowserContext
) -> None:
    """Another user's server on another port of the same host gets the cookie: no more."""
    peer = await network.peer("one", shares_folder=False)
    cookies: list[str] = []
    page = await browser.new_page()
    await page.goto(await one_time_link(peer))
    await page.wait_for_url(peer.url + "/")
    async with another_site(cookies=cookies) as port:
        await page.goto(f"http://127.0.0.1:{port}/")
    assert [cookie.partition("=")[0] for cookie in cookies] == [f"panal-{peer.app.port}"]

    def ask(uid: int) -> str:
        words = words_as(uid, ASK, peer.url + "/api/v1/status")
        done = subprocess.run(words, input=cookies[0], capture_output=True, text=True, cwd="/")
        return done.stdout.strip() or done.stderr

    assert await asyncio.to_thread(ask, NOBODY) == "403"
    still = await page.goto(peer.url + "/api/v1/status")
    assert still is not None
    assert still.status == 200
