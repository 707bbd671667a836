"""Fetching one file of known content from the first of several mirrors that has it.

Two environment variables are heard: ``TINYCONV_MIRROR``, the address of a folder that is asked
before all others, and ``TINYCONV_OFFLINE=1``, which forbids the network.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pooch

__all__ = ["ANY", "fetch", "md5"]

ANY = "sha256:"  # the checksum of a file that may contain anything
RETRIES = 1  # a second try per mirror, for connections that broke
TIMEOUT = 30  # seconds of silence until a mirror counts as dead


def md5(content: bytes) -> str:
    """Return the MD5 sum of ``content`` in hex: against accidents, not against attackers.

    >>> md5(b"")
    'd41d8cd98f00b204e9800998ecf8427e'
    """
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _is(path: str | Path, checksum: str) -> bool:
    kind, _, digits = checksum.rpartition(":")
    return pooch.file_hash(str(path), alg=kind or "md5").startswith(digits)


def _named(checksum: str) -> str:
    kind, _, digits = checksum.rpartition(":")
    return f"{(kind or 'md5').upper()} {digits}"


def fetch(
    filename: str,
    checksum: str,
    mirrors: Iterable[str],
    folder: str | Path,
    progress: bool = True,
) -> Path:
    """Bring a file into a folder, unless it lies there already, and return its path.

    Mirrors are asked in order until one delivers the right content; the file appears under its
    name only when complete and verified.

    Args:
        filename: name of the file in ``folder``
        checksum: MD5 sum of its content, in hex; or ``"sha256:"`` and the first digits of that sum
        mirrors: full addresses of the file, the best first
        folder: created where missing
        progress: show how far the download is

    Raises:
        RuntimeError: no mirror delivered the file; the message tells what each said
    """
    target = Path(folder).expanduser() / filename
    if target.is_file() and _is(target, checksum):
        return target
    urls = list(mirrors)
    if prefix := os.environ.get("TINYCONV_MIRROR"):
        urls.insert(0, f"{prefix.rstrip('/')}/{filename}")
    if os.environ.get("TINYCONV_OFFLINE", "0") not in ("", "0"):
        raise RuntimeError(
            f"Error downloading {filename}: TINYCONV_OFFLINE is set, so the network is not used\n"
            + _by_hand(target, checksum, urls)
        )
    said = []
    for left, url in zip(reversed(range(len(urls))), urls, strict=True):
        try:
            _from(url, target, checksum, progress)
            return target
        except (ValueError, OSError) as error:  # a wrong checksum; HTTP, network and disk
            said.append(f"{url}: {_reason(error)}")
            more = "; trying the next mirror" if left else ""
            print(f"{said[-1]}{more}", file=sys.stderr)
    raise RuntimeError(
        "\n".join([f"Error downloading {filename}:", *_indented(said)])
        + "\n"
        + _by_hand(target, checksum, urls)
    )


def _from(url: str, target: Path, checksum: str, progress: bool) -> None:
    """Download one address to ``target``: atomic, verified, with a progress bar."""
    http = pooch.HTTPDownloader(
        progressbar=progress,
        chunk_size=1 << 16,
        timeout=TIMEOUT,
        # "identity": else some servers call a .gz compressed text, to be unpacked on the way.
        headers={"Accept-Encoding": "identity", "User-Agent": "tinyconv"},
    )

    def verified(url: str, file: str, pooch: Any) -> None:
        http(url, file, pooch)
        if not _is(file, checksum):
            raise ValueError(f"the hash of what came is not {_named(checksum)}")

    one_file = pooch.create(
        path=target.parent,
        base_url="",
        registry={target.name: None},  # pooch compares whole sums only: `verified` does it
        urls={target.name: url},
        retry_if_failed=RETRIES,
    )
    target.unlink(missing_ok=True)  # of another content, or pooch would leave it
    one_file.fetch(target.name, downloader=verified)


def _reason(error: Exception) -> str:
    sentence = str(error).partition("\n")[0].partition(". ")[0]
    return f"{type(error).__name__}: {sentence}"


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _by_hand(target: Path, checksum: str, urls: list[str]) -> str:
    lines = [
        f"Place the file by hand at {target} ({_named(checksum)}); it is published at",
        *_indented(urls),
    ]
    return "\n".join([*lines, "or name a folder that has it: TINYCONV_MIRROR=http://host/folder"])
