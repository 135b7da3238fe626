"""Puts mutual TLS before an engine that listens on a socket alone.

usage: tls_front.py SOCKET CERTIFICATES

CERTIFICATES is what certificates.sh has filled for IP:127.0.0.1. Listens on a free loopback
port, prints it, and goes on until it is ended.
"""

import asyncio
import contextlib
import ssl
import sys
from pathlib import Path


async def copy(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def before(socket):
    """Joins each caller with a connection of its own to the socket, until one of them ends."""

    async def joined(reader, writer):
        ends = [writer]
        with contextlib.suppress(OSError):
            back, there = await asyncio.open_unix_connection(socket)
            ends.append(there)
            ways = [asyncio.create_task(way) for way in (copy(reader, there), copy(back, writer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        for end in ends:
            end.close()
            with contextlib.suppress(OSError):
                await end.wait_closed()

    return joined


async def serve(socket, server):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=server / "ca.pem")
    tls.load_cert_chain(server / "cert.pem", server / "key.pem")
    tls.verify_mode = ssl.CERT_REQUIRED
    front = await asyncio.start_server(before(socket), "127.0.0.1", 0, ssl=tls)
    print(front.sockets[0].getsockname()[1], flush=True)
    await front.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2]) / "server"))
