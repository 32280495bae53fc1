"""What people read: notes for agents and replies to the customer, as templates that a site can replace."""
