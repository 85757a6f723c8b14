import functools
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from secateur.errors import InputError, OfflineError
from secateur.identity import git_blob_id
from secateur.items import FileState, find_bbq, get_bbq, load_bbq, verify_bbq
from secateur.items.bbq_roles import RULES
from secateur.items.bbq_source import METADATA, PUBLISHED, Release, cache_folder, download

FILES = {"data/One.jsonl": b'{"a": 1}\n', METADATA: b"category\n\r\n\x00"}


class _Handler(SimpleHTTPRequestHandler):
    asked: list[str]

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *args):
        pass


class Server:
    """A server on this machine that counts what it is asked for."""

    def __init__(self, root):
        self.root = root
        self.asked = []
        handler = functools.partial(type("Handler", (_Handler,), {"asked": self.asked}), directory=root)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.release = Release(
            url=f"http://127.0.0.1:{self._server.server_port}/repo",
            commit="c0ffee",
            blobs={path: git_blob_id(content) for path, content in FILES.items()},
        )
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server(tmp_path):
    root = tmp_path / "server"
    for path, content in FILES.items():
        file = root / "repo" / "c0ffee" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    server = Server(root)
    yield server
    server.stop()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def no_fetch(address):
    raise AssertionError(f"network call to {address}")


# --- get ------------------------------------------------------------------------------------------


def test_get_downloads_every_file_and_verifies_it(server, cache):
    said = []
    folder = get_bbq(cache, offline=False, release=server.release, say=said.append)
    assert folder == cache / "bbq" / "c0ffee"
    assert {path: (folder / path).read_bytes() for path in FILES} == FILES
    assert set(verify_bbq(folder, release=server.release).values()) == {FileState.VERIFIED}
    assert said == [f"downloading {server.release.address(path)}" for path in FILES]
    assert server.asked == [f"/repo/c0ffee/{path}" for path in FILES]
    assert sorted(p for p in folder.rglob("*") if p.is_file()) == sorted(folder / path for path in FILES)


def test_get_fetches_only_what_is_missing_and_replaces_what_differs(server, cache, capsys):
    folder = get_bbq(cache, offline=False, release=server.release)
    (folder / METADATA).write_text("something else")
    server.asked.clear()
    capsys.readouterr()
    get_bbq(cache, offline=False, release=server.release)
    assert server.asked == [f"/repo/c0ffee/{METADATA}"]
    assert (folder / METADATA).read_bytes() == FILES[METADATA]
    replaced, downloading = capsys.readouterr().err.splitlines()
    assert replaced == f"{folder / METADATA} is not the published file and is replaced"
    assert downloading == f"downloading {server.release.address(METADATA)}"
    assert get_bbq(cache, offline=False, release=server.release, fetch=no_fetch) == folder


def test_content_that_is_not_the_published_one_is_not_kept(server, cache):
    (server.root / "repo" / "c0ffee" / METADATA).write_bytes(b"changed")
    with pytest.raises(InputError) as caught:
        get_bbq(cache, offline=False, release=server.release, say=lambda line: None)
    assert str(caught.value) == (
        "A downloaded file is not the published one; it was not kept.\n"
        f"  where:   {server.release.address(METADATA)}\n"
        f"  allowed: git blob {git_blob_id(FILES[METADATA])}\n"
        f"  got:     git blob {git_blob_id(b'changed')} (7 bytes)\n"
        "  next:    try again; if it stays, something between here and there changes the file"
    )
    folder = server.release.folder(cache)
    assert [p for p in folder.rglob("*") if p.is_file()] == [folder / "data" / "One.jsonl"]


def test_a_download_that_breaks_off_leaves_nothing(server, cache):
    def half(address):
        if address.endswith("csv"):
            raise OfflineError("A file could not be downloaded.", where=address, got="reset")
        return FILES["data/One.jsonl"]

    with pytest.raises(OfflineError):
        get_bbq(cache, offline=False, release=server.release, fetch=half, say=lambda line: None)
    states = verify_bbq(server.release.folder(cache), release=server.release)
    assert states == {"data/One.jsonl": FileState.VERIFIED, METADATA: FileState.MISSING}


def test_offline_makes_no_call(server, cache):
    folder = server.release.folder(cache)
    with pytest.raises(OfflineError) as caught:
        get_bbq(cache, offline=True, release=server.release, fetch=no_fetch)
    assert str(caught.value) == (
        "BBQ is not complete in the cache, and the network is forbidden.\n"
        f"  where:   {folder}\n"
        f"  got:     data/One.jsonl missing, {METADATA} missing\n"
        "  next:    run `secateur data get bbq` once without --offline, or give a folder that holds BBQ"
    )
    assert not cache.exists()
    get_bbq(cache, offline=False, release=server.release, say=lambda line: None)
    assert get_bbq(cache, offline=True, release=server.release, fetch=no_fetch) == folder
    (folder / METADATA).write_text("something else")
    with pytest.raises(OfflineError, match=f"got:     {METADATA} different"):
        get_bbq(cache, offline=True, release=server.release, fetch=no_fetch)


def test_an_address_that_is_not_there_names_address_and_cause(server):
    address = server.release.address("data/Two.jsonl")
    with pytest.raises(OfflineError) as caught:
        download(address)
    assert str(caught.value) == (
        "A file could not be downloaded.\n"
        f"  where:   {address}\n"
        "  got:     HTTP Error 404: File not found\n"
        "  next:    check the connection and run the same command again; files that came are kept"
    )


def test_no_server_names_address_and_cause(server):
    server.stop()
    with pytest.raises(OfflineError, match=r"where:   http://127\.0\.0\.1:\d+/x\n  got:     .*refused"):
        download(server.release.url.removesuffix("/repo") + "/x")
    server.stop = lambda: None


# --- find -----------------------------------------------------------------------------------------


def test_an_explicit_folder_wins_over_the_variable_and_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SECATEUR_BBQ", str(tmp_path / "missing"))
    assert find_bbq(tmp_path) == tmp_path
    monkeypatch.setenv("SECATEUR_BBQ", str(tmp_path))
    assert find_bbq(None) == tmp_path


def test_a_folder_may_begin_with_a_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "BBQ").mkdir()
    assert find_bbq(Path("~/BBQ")) == tmp_path / "BBQ"
    monkeypatch.setenv("SECATEUR_BBQ", "~/BBQ")
    assert find_bbq(None) == tmp_path / "BBQ"
    with pytest.raises(InputError, match="A folder's name cannot be read"):
        find_bbq(Path("~nobody-here/BBQ"))


@pytest.mark.parametrize("given", [True, False])
def test_a_folder_that_is_not_there_says_who_named_it(tmp_path, monkeypatch, given):
    missing = tmp_path / "missing"
    monkeypatch.setenv("SECATEUR_BBQ", str(missing))
    with pytest.raises(InputError) as caught:
        find_bbq(missing if given else None)
    assert str(caught.value) == (
        "There is no folder to read BBQ from.\n"
        f"  where:   {'the folder given' if given else 'the environment variable SECATEUR_BBQ'}\n"
        "  allowed: a folder laid out like the repository nyu-mll/BBQ (data/*.jsonl)\n"
        f"  got:     {missing}\n"
        "  next:    correct it, or leave it out and run `secateur data get bbq`"
    )


def test_nothing_anywhere_says_all_three_ways(tmp_path, monkeypatch):
    monkeypatch.setenv("SECATEUR_CACHE", str(tmp_path))
    monkeypatch.setenv("SECATEUR_BBQ", "")
    with pytest.raises(InputError) as caught:
        load_bbq()
    folder = tmp_path / "bbq" / PUBLISHED.commit
    assert str(caught.value) == (
        "BBQ was not found.\n"
        f"  where:   no folder given, SECATEUR_BBQ not set, nothing in the cache ({folder})\n"
        "  allowed: a folder laid out like the repository nyu-mll/BBQ (data/*.jsonl)\n"
        "  next:    run `secateur data get bbq`, or give the folder, or set SECATEUR_BBQ to it"
    )


def test_the_cache_is_verified_before_use(server, tmp_path, monkeypatch):
    monkeypatch.setenv("SECATEUR_CACHE", str(tmp_path / "cache"))
    folder = get_bbq(cache_folder(), offline=False, release=server.release, say=lambda line: None)
    assert find_bbq(None, release=server.release) == folder
    (folder / METADATA).write_text("something else")
    (folder / "data" / "One.jsonl").unlink()
    with pytest.raises(InputError) as caught:
        find_bbq(None, release=server.release)
    assert str(caught.value) == (
        "The cached BBQ is not the published one.\n"
        f"  where:   {folder}\n"
        f"  got:     data/One.jsonl missing, {METADATA} different\n"
        "  next:    run `secateur data get bbq`; it fetches only these files"
    )


def test_the_cache_folder_follows_the_system(monkeypatch):
    for name in ("SECATEUR_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: Path("home"))
    monkeypatch.setenv("LOCALAPPDATA", "local")
    places = {}
    for platform in ("linux", "darwin", "win32"):
        monkeypatch.setattr(sys, "platform", platform)
        places[platform] = cache_folder()
    assert places == {
        "linux": Path("home/.cache/secateur"),
        "darwin": Path("home/Library/Caches/secateur"),
        "win32": Path("local/secateur"),
    }
    monkeypatch.setenv("XDG_CACHE_HOME", "xdg")
    assert cache_folder() == Path("xdg/secateur")
    monkeypatch.setenv("SECATEUR_CACHE", "own")
    assert cache_folder() == Path("own")


# --- the published release ------------------------------------------------------------------------


def test_the_published_release_has_every_category_and_the_metadata():
    assert set(PUBLISHED.blobs) == {METADATA, *(f"data/{category}.jsonl" for category in RULES)}
    assert all(len(blob) == 40 for blob in PUBLISHED.blobs.values())
    assert PUBLISHED.address("data/Age.jsonl") == (
        "https://raw.githubusercontent.com/nyu-mll/BBQ/bea11bd97d79217245b5871acd247b9d6eb24598/data/Age.jsonl"
    )
