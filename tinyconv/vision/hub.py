"""Weights that others have published, fetched once and kept where PyTorch keeps them too.

The folder is ``$TORCH_HOME/hub/checkpoints``, or that in ``~/.cache/torch`` where ``TORCH_HOME`` is
not set. What lies there is taken as it is.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from ..serialization import load
from . import download

__all__ = ["get_dir", "load_state_dict_from_url"]


def get_dir() -> str:
    """Return the folder of all that is fetched."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return os.path.join(os.path.expanduser(home), "hub")


def load_state_dict_from_url(
    url: str,
    model_dir: str | Path | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> Any:
    """Read a file of tensors, which is fetched first unless it was before.

    Args:
        url: its address
        model_dir: where to keep it; by default ``checkpoints`` in :func:`get_dir`
        map_location: the device of the tensors, as for :func:`tinyconv.load`
        progress: show how far the download is
        check_hash: the name of the file ends in ``-`` and the first digits of the SHA-256 sum of
            its content, which must be right
        file_name: another name than that in the address
        weights_only: nothing but data is ever loaded, whatever this says

    Raises:
        RuntimeError: the file cannot be had; the message tells why, and how to place it by hand
    """
    folder = Path(os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir)
    name = file_name or os.path.basename(urlparse(url).path)
    target = folder / name
    if not target.exists():
        print(f'Downloading: "{url}" to {target}')
        digits = re.search(r"-([a-f0-9]*)\.", name) if check_hash else None
        checksum = f"sha256:{digits[1]}" if digits else download.ANY
        download.fetch(name, checksum, [url], folder, progress)
    return load(target, map_location)
