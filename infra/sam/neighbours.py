"""The services around functions in containers, at one address of their network.

usage: neighbours.py FOLDER ADDRESS SUBNET SERVICES PORT=PORT...

ADDRESS is this machine's address on the network with SUBNET. Only callers from SUBNET are let
in, because other containers can reach the address too. At ADDRESS they find

- at each PORT the service on its loopback port (PORT=PORT),
- at port SERVICES Secrets Manager with one secret, the certificate for the engine, and API
  Gateway's ``@connections``: posts to a viewer go to FOLDER/frames/CONNECTION.

The engine is separate: infra/docker-host/tls-front.sh serves it with mutual TLS.
"""

import asyncio
import contextlib
import ipaddress
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote


class Services(BaseHTTPRequestHandler):
    """Secrets Manager, and API Gateway's ``@connections``."""

    protocol_version = "HTTP/1.1"
    # Head and body are two writes, and without this the second would wait 40 ms.
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("x-amz-target") == "secretsmanager.GetSecretValue":
            return self.answer(200, self.secret(json.loads(body)["SecretId"]))
        return self.post_to_viewer(body) if self.frames() else self.answer(404)

    def do_DELETE(self):
        if not self.frames():
            return self.answer(404)
        with self.frames().open("ab") as frames:
            frames.write(b'{"event":"closed"}\n')
        return self.answer(204)

    def post_to_viewer(self, body):
        with self.frames().open("ab") as frames:
            frames.write(body + b"\n")
        self.answer(200)

    def frames(self):
        """The file of the connection that the path names."""
        _, _, connection = self.path.partition("/@connections/")
        return connection and self.server.folder / "frames" / quote(unquote(connection), safe="")

    def secret(self, name):
        client = self.server.folder / "certificates/client"
        texts = {part: (client / f"{part}.pem").read_text() for part in ("ca", "cert", "key")}
        return {"ARN": name, "Name": name, "SecretString": json.dumps(texts)}

    def answer(self, status, body=None):
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/x-amz-json-1.1")
        if status != 204:
            self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, text, *values):
        print(self.client_address[0], text % values, flush=True)


class Server(ThreadingHTTPServer):
    def __init__(self, address, folder, subnet):
        super().__init__(address, Services)
        self.folder = folder
        self.subnet = subnet

    def verify_request(self, _request, client_address):
        return ipaddress.ip_address(client_address[0]) in self.subnet


async def copy(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    # A side that has sent everything may still wait for the other.
    writer.write_eof()


def forward(port, subnet):
    """Connects each caller to a loopback port, until both sides have ended."""

    async def joined(reader, writer):
        there = None
        try:
            if ipaddress.ip_address(writer.get_extra_info("peername")[0]) not in subnet:
                return
            back, there = await asyncio.open_connection("127.0.0.1", port)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(copy(reader, there))
                ways.create_task(copy(back, writer))
        except* OSError as error:
            print(*error.exceptions, file=sys.stderr, flush=True)
        finally:
            for end in filter(None, (writer, there)):
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    return joined


async def serve(folder, address, subnet, services, ports):
    async def start(way):
        port, there = way.split("=")
        return await asyncio.start_server(forward(int(there), subnet), address, int(port))

    at_services = Server((address, int(services)), folder, subnet)
    threading.Thread(target=at_services.serve_forever, daemon=True).start()
    servers = [await start(way) for way in ports]
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main(folder, address, subnet, services, *ports):
    try:
        asyncio.run(serve(Path(folder), address, ipaddress.ip_network(subnet), services, ports))
    except OSError as error:
        sys.exit(f"neighbours.py: {address} cannot be listened on: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
