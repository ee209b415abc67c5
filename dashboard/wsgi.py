"""What the web server loads: the application, in a process of its own that ends with the server's."""

import multiprocessing

from dashboard import create_app, process

server = multiprocessing.parent_process()
if server is not None:
    process.end_with_parent(server.pid)
app = create_app()
