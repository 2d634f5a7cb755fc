"""One process that serves the pages, until it is told to stop."""

import contextlib
import socket

import uvicorn
from fastapi import FastAPI

from pipeline.errors import UserError


def listen(host: str, port: int) -> socket.socket:
    """A socket on this address. UserError: it is taken, or none of ours."""
    # Its protocol is named, for only then asyncio sends what is short at once; otherwise images wait 40 ms for their end.
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(128)
    except OSError as error:
        made.close()
        raise UserError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another with --host and --port"
        ) from None
    return made


def server(app: FastAPI) -> uvicorn.Server:
    """What serves it: it names itself to nobody, and believes no header about who asks.

    What it has to say goes the program's own way, in which secrets are hidden. (Setting up a log of its own would close
    the program's, and `logging.shutdown` swallows a SIGTERM that comes meanwhile.)"""
    return uvicorn.Server(uvicorn.Config(
        app, log_config=None, log_level="warning", access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=3,
        ws="none",
    ))  # fmt: skip


def serve(app: FastAPI, listening: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM; what is under way is finished."""
    with contextlib.suppress(KeyboardInterrupt):
        server(app).run(sockets=[listening])
