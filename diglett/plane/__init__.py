"""The data plane: sockets, buffers and batches under the mux and the fronts.

Two drivers carry the same channels: `fast` (all hot sockets in one inner epoll, which is a single descriptor of the
reactor) and `portable` (ordinary Twisted transports).
"""
