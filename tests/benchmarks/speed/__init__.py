"""What the plugin costs, beside a bare Flask endpoint: `make bench`."""
