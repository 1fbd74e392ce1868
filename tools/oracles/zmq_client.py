#!/usr/bin/env python3
"""Another ZeroMQ client than ours: sends what it is told over CURVE, and says what came back.

    zmq_client.py ENDPOINT SERVER_KEY PUBLIC_KEY SECRET_KEY IDENTITY     (keys: 40 characters of Z85, or -)

Each line of the input is a message in hexadecimal, its frames divided by commas; "flood N BYTES" sends N
messages of so many bytes. Prints each answer in hexadecimal, and ends after a second of silence.
"""
import sys

import zmq


def main() -> None:
    endpoint, server, public, secret, identity = sys.argv[1:6]
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.ROUTING_ID, identity.encode())
    if server != "-":
        socket.setsockopt(zmq.CURVE_SERVERKEY, server.encode())
        socket.setsockopt(zmq.CURVE_PUBLICKEY, public.encode())
        socket.setsockopt(zmq.CURVE_SECRETKEY, secret.encode())
    socket.connect(endpoint)
    for line in sys.stdin:
        line = line.strip()
        if line.startswith("flood "):
            _, count, size = line.split()
            for _ in range(int(count)):
                socket.send(bytes(int(size)))
            continue
        socket.send_multipart([bytes.fromhex(frame) for frame in line.split(",")])
    while socket.poll(1000):
        print(",".join(frame.hex() for frame in socket.recv_multipart()))


if __name__ == "__main__":
    main()
