#!/usr/bin/env python3
"""An SMTP server on loopback for tests, whose faults are set by options.

Prints one JSON object a line: first {"port": N}, then one for each thing that happened:
{"event": "connection", ...}, {"event": "login", ...}, {"event": "message", "to": [...], "data": hex, ...}.
Ends when its stdin does, so that it never outlives the test that started it.
Limits: accepts on 127.0.0.1 only; keeps no mail. Needs aiosmtpd (tests/requirements.txt) and, for TLS, openssl.
"""

import argparse
import asyncio
import json
import logging
import os
import ssl
import subprocess
import sys
import warnings

try:
    from aiosmtpd.smtp import SMTP, AuthResult, syntax
except ImportError:
    sys.exit(f"{sys.executable}: aiosmtpd is missing: run {sys.executable} -m pip install -r tests/requirements.txt")


def print_event(**event):
    print(json.dumps(event), flush=True)


def make_certificates(folder):
    """Makes ca.pem, an authority, and two certificates that it signed: cert.pem, and other.pem for another host name."""
    os.makedirs(folder, exist_ok=True)

    def openssl(out, key, subject, *more):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "2", "-subj", f"/CN={subject}", "-out", out, "-keyout", key, *more]
        subprocess.run(command, cwd=folder, check=True, stderr=subprocess.DEVNULL)

    openssl("ca.pem", "ca.key", "recolte test authority", "-addext", "keyUsage=critical,keyCertSign")
    for name, san in [("cert", "DNS:localhost,IP:127.0.0.1"), ("other", "DNS:elsewhere.example")]:
        leaf = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", f"subjectAltName={san}"]
        leaf += ["-addext", "basicConstraints=critical,CA:FALSE"]
        openssl(f"{name}.pem", f"{name}.key", san.split(",")[0][4:], *leaf)


class Counter:
    """Counts connections: some faults concern the first N only."""

    connections = 0


class Server(SMTP):
    """aiosmtpd with the faults that the options ask for."""

    def __init__(self, options, handler, **keywords):
        self.options = options
        super().__init__(handler, **keywords)

    def connection_made(self, transport):
        if self.session is None:
            Counter.connections += 1
            self.number = Counter.connections
            print_event(event="connection", number=self.number)
        super().connection_made(transport)

    async def _handle_client(self):
        if self.number <= self.options.busy:
            await self.push("421 4.3.2 too busy")
            self.transport.close()
            return
        await super()._handle_client()

    async def push(self, status):
        if self.options.latin1:
            self._writer.write(status.encode("utf-8") + b" d\xe9j\xe0 vu \x1b[31m\r\n")
            await self._writer.drain()
        else:
            await super().push(status)

    async def smtp_QUIT(self, arg):
        await asyncio.sleep(self.options.slow_quit)
        await super().smtp_QUIT(arg)

    @syntax("STARTTLS")
    async def smtp_STARTTLS(self, arg):
        if self.options.inject:
            # Answers that an attacker on the network would inject before TLS begins.
            self._writer.write(b"220 2.0.0 go ahead\r\n250-localhost\r\n250 SIZE 1\r\n")
            await self._writer.drain()
            self.push = self._mute
            await super().smtp_STARTTLS(arg)
            del self.push
        else:
            await super().smtp_STARTTLS(arg)

    async def _mute(self, status):
        pass

    async def smtp_DATA(self, arg):
        if self.number <= self.options.drop_in_data:
            await self.push("354 go on")
            await self._reader.read(1000)
            self.transport.abort()
        elif self.options.overflow:
            await self.push("354 go on")
            await self._reader.read(1000)
            await self.push("552 5.3.4 far too big")
            await asyncio.sleep(0.3)
            self.transport.abort()
        else:
            await super().smtp_DATA(arg)


class Handler:
    """Answers to recipients and messages, and the events about them."""

    def __init__(self, options):
        self.options = options

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address in self.options.refuse:
            return "550 5.1.1 nobody of that name\x1b[2J"
        if address in self.options.defer and server.number <= self.options.defer_times:
            return "451 4.7.1 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        print_event(
            event="message",
            sender=envelope.mail_from,
            options=[option.upper() for option in envelope.mail_options],
            to=envelope.rcpt_tos,
            tls=session.ssl is not None or self.options.tls == "implicit",
            data=envelope.content.hex(),
        )
        if self.options.drop_after_data:
            server.transport.abort()
        if self.options.hang_after_data:
            await asyncio.sleep(3600)
        if server.number <= self.options.reject_data:
            return "452 4.3.1 no room just now"
        return "554 5.7.1 looks like spam" if self.options.spam else "250 2.0.0 taken"


def authenticator(options):
    def check(server, session, envelope, mechanism, data):
        login = f"{data.login.decode()}:{data.password.decode()}"
        print_event(event="login", mechanism=mechanism, right=login == options.auth)
        return AuthResult(success=login == options.auth, handled=False)

    return check


def context(options):
    if options.tls == "none":
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    name = os.path.join(options.certs, options.certificate)
    made.load_cert_chain(f"{name}.pem", f"{name}.key")
    return made


def protocol(options, tls):
    def make():
        if options.silent or options.says:
            return GreetingOnly(options.says)
        server = Server(
            options,
            Handler(options),
            hostname="localhost",
            data_size_limit=options.size,
            enable_SMTPUTF8=options.utf8,
            tls_context=tls if options.tls == "starttls" else None,
            authenticator=authenticator(options) if options.auth else None,
            auth_required=bool(options.auth),
            auth_require_tls=options.tls != "implicit",
            auth_exclude_mechanism=options.no_mechanism,
            loop=asyncio.get_running_loop(),
        )
        return server

    return make


class GreetingOnly(asyncio.Protocol):
    """Accepts connections and sends nothing, or a text that is no SMTP."""

    def __init__(self, says):
        self.says = says

    def connection_made(self, transport):
        Counter.connections += 1
        print_event(event="connection", number=Counter.connections)
        if self.says:
            transport.write(self.says.encode() + b"\r\n")


async def serve(options):
    loop = asyncio.get_running_loop()
    tls = context(options)
    outer = tls if options.tls == "implicit" and not options.silent else None
    server = await loop.create_server(protocol(options, tls), "127.0.0.1", options.port, ssl=outer)
    print_event(port=server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, sys.stdin.buffer.read)
    os._exit(0)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--make-certs", metavar="DIR", help="only make ca.pem, cert.pem, other.pem and their keys")
    add("--port", type=int, default=0)
    add("--tls", choices=["none", "starttls", "implicit"], default="none")
    add("--certs", metavar="DIR", help="as --make-certs made it")
    add("--certificate", default="cert", help="cert, or other for one with another name")
    add("--auth", metavar="USER:PASSWORD", help="take mail only after this login")
    add("--no-mechanism", action="append", default=[], metavar="PLAIN|LOGIN")
    add("--refuse", action="append", default=[], metavar="ADDRESS", help="550")
    add("--defer", action="append", default=[], metavar="ADDRESS", help="451, on the first --defer-times connections")
    add("--defer-times", type=int, default=1)
    add("--busy", type=int, default=0, metavar="N", help="421 on the first N connections")
    add("--size", type=int, default=33554432, help="SIZE; 0 for no limit")
    add("--utf8", action="store_true", help="offer SMTPUTF8")
    add("--silent", action="store_true")
    add("--says", metavar="TEXT", help="greet with this and stay silent")
    add("--latin1", action="store_true", help="answer in Latin-1 and escape sequences")
    add("--slow-quit", type=float, default=0, metavar="SECONDS")
    add("--inject", action="store_true", help="append answers in clear to that of STARTTLS")
    add("--drop-in-data", type=int, default=0, metavar="N", help="on the first N connections")
    add("--overflow", action="store_true", help="552 and hang up in the middle of the message")
    add("--drop-after-data", action="store_true")
    add("--hang-after-data", action="store_true")
    add("--reject-data", type=int, default=0, metavar="N", help="452 to the message, on the first N connections")
    add("--spam", action="store_true", help="554 to the message")
    return parser.parse_args()


if __name__ == "__main__":
    # Its faults make aiosmtpd log errors, which do not belong in the output of a test.
    logging.disable()
    warnings.simplefilter("ignore")
    given = arguments()
    if given.make_certs:
        make_certificates(given.make_certs)
    else:
        asyncio.run(serve(given))
