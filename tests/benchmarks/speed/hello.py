"""The measure of all acknowledgements: a bare Flask endpoint, for gunicorn with two sync workers."""

from flask import Flask

app = Flask("hello")


@app.post("/<path:anywhere>")
def hello(anywhere: str) -> str:
    """Look at nothing, keep nothing."""
    return "hello"
