"""Tables of our own: which follow-up is the note of which key, and the events that are still to be sent."""

from django.db import models


class Note(models.Model):
    """A note of the plugin's. A key on a ticket is one note, however often it is sent."""

    ticket = models.ForeignKey("helpdesk.Ticket", on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    followup = models.OneToOneField("helpdesk.FollowUp", on_delete=models.CASCADE, related_name="+")

    class Meta:
        default_permissions = ()
        permissions = (
            ("unblock", "May answer the compromise checklist and unblock"),
            ("override", "May also override"),
        )
        constraints = (models.UniqueConstraint(fields=("ticket", "key"), name="m365_unblock_one_note_a_key"),)

    def __str__(self) -> str:
        return self.key


class Event(models.Model):
    """A signed event that the plugin has not taken yet; written in the transaction of what it tells."""

    delivery_id = models.CharField(max_length=64, unique=True)  # the same on every attempt
    ticket = models.IntegerField()
    kind = models.CharField(max_length=40)
    body = models.TextField()  # what is sent, to the byte
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=200, blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.kind} of ticket {self.ticket}"
