# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) The m365-unblock authors

package RT::Extension::M365Unblock::Event;

use 5.016;
use strict;
use warnings;
use feature 'fc';

use JSON ();
use RT::Extension::M365Unblock;

=encoding utf8

=head1 NAME

RT::Extension::M365Unblock::Event - what m365-unblock is told about a ticket

=head1 DESCRIPTION

The event only says that something happened: m365-unblock reads the ticket by RT's API. So it holds no text of the
ticket but the subject.

=head1 CLASS METHODS

=head2 IsOne TRANSACTION

True if the transaction creates or answers a ticket and is not m365-unblock's own.

=cut

my %KIND = ( Create => 'ticket.created', Correspond => 'ticket.replied', Comment => 'ticket.replied' );

sub IsOne {
    my ( $class, $transaction ) = @_;
    return 0 unless $KIND{ $transaction->__Value('Type') // '' };
    return fc( $transaction->CreatorObj->Name // '' ) ne fc RT::Extension::M365Unblock->Settings->{User};
}

=head2 AmongTransactions TRANSACTIONS

Those of a batch to tell about: what created the ticket or else each answer.

=cut

sub AmongTransactions {
    my ( $class, @transactions ) = @_;
    my @ours    = grep { $class->IsOne($_) } @transactions;
    my @created = grep { $_->__Value('Type') eq 'Create' } @ours;
    return @created ? @created : @ours;
}

=head2 Body TICKET, TRANSACTION

The event as JSON, in ASCII so that nothing on the way can take it for another encoding.

=cut

sub Body {
    my ( $class, $ticket, $transaction ) = @_;
    my ($requester) = @{ $ticket->Requestors->UserMembersObj->ItemsArrayRef };
    return JSON->new->ascii->canonical->encode(
        {
            type      => $KIND{ $transaction->__Value('Type') },
            timestamp => $transaction->CreatedObj->W3CDTF( Timezone => 'UTC' ),
            data      => {
                ticket => _ticket($ticket),
                $requester ? ( requester => _person($requester) ) : (),
                actor   => _person( $transaction->CreatorObj ),
                message => { id => '' . $transaction->id },
            },
        }
    );
}

sub _ticket {
    my ($ticket) = @_;
    return {
        id      => '' . $ticket->id,
        subject => _text( $ticket->Subject ),
        queue   => _text( $ticket->QueueObj->Name ),
        status  => _text( $ticket->Status ),
        url     => RT->Config->Get('WebURL') . 'Ticket/Display.html?id=' . $ticket->id,
    };
}

sub _person {
    my ($user) = @_;
    return {
        email    => _text( $user->EmailAddress ),
        name     => _text( $user->RealName || $user->Name ),
        is_agent => $user->Privileged ? JSON::true : JSON::false,
    };
}

sub _text { return RT::Extension::M365Unblock->Clean(@_) }

1;
