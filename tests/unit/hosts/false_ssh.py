"""A program in the place of ssh, behind which a host answers as it likes.

Started by Ansible with the arguments of ssh. Behind it nobody runs what was asked for.
"""

import os
import sys
import time
from pathlib import Path

_BLOCK = 1 << 20


def main(folder: Path, arguments: list[str]) -> int:
    """Answer as the file of the host says: its first line is what to do, the rest what to say."""
    *_, host, command = arguments
    deed, _, words = (folder / host).read_bytes().partition(b"\n")
    while os.read(0, _BLOCK):
        pass
    if "\ntell_owner()\n" in command:
        # Whose it is comes before any bundle.
        say(1, b"\nPROVISIONER-OWNER nothing\n")
        return 0
    match deed:
        case b"say":
            say(1, words)
        case b"flood" | b"flood complaints":
            flood(1 if deed == b"flood" else 2, words)
        case b"drip":
            while True:
                say(1, words)
                time.sleep(0.05)
        case b"leave":
            say(1, words)
            if os.fork() == 0:
                time.sleep(600)
        case b"hang":
            time.sleep(600)
    return 0


def say(stream: int, words: bytes) -> None:
    """Write all of it."""
    while words:
        words = words[os.write(stream, words) :]


def flood(stream: int, words: bytes) -> None:
    """Write the same for ever."""
    block = words * (_BLOCK // len(words))
    while True:
        say(stream, block)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
