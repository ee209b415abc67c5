"""What the web server loads: the application, in a process of its own that ends with the server's."""

from dashboard import create_app, process

process.end_with_parent()
app = create_app()
