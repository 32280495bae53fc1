"""django-helpdesk with our Django app in it."""
