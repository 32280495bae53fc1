"""Request Tracker 5: REST 2.0 on our side, an extension on RT's."""
