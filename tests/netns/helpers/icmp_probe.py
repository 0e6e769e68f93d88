#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""icmp_probe.py ADDRESS PORT LENGTH TTL: send one UDP datagram that must not be fragmented, with that
TTL or hop limit, and print the ICMP error that comes back: "TYPE CODE INFO FROM", where INFO is the
MTU of a "too big"; or "answer NAME" if the service answers, or "nothing" after two seconds."""
import select
import socket
import struct
import sys

IP_MTU_DISCOVER, IP_RECVERR = 10, 11
IPV6_MTU_DISCOVER, IPV6_RECVERR = 23, 25
PMTUDISC_PROBE = 3  # set DF, and do not let this host's idea of the path's MTU refuse the datagram


def offender(control, six):
    """(errno, origin, type, code, pad, info, data) and the sender's address behind it."""
    for _, kind, value in control:
        if kind == (IPV6_RECVERR if six else IP_RECVERR):
            _, _, icmp_type, code, _, info, _ = struct.unpack("=IBBBBII", value[:16])
            if six:
                return icmp_type, code, info, socket.inet_ntop(socket.AF_INET6, value[24:40])
            return icmp_type, code, info, socket.inet_ntoa(value[20:24])
    return None


def main():
    address, port, length, ttl = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    six = ":" in address
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    if six:
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
    else:
        s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        s.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    s.connect((address, port))
    s.send(bytes(length))
    poll = select.poll()
    poll.register(s, select.POLLIN | select.POLLERR)
    for _, event in poll.poll(2000):
        if event & select.POLLERR:
            _, control, _, _ = s.recvmsg(2048, 1024, socket.MSG_ERRQUEUE)
            print(*offender(control, six))
        else:
            print("answer", s.recv(2048).decode().split()[0])
        return
    print("nothing")


main()
