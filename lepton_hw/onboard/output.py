"""What ``driver.py`` reads and prints: images and codes in, labels and codes out, as text or JSON.

It computes nothing.
"""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError

if TYPE_CHECKING:
    from .accelerator import Accelerator
    from .images import Classified

STDIN = "-"
#: Bytes of the largest file that is read from standard input.
MOST = 1 << 30


def classify(accelerator: Accelerator, image: str, as_json: bool) -> str:
    """The five best labels of an image file, or of one from standard input (``-``)."""
    source: Any = io.BytesIO(read_stdin()) if image == STDIN else image
    found: Classified = accelerator.classify(source)
    if not as_json:
        return "\n".join(f"{score:10.4f}  {label}" for label, score in found.ranking[:5])
    values = {
        "image": image,
        "label": found.label,
        "class_index": found.class_index,
        "ranking": [[label, score] for label, score in found.ranking],
        "codes": np.asarray(found.codes).tolist(),
    }
    return json.dumps(values)


def infer(accelerator: Accelerator) -> bytes:
    """Codes as a ``.npy`` file on standard input → output codes as a ``.npy`` file."""
    answer = io.BytesIO()
    np.save(answer, accelerator.infer(codes()), allow_pickle=False)
    return answer.getvalue()


def codes() -> Any:
    """Codes as a ``.npy`` file on standard input."""
    try:
        return np.load(io.BytesIO(read_stdin()), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise InputError(
            f"standard input is no .npy file ({error})",
            "codes as numpy.save writes them",
            "send it",
        ) from None


def read_stdin() -> bytes:
    """All of standard input; raises `InputError` beyond `MOST`."""
    content = sys.stdin.buffer.read(MOST + 1)
    if len(content) > MOST:
        raise InputError(f"more than {MOST:,} bytes of input", "fewer", "send it in parts")
    return content
