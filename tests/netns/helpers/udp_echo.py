#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""udp_echo.py NAME PORT: answer each datagram with "NAME LENGTH CRC32" of what came.

The answer leaves from the address the datagram was sent to (a virtual one under DSR), and says by
its CRC that every byte arrived, fragments or not."""
import socket
import struct
import sys
import zlib

IP_PKTINFO = 8
IPV6_RECVPKTINFO, IPV6_PKTINFO = 49, 50


def main():
    name, port = sys.argv[1], int(sys.argv[2])
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    s.bind(("::", port))
    while True:
        data, control, _, peer = s.recvmsg(65536, 1024)
        reply = []
        for level, kind, value in control:
            if level == socket.IPPROTO_IPV6 and kind == IPV6_PKTINFO:
                reply.append((level, kind, value[:16] + struct.pack("i", 0)))
        text = "%s %d %08x" % (name, len(data), zlib.crc32(data))
        s.sendmsg([text.encode()], reply, 0, peer)


main()
