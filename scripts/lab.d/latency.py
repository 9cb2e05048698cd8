"""latency: a TCP proxy that adds a wide-area delay, and nothing else, to the connections of a lab.

    latency.py RTT_MS READY_FILE <map      map: lines of LISTEN_ADDRESS=TARGET_ADDRESS, port 22 on both sides

Every chunk of bytes is forwarded RTT/2 after it arrived. Many chunks are in transit at once, so bandwidth is not
limited; their order is kept. A new connection costs as much as a TCP handshake: the target sees it after 1.5 RTT.
Limits: chunks are delayed, not packets (no slow start, no loss). The client's connect() succeeds at once, so a closed
port shows as a reset a little later, never as "connection refused".
"""

import asyncio
import collections
import resource
import socket
import struct
import sys

# The most bytes in transit in one direction: enough for 1 GB/s over 250 ms, yet bounded.
WINDOW = 256 * 1024 * 1024
# Half a millisecond, since the event loop rounds delays up to whole milliseconds.
ROUNDING = 0.0005


class Side(asyncio.Protocol):
    """One end of a connection; what it receives is forwarded to `other` after the delay."""

    max_size = 1024 * 1024

    def __init__(self, delay, not_before=0.0):
        self.loop = asyncio.get_running_loop()
        self.delay = delay
        self.not_before = not_before
        self.queue = collections.deque()
        self.queued = 0
        self.transport = None
        self.other = None
        self.timer = None
        self.blocked = False
        self.full = False

    def connection_made(self, transport):
        self.transport = transport
        transport.max_size = 1024 * 1024
        transport.set_write_buffer_limits(high=4 * 1024 * 1024)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data):
        self.push(data)

    def eof_received(self):
        self.push(None)
        return True

    def connection_lost(self, exc):
        if exc is None:
            self.push(None)
        else:
            self.push(exc)

    def push(self, item):
        due = max(self.loop.time() + self.delay, self.not_before)
        self.queue.append((due, item))
        if isinstance(item, bytes):
            self.queued += len(item)
            if self.queued > WINDOW and not self.full:
                self.full = True
                self.transport.pause_reading()
        self.arm()

    def arm(self):
        if self.timer is None and self.queue and not self.blocked and self.other is not None:
            self.timer = self.loop.call_at(self.queue[0][0] - ROUNDING, self.deliver)

    def deliver(self):
        self.timer = None
        now = self.loop.time() + 2 * ROUNDING
        out = self.other.transport
        while self.queue and self.queue[0][0] <= now and not self.blocked:
            item = self.queue.popleft()[1]
            if isinstance(item, bytes):
                self.queued -= len(item)
                out.write(item)
            elif item is None:
                finish(out)
            else:
                abort(out)
        if self.full and self.queued < WINDOW // 2:
            self.full = False
            if not self.transport.is_closing():
                self.transport.resume_reading()
        self.arm()

    # Called when our outgoing buffer is full: the queue of the other side, which fills it, must wait.
    def pause_writing(self):
        self.other.blocked = True

    def resume_writing(self):
        self.other.blocked = False
        self.other.arm()


def finish(transport):
    """Forwards the end of a stream; the second end closes the connection."""
    if transport.is_closing():
        return
    if transport.get_protocol().other.transport.is_closing():
        transport.close()
    else:
        try:
            transport.write_eof()
        except OSError:
            transport.abort()


def abort(transport):
    """Resets the connection, as the other end did."""
    if transport.is_closing():
        return
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def join(near, target):
    """Connects the far side of `near` at the time when a TCP handshake would have ended."""
    await asyncio.sleep(3 * near.delay)
    if near.transport.is_closing():
        return
    loop = asyncio.get_running_loop()
    try:
        _, far = await loop.create_connection(lambda: Side(near.delay), target, 22)
    except OSError:
        abort(near.transport)
        return
    far.other = near
    near.other = far
    near.arm()
    far.arm()


class Near(Side):
    def __init__(self, delay, target):
        super().__init__(delay, asyncio.get_running_loop().time() + 3 * delay)
        self.target = target

    def connection_made(self, transport):
        super().connection_made(transport)
        self.task = self.loop.create_task(join(self, self.target))


async def main(rtt_ms, ready):
    delay = rtt_ms / 2000
    loop = asyncio.get_running_loop()
    servers = []
    for line in sys.stdin:
        listen, target = line.strip().split("=")
        servers.append(await loop.create_server(lambda t=target: Near(delay, t), listen, 22, backlog=1024))
    with open(ready, "w"):
        pass
    await asyncio.Event().wait()


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(main(float(sys.argv[1]), sys.argv[2]))
