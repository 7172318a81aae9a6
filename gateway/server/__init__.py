"""The HTTP server: sockets, HTTP/1.1 limits, worker processes."""
