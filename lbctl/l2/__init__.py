"""The LAN: who answers for an address, and how it is told apart from a stranger (DESIGN section 7).

Frames, the filter, the announcer, its election and the probe are pure: bytes and events in, values out. Only `linux`
and `netlink` touch a socket.
"""
