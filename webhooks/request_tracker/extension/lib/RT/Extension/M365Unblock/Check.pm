# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) The m365-unblock authors

package RT::Extension::M365Unblock::Check;

use 5.016;
use strict;
use warnings;

use JSON ();
use RT::Extension::M365Unblock;
use RT::Extension::M365Unblock::Setup;

=encoding utf8

=head1 NAME

RT::Extension::M365Unblock::Check - looks whether all that the extension needs is in place

=head1 DESCRIPTION

Changes nothing. Looks with RT's own eyes (C<< RT->SystemUser >>), since the service user cannot see who else has rights.

=head2 Look LOGIN

What is there, as a hash reference that can become JSON; LOGIN is who asks.

=cut

my $SETUP = 'RT::Extension::M365Unblock::Setup';

sub Look {
    my ( $class, $login ) = @_;
    my $settings = RT::Extension::M365Unblock->Settings;
    my $service  = RT::CurrentUser->new( RT->SystemUser );
    $service->LoadByName( $settings->{User} );
    my @queues = _queues($service);
    my @real   = grep { defined } map { $_->[1] } @queues;
    return {
        version      => $RT::Extension::M365Unblock::VERSION,
        rt           => $RT::VERSION,
        user         => $login,
        source       => $settings->{Source}     // '',
        url          => $settings->{URL}        // '',
        webhook_url  => $settings->{WebhookURL} // '',
        service_user => $settings->{User},
        fingerprints => {
            webhook => RT::Extension::M365Unblock->Fingerprint('WebhookSecret'),
            launch  => RT::Extension::M365Unblock->Fingerprint('LaunchSecret'),
        },
        fields            => { map { $_->{Name} => _field( $_, $SETUP->TICKET, \@real ) } $SETUP->FIELDS },
        note_key          => _note_key( \@real ),
        groups            => { map { $_->{Name} => _group( $_->{Name} ) } $SETUP->GROUPS },
        condition         => _count( 'RT::ScripConditions', ExecModule => $SETUP->CONDITION->{ExecModule} ),
        action            => _count( 'RT::ScripActions',    ExecModule => $SETUP->ACTION->{ExecModule} ),
        scrips            => _scrips(),
        transaction_batch => _bool( RT->Config->Get('UseTransactionBatch') ),
        queues            => [ map { _queue( $_, $service ) } @queues ],
    };
}

# --- queues ---

sub _queues {
    my ($service) = @_;
    my @named = $SETUP->Queues;
    return @named if @named || !$service->id;
    my $all = RT::Queues->new( RT->SystemUser );
    $all->UnLimit;
    return map { [ $_->Name, $_ ] } grep { _may( $service, 'SeeQueue', $_ ) } @{ $all->ItemsArrayRef };
}

sub _queue {
    my ( $pair, $service ) = @_;
    my ( $name, $queue )   = @$pair;
    return { name => $name, found => JSON::false } unless $queue && !$queue->Disabled;
    return {
        name     => $queue->Name,
        found    => JSON::true,
        rights   => { _rights( $queue, $service ) },
        fields   => { map { $_->{Name} => _is_in( $_, $SETUP->TICKET, $queue ) } $SETUP->FIELDS },
        note_key => _is_in( $SETUP->NOTE_KEY, $SETUP->TRANSACTION, $queue ),
    };
}

sub _rights {
    my ( $queue, $service ) = @_;
    my @fields = ( ( map { _load( $_, $SETUP->TICKET ) } $SETUP->FIELDS ), _load( $SETUP->NOTE_KEY, $SETUP->TRANSACTION ) );
    return (
        ( map { $_ => _bool( _may( $service, $_, $queue ) ) } $SETUP->SERVICE_RIGHTS ),
        ( map { $_ => _may_all( $service, $_, $queue, @fields ) } $SETUP->FIELD_RIGHTS ),
    );
}

sub _may {
    my ( $service, $right, $object, @context ) = @_;
    return $service->id && $service->HasRight( Right => $right, Object => $object, EquivObjects => \@context );
}

sub _may_all {
    my ( $service, $right, $queue, @fields ) = @_;
    return _bool( !grep { !$_ || !_may( $service, $right, $_, $queue ) } @fields );
}

sub _is_in {
    my ( $wanted, $lookup, $queue ) = @_;
    my $field = _load( $wanted, $lookup );
    return _bool( $field && ( $field->IsGlobal || $field->IsAdded( $queue->id ) ) );
}

# --- fields ---

sub _note_key {
    my ($queues) = @_;
    my $found = _field( $SETUP->NOTE_KEY, $SETUP->TRANSACTION, $queues );
    return { map { $_ => $found->{$_} } qw(count staff_only why) };
}

sub _field {
    my ( $wanted, $lookup, $queues ) = @_;
    my $count = _count( 'RT::CustomFields', Name => $wanted->{Name}, LookupType => $lookup );
    my $field = _load( $wanted, $lookup );
    return { count => 0, type => '', max_values => 0, staff_only => JSON::false, why => _why_missing( $wanted, $lookup ) }
        unless $field;
    my $why = _seen_by_others( $field, $queues );
    return {
        count      => $count,
        type       => $field->Type,
        max_values => 0 + $field->MaxValues,
        staff_only => _bool( !$why ),
        why        => $why,
    };
}

sub _load {
    my ( $wanted, $lookup ) = @_;
    my $field = RT::CustomField->new( RT->SystemUser );
    $field->LoadByCols( Name => $wanted->{Name}, LookupType => $lookup, Disabled => 0 );
    return $field->id ? $field : undef;
}

sub _why_missing {
    my ( $wanted, $lookup ) = @_;
    my $field = RT::CustomField->new( RT->SystemUser );
    $field->LoadByCols( Name => $wanted->{Name}, LookupType => $lookup );
    return $field->id ? 'the field is disabled' : 'there is no such field';
}

# Who but staff may see a field, in words; empty if nobody. A grant counts on the field, on a queue and everywhere.
sub _seen_by_others {
    my ( $field, $queues ) = @_;
    my %where = map { ref($_) . '-' . $_->id => _place($_) } RT->System, $field, @$queues;
    my @found;
    my $grants = RT::ACL->new( RT->SystemUser );
    $grants->Limit( FIELD => 'RightName', OPERATOR => 'IN', VALUE => [ 'SeeCustomField', 'SuperUser' ] );
    while ( my $grant = $grants->Next ) {
        my $place = $where{ $grant->ObjectType . '-' . $grant->ObjectId } or next;
        my $who   = _outsiders($grant)                                    or next;
        push @found, "$who (right " . $grant->RightName . " $place)";
    }
    return @found ? 'seen by ' . join( '; ', sort @found ) : '';
}

sub _place {
    my ($object) = @_;
    return 'granted globally' if $object->isa('RT::System');
    return 'granted on ' . ( $object->isa('RT::Queue') ? 'queue ' : 'the field ' ) . $object->Name;
}

# Who among those that a grant is for are no staff, in words; undef if none.
sub _outsiders {
    my ($grant) = @_;
    my $role = $grant->PrincipalType;
    return $role =~ /\A(?:Owner|AdminCc)\z/ ? undef : "whoever is a ticket's $role" if $role ne 'Group';
    my $group = $grant->PrincipalObj->Object;
    return undef unless $group && $group->id && $group->isa('RT::Group');
    return _outsider_alone($group) if $group->Domain eq 'ACLEquivalence';
    return $group->Name eq 'Privileged' ? undef : $group->Name if $group->Domain eq 'SystemInternal';
    return _has_outsiders($group) ? 'members of the group ' . $group->Name . ' who are not privileged' : undef;
}

sub _outsider_alone {
    my ($group) = @_;
    my $user = RT::User->new( RT->SystemUser );
    $user->Load( $group->Instance );
    return undef if !$user->id || $user->Privileged || $user->Disabled || $user->id == RT->SystemUser->id;
    return 'the user ' . $user->Name;
}

sub _has_outsiders {
    my ($group) = @_;
    my $users = RT::Users->new( RT->SystemUser );
    $users->LimitToUnprivileged;
    $users->MemberOfGroup( $group->id );
    return $users->Count;
}

# --- groups and scrips ---

sub _group {
    my ($name) = @_;
    my $group = RT::Group->new( RT->SystemUser );
    $group->LoadUserDefinedGroup($name);
    return { count => 0, members => 0 } unless $group->id && !$group->Disabled;
    return { count => 1, members => 0 + $group->UserMembersObj( Recursively => 1 )->Count };
}

sub _scrips {
    my $conditions = RT::ScripConditions->new( RT->SystemUser );
    $conditions->Limit( FIELD => 'ExecModule', VALUE => $SETUP->CONDITION->{ExecModule} );
    my @ids = map { $_->id } @{ $conditions->ItemsArrayRef } or return [];
    my $scrips = RT::Scrips->new( RT->SystemUser );
    $scrips->FindAllRows;
    $scrips->Limit( FIELD => 'ScripCondition', OPERATOR => 'IN', VALUE => \@ids );
    return [ map { _scrip($_) } @{ $scrips->ItemsArrayRef } ];
}

sub _scrip {
    my ($scrip) = @_;
    my $global  = $scrip->IsGlobal;
    my $queues  = $global ? undef : $scrip->AddedTo;
    my @added   = $global ? ($global) : map { $scrip->IsAdded( $_->id ) } @{ $queues->ItemsArrayRef };
    return {
        id       => 0 + $scrip->id,
        stage    => @added ? $added[0]->Stage : '',
        disabled => _bool( $scrip->Disabled ),
        applies  => $global ? 'global' : [ map { $_->Name } @{ $queues->ItemsArrayRef } ],
    };
}

sub _count {
    my ( $class, %columns ) = @_;
    my $rows = $class->new( RT->SystemUser );
    $rows->Limit( FIELD => $_, VALUE => $columns{$_}, CASESENSITIVE => 0 ) for keys %columns;
    return 0 + $rows->Count;
}

sub _bool {
    my ($value) = @_;
    return $value ? JSON::true : JSON::false;
}

1;
