# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) The m365-unblock authors

package RT::REST2::Resource::M365Unblock;

use 5.016;
use strict;
use warnings;
use feature 'fc';

use Moose;
use namespace::autoclean;
use Path::Dispatcher;

use RT::Extension::M365Unblock;
use RT::Extension::M365Unblock::Check;

extends 'RT::REST2::Resource';

=encoding utf8

=head1 NAME

RT::REST2::Resource::M365Unblock - GET /REST/2.0/m365-unblock: what of the set-up is in place

=head1 DESCRIPTION

Read only, for the service user and for RT's administrators (SuperUser); anyone else gets 403. The answer is made by
L<RT::Extension::M365Unblock::Check>.

=cut

sub dispatch_rules {
    return Path::Dispatcher::Rule::Regex->new( regex => qr{^/m365-unblock/?$} );
}

sub charsets_provided      { return ['utf-8'] }
sub default_charset        { return 'utf-8' }
sub allowed_methods        { return [ 'GET', 'HEAD' ] }
sub content_types_provided { return [ { 'application/json' => 'to_json' } ] }

sub forbidden {
    my ($self) = @_;
    my $user = $self->current_user;
    return 1 unless $user->id;
    return 0 if fc $user->Name eq fc RT::Extension::M365Unblock->Settings->{User};
    return $user->HasRight( Object => RT->System, Right => 'SuperUser' ) ? 0 : 1;
}

sub to_json {
    my ($self) = @_;
    my $found = RT::Extension::M365Unblock::Check->Look( $self->current_user->Name );
    return JSON->new->canonical->pretty->encode($found);
}

__PACKAGE__->meta->make_immutable;

1;
