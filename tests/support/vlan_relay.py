# SPDX-License-Identifier: Apache-2.0
"""A VLAN device for kernels without one: vlan_relay.py INTERFACE TAP VLAN

Frames with the VLAN's tag that come in at INTERFACE leave TAP without it, and the reverse. Others
are dropped.
"""
import fcntl
import os
import select
import socket
import struct
import sys

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454ca, 0x0002, 0x1000
SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 263, 8, 4
SO_RCVBUFFORCE = 33
VLAN_VALID = 1 << 4


def main():
    interface, name, vlan = sys.argv[1], sys.argv[2], int(sys.argv[3])
    tap = os.open('/dev/net/tun', os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack('16sH22x', name.encode(), IFF_TAP | IFF_NO_PI))
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    wire.bind((interface, 3))
    wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    # A group that the device would filter: the tap's stations have addresses of their own.
    index = socket.if_nametoindex(interface)
    wire.setsockopt(SOL_PACKET, 1, struct.pack('iHH8s', index, 1, 0, b''))
    tag = struct.pack('!HH', 0x8100, vlan)
    while True:
        for ready in select.select([tap, wire], [], [])[0]:
            if ready is tap:
                frame = os.read(tap, 2000)
                wire.send(frame[:12] + tag + frame[12:])
                continue
            frame, extra, _, sender = wire.recvmsg(2000, 100)
            # The kernel takes the tag off and tells it beside the frame.
            status, *_, tci, _ = struct.unpack('IIIHHHH', extra[0][2][:20])
            if sender[2] != PACKET_OUTGOING and status & VLAN_VALID and tci & 0xfff == vlan:
                os.write(tap, frame)


main()
