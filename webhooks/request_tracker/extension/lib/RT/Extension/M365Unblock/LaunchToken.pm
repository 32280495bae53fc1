# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) The m365-unblock authors

package RT::Extension::M365Unblock::LaunchToken;

use 5.016;
use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use JSON ();
use MIME::Base64 qw(encode_base64url);
use Scalar::Util qw(blessed);
use RT::Extension::M365Unblock;
use RT::Extension::M365Unblock::Random;

=encoding utf8

=head1 NAME

RT::Extension::M365Unblock::LaunchToken - by which RT vouches for who is looking at which ticket

=head1 DESCRIPTION

A JSON Web Token (HS256) that is good for one use within five minutes. It goes into the fragment of the panel's
address, which browsers send to no server.

=head1 CLASS METHODS

=head2 PanelAddress TICKET

The panel's address, with token, for the ticket's current user; undef if there is nothing to show him, or if TICKET is
no ticket: RT lets the arguments of a request stand in for those of a callback.

=cut

use constant LIFE => 300;    # seconds

sub PanelAddress {
    my ( $class, $ticket ) = @_;
    my $settings = RT::Extension::M365Unblock->Settings;
    return undef unless $settings->{can_show} && blessed $ticket && $ticket->isa('RT::Ticket');
    return undef unless $ticket->id && $ticket->Type eq 'ticket';
    return undef unless RT::Extension::M365Unblock->WatchesQueue( $ticket->QueueObj->Name // '' );
    my $role = RT::Extension::M365Unblock->RoleOn($ticket) or return undef;
    my $page = join '/', $settings->{URL}, 'panel', $settings->{Source}, $ticket->id;
    return "$page#token=" . $class->For( $ticket, $role, time );
}

=head2 For TICKET, ROLE, NOW

The token for the ticket's current user.

=cut

sub For {
    my ( $class, $ticket, $role, $now ) = @_;
    my $settings = RT::Extension::M365Unblock->Settings;
    my $user     = $ticket->CurrentUser->UserObj;
    my $claims   = {
        iss    => $settings->{Source},
        aud    => 'm365-unblock/panel',
        sub    => _text( $user->Name ),
        email  => _text( $user->EmailAddress ),
        name   => _text( $user->RealName || $user->Name ),
        ticket => '' . $ticket->id,
        role   => $role,
        iat    => $now,
        exp    => $now + LIFE,
        jti    => RT::Extension::M365Unblock::Random->Text(18),
    };
    my $signed = _part( { alg => 'HS256', typ => 'JWT' } ) . '.' . _part($claims);
    return $signed . '.' . encode_base64url( hmac_sha256( $signed, $settings->{LaunchSecret} ) );
}

sub _part { return encode_base64url( JSON->new->utf8->canonical->encode( $_[0] ) ) }
sub _text { return RT::Extension::M365Unblock->Clean(@_) }

1;
