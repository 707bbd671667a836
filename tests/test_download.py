"""Downloads from mirrors, against a server on this machine: no test here needs a network."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tiny_datasets import tiny_cifar, tiny_mnist

from tinyconv.vision import datasets, download

CONTENT = bytes(range(256)) * 700  # several chunks
MD5 = hashlib.md5(CONTENT).hexdigest()
NAME = "file.bin"


class Server(ThreadingHTTPServer):
    """Serves /good/..., damages /bad/..., fails /flaky/... once and knows nothing else."""

    daemon_threads = True

    def __init__(self):
        self.content = {NAME: CONTENT}
        self.asked = []
        super().__init__(("127.0.0.1", 0), Handler)

    def url(self, folder, name=NAME):
        return f"http://127.0.0.1:{self.server_port}/{folder}/{name}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        _, folder, name = self.path.partition("?")[0].split("/")
        first = Counter(self.server.asked)[self.path] == 1
        content = self.server.content.get(name)
        if content is None or folder == "missing" or (folder == "flaky" and first):
            self.send_error(404)
            return
        if folder == "bad":
            content = b"<html>so sorry</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "RETRIES", 0)
    for name in ("TINYCONV_MIRROR", "TINYCONV_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("folders", "asked"),
    [
        (["good", "missing"], ["good"]),
        (["missing", "good"], ["missing", "good"]),
        (["bad", "missing", "good", "bad"], ["bad", "missing", "good"]),
    ],
)
def test_first_mirror_that_has_it(server, tmp_path, capsys, folders, asked):
    path = download.fetch(NAME, MD5, [server.url(f) for f in folders], tmp_path / "new")
    assert path == tmp_path / "new" / NAME
    assert path.read_bytes() == CONTENT
    assert server.asked == [f"/{folder}/{NAME}" for folder in asked]
    err = capsys.readouterr().err
    notices = [line for line in err.splitlines() if "next mirror" in line]
    assert [line.split(": ")[0] for line in notices] == [server.url(f) for f in asked[:-1]]
    assert list(path.parent.iterdir()) == [path]  # no leftovers


def test_query_in_the_address(server, tmp_path):
    path = download.fetch(NAME, MD5, [server.url("good") + "?download=1"], tmp_path)
    assert path.name == NAME
    assert server.asked == [f"/good/{NAME}?download=1"]


def test_every_mirror_fails(server, tmp_path):
    urls = [server.url("missing"), server.url("bad"), "http://127.0.0.1:9/closed"]
    with pytest.raises(RuntimeError, match=f"^Error downloading {NAME}:") as caught:
        download.fetch(NAME, MD5, urls, tmp_path)
    message = str(caught.value)
    for url, reason in zip(urls, ["404", "hash", "ConnectionError"], strict=True):
        line = next(line for line in message.splitlines() if line.strip().startswith(url))
        assert reason in line
    assert str(tmp_path / NAME) in message  # where to place it by hand,
    assert MD5 in message  # and how to know it
    assert list(tmp_path.iterdir()) == []


def test_a_good_file_is_kept_and_a_bad_one_replaced(server, tmp_path):
    target = tmp_path / NAME
    target.write_bytes(b"half a fi")
    download.fetch(NAME, MD5, [server.url("good")], tmp_path)
    assert target.read_bytes() == CONTENT
    assert download.fetch(NAME, MD5, [], tmp_path) == target
    assert len(server.asked) == 1


def test_a_second_try(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "RETRIES", 1)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    download.fetch(NAME, MD5, [server.url("flaky")], tmp_path)
    assert server.asked == [f"/flaky/{NAME}"] * 2


@pytest.mark.parametrize("slash", ["", "/"])
def test_mirror_of_the_environment_comes_first(server, tmp_path, monkeypatch, slash):
    monkeypatch.setenv("TINYCONV_MIRROR", server.url("good", "").rstrip("/") + slash)
    download.fetch(NAME, MD5, [server.url("bad")], tmp_path)
    assert server.asked == [f"/good/{NAME}"]


def test_offline(server, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYCONV_OFFLINE", "1")
    url = server.url("good")
    with pytest.raises(RuntimeError, match=r"TINYCONV_OFFLINE is set(.|\n)*" + url):
        download.fetch(NAME, MD5, [url], tmp_path)
    assert server.asked == []
    monkeypatch.setenv("TINYCONV_OFFLINE", "0")
    path = download.fetch(NAME, MD5, [url], tmp_path)
    monkeypatch.setenv("TINYCONV_OFFLINE", "1")
    assert download.fetch(NAME, MD5, [url], tmp_path) == path  # what is there may be used


# ---- data sets -----------------------------------------------------------------------------------


def test_cifar_unpacks_its_archive(server, tmp_path):
    source = tmp_path / "source"
    tiny = tiny_cifar(source)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        tar.add(source / tiny.base_folder, tiny.base_folder)
        for evil in ("../../evil", "/tmp/evil", "cifar-10-batches-py/readme.html"):
            member = tarfile.TarInfo(evil)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"evil"))
    archive = server.content[tiny.filename] = stream.getvalue()
    tiny.tgz_md5 = hashlib.md5(archive).hexdigest()
    tiny.mirrors = [server.url("bad", tiny.filename), server.url("good", tiny.filename)]

    root = tmp_path / "a" / "root"
    with pytest.raises(RuntimeError, match="download=True"):
        tiny(root)
    assert len(tiny(root, download=True)) == 20
    files = {path.name for path in (root / tiny.base_folder).iterdir()}
    assert files == {*tiny.train_list, *tiny.test_list, *tiny.meta}
    assert sorted(path.name for path in root.iterdir()) == [tiny.base_folder, tiny.filename]
    asked = len(server.asked)
    tiny(root, train=False, download=True)  # all is there
    (root / tiny.base_folder / "test_batch").write_bytes(b"damaged")
    assert len(tiny(root, train=False, download=True)) == 5  # mended from the archive
    assert len(server.asked) == asked


def test_mnist_fetches_four_files(server, tmp_path):
    source = tmp_path / "source"
    tiny = tiny_mnist(source)
    server.content |= {path.name: path.read_bytes() for path in source.glob("*/raw/*")}
    tiny.mirrors = [server.url("missing", ""), server.url("good", "")]
    assert len(tiny(tmp_path / "root", download=True)) == 12
    names = [*tiny.train_list, *tiny.test_list]
    assert sorted(p.name for p in (tmp_path / "root" / tiny.__name__ / "raw").iterdir()) == sorted(
        names
    )
    assert len(server.asked) == 8
    tiny(tmp_path / "root", train=False, download=True)
    assert len(server.asked) == 8


def test_published_addresses():
    """The lists are complete: every file has a sum and every set an https or http address."""
    for kind in (datasets.CIFAR10, datasets.CIFAR100, datasets.MNIST, datasets.FashionMNIST):
        sums = [*kind.train_list.values(), *kind.test_list.values()]
        assert all(len(s) == 32 and int(s, 16) for s in sums)
        assert all(url.startswith(("https://", "http://")) for url in kind.mirrors)
    assert datasets.CIFAR10.mirrors[-1].startswith("https://www.cs.toronto.edu/")
