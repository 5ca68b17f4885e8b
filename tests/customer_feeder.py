"""A process that stores batches through the writer and says of each when it is durable.

Run with the path of a project file; reads `number<TAB>batch` lines, writes the number of each that
was acknowledged. It is killed in the middle of it.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from features.project import load_project
from serving.customers.store import CustomerStore
from serving.customers.writer import Writer


def main() -> None:
    store = CustomerStore.open(load_project(Path(sys.argv[1])))
    writer, reader = Writer(store, 100_000), store.settings.make_reader()
    received_at, lock = 1_790_000_000_000_000, threading.Lock()

    def read(content: bytes) -> object:
        return reader.read(content, received_at)

    def acknowledge(number: str) -> None:
        with lock:
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()

    for line in sys.stdin:
        number, _, batch = line.rstrip("\n").partition("\t")
        contents = [json.dumps(message).encode() for message in json.loads(batch)]
        done = writer.submit(contents, read, received_at, "feeder")
        done.add_done_callback(lambda _, number=number: acknowledge(number))
    writer.stop()


if __name__ == "__main__":
    main()
