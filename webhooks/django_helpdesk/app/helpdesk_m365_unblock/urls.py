"""The Desk API's addresses, for a site's urls.py to include where M365_UNBLOCK's API_URL says."""

from django.urls import path

from helpdesk_m365_unblock import api

app_name = "m365_unblock"
urlpatterns = [
    path("set-up", api.door(GET=api.get_set_up), name="set-up"),
    path("tickets", api.door(GET=api.list_tickets), name="tickets"),
    path("tickets/<str:ticket>", api.door(GET=api.get_ticket), name="ticket"),
    path("tickets/<str:ticket>/notes", api.door(GET=api.find_notes, POST=api.add_note), name="notes"),
    path("tickets/<str:ticket>/tags", api.door(PATCH=api.change_tags), name="tags"),
    path("tickets/<str:ticket>/fields", api.door(PATCH=api.change_fields), name="fields"),
    path("attachments/<str:attachment>", api.door(GET=api.get_attachment), name="attachment"),
]
