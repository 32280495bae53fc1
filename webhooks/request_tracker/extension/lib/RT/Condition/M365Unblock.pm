# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) The m365-unblock authors

package RT::Condition::M365Unblock;

use 5.016;
use strict;
use warnings;

use parent 'RT::Condition';

use RT::Extension::M365Unblock;
use RT::Extension::M365Unblock::Event;

=encoding utf8

=head1 NAME

RT::Condition::M365Unblock - a ticket of ours was created or answered, by somebody else than m365-unblock

=head1 DESCRIPTION

For scrips in the stage TransactionBatch, where RT asks about each transaction of a batch until one fits. The queue is
the one that the ticket is in now, so a ticket that was moved into one of the queues counts from then on.

=cut

sub IsApplicable {
    my ($self) = @_;
    return 0 unless RT::Extension::M365Unblock->Settings->{can_send};
    my $ticket = $self->TicketObj;
    return 0 unless $ticket->Type eq 'ticket' && RT::Extension::M365Unblock->WatchesQueue( $ticket->QueueObj->Name );
    return RT::Extension::M365Unblock::Event->IsOne( $self->TransactionObj ) ? 1 : 0;
}

1;
