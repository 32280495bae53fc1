# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) The m365-unblock authors

package RT::Extension::M365Unblock::Setup;

use 5.016;
use strict;
use warnings;

use RT::Extension::M365Unblock;

=encoding utf8

=head1 NAME

RT::Extension::M365Unblock::Setup - what the extension needs in RT's database

=head1 DESCRIPTION

Run by F<etc/initialdata>. Whatever is there already stays as it is, so running it again changes nothing, and after a
queue was added to the settings it gives that queue what the others have. What an administrator has disabled stays
disabled.

=head2 FIELDS, NOTE_KEY, GROUPS, SERVICE_RIGHTS, FIELD_RIGHTS, GROUP_RIGHTS

The names that m365-unblock relies on. The fields are seen by privileged users and written by the service user.

=cut

use constant TICKET      => 'RT::Queue-RT::Ticket';
use constant TRANSACTION => 'RT::Queue-RT::Ticket-RT::Transaction';

# MaxValues 0 is RT's way of saying any number.
sub _field_of {
    my %field;
    @field{qw(Name Type MaxValues Description)} = @_;
    return \%field;
}

use constant FIELDS => (
    _field_of( 'Sending Status',    'Freeform', 1, 'Whether Microsoft 365 lets the account send' ),
    _field_of( 'Blocked Addresses', 'Text',     1, 'Addresses that Microsoft 365 blocks' ),
    _field_of( 'Case State',        'Freeform', 1, 'How far m365-unblock is with this ticket' ),
    _field_of( 'Unblocked At',      'Freeform', 1, 'When the block was seen to be gone' ),
    _field_of( 'Escalate After',    'Freeform', 1, 'When the Office 365 team may be asked' ),
    _field_of( 'M365 Tags',         'Freeform', 0, "m365-unblock's tags, for searches; it replaces them all" ),
);
use constant NOTE_KEY => _field_of( 'M365 Note Key', 'Freeform', 1, 'By which m365-unblock finds its notes again' );

use constant GROUPS => (
    { Name => 'M365 Unblock Agents',      Description => 'May unblock accounts in the panel' },
    { Name => 'M365 Unblock Supervisors', Description => 'May unblock accounts and override in the panel' },
);

use constant SERVICE_RIGHTS => qw(SeeQueue ShowTicket ShowTicketComments CommentOnTicket ReplyToTicket);
use constant FIELD_RIGHTS   => qw(SeeCustomField ModifyCustomField);
use constant GROUP_RIGHTS   => qw(SeeQueue ShowTicket ShowTicketComments CommentOnTicket);

use constant CONDITION => {
    Name                 => 'M365 Unblock',
    ExecModule           => 'M365Unblock',
    ApplicableTransTypes => 'Create,Correspond,Comment',
    Description          => 'A ticket in the queues of m365-unblock was created or answered, not by m365-unblock',
};
use constant ACTION => {
    Name        => 'M365 Unblock',
    ExecModule  => 'M365Unblock',
    Description => 'Tell m365-unblock, in the background',
};
use constant SCRIP  => 'M365 Unblock: tell the plugin';

=head2 Run

Makes what is missing and prints what it made. Dies with words for the administrator where it cannot go on; what was
made until then is used by the next run.

=cut

my $made;    # how many things

sub Run {
    my ($class) = @_;
    my @places = _places();
    $made = 0;

    my $service = _user( RT::Extension::M365Unblock->Settings->{User} );
    my $staff   = _internal_group('Privileged');
    for my $field ( ( map { _field( $_, TICKET ) } FIELDS ), _field( NOTE_KEY, TRANSACTION ) ) {
        _add_field( $field, $_ ) for @places;
        _grant( $staff,   'SeeCustomField',    $field );
        _grant( $service, 'ModifyCustomField', $field );
    }
    my @groups = map { _group($_) } GROUPS;
    for my $place (@places) {
        _grant( $service, $_, $place ) for SERVICE_RIGHTS;
        for my $group (@groups) { _grant( $group, $_, $place ) for GROUP_RIGHTS }
    }
    _scrip( _row( 'RT::ScripCondition', CONDITION ), _row( 'RT::ScripAction', ACTION ) );
    say $made ? 'm365-unblock: done' : 'm365-unblock: everything was there already';
    return;
}

=head2 Queues

The queues of the settings as a list of pairs: name, and queue object or undef. Empty if no queues are set.

=cut

sub Queues {
    return map { [ $_, _queue($_) ] } @{ RT::Extension::M365Unblock->Settings->{Queues} // [] };
}

# Where fields and rights go: the queues of the settings, or everywhere.
sub _places {
    my $settings = RT::Extension::M365Unblock->Settings;
    die "m365-unblock: the setting Queues is not usable; RT's log says what to write.\n"
        unless $settings->{Queues};
    my @queues  = Queues();
    my @missing = map { $_->[0] } grep { !$_->[1] } @queues;
    die "m365-unblock: RT has no queue named '$missing[0]' (setting Queues). Correct the name or make the queue.\n"
        if @missing;
    return @queues ? map { $_->[1] } @queues : RT->System;
}

sub _queue {
    my ($name) = @_;
    my $queue = RT::Queue->new( RT->SystemUser );
    $queue->LoadByCols( Name => $name );
    return $queue->id ? $queue : undef;
}

sub _user {
    my ($login) = @_;
    my $user = RT::User->new( RT->SystemUser );
    $user->Load($login);
    if ( !$user->id ) {
        my %wanted = (
            Name       => $login,
            RealName   => 'Microsoft 365 unblock',
            Privileged => 1,
            Comments   => 'Service user of m365-unblock; signs in with an auth token only',
        );
        _done( "the user $login", $user->Create(%wanted) );
    }
    elsif ( !$user->Privileged ) {
        _done( "the user $login privileged", $user->SetPrivileged(1) );
    }
    return $user;
}

sub _internal_group {
    my ($name) = @_;
    my $group = RT::Group->new( RT->SystemUser );
    $group->LoadSystemInternalGroup($name);
    return $group;
}

sub _group {
    my ($wanted) = @_;
    my $group = RT::Group->new( RT->SystemUser );
    $group->LoadUserDefinedGroup( $wanted->{Name} );
    _done( "the group $wanted->{Name}", $group->CreateUserDefinedGroup(%$wanted) ) unless $group->id;
    return $group;
}

sub _field {
    my ( $wanted, $lookup ) = @_;
    my $field = RT::CustomField->new( RT->SystemUser );
    $field->LoadByCols( Name => $wanted->{Name}, LookupType => $lookup, Disabled => 0 );
    $field->LoadByCols( Name => $wanted->{Name}, LookupType => $lookup ) unless $field->id;
    _done( "the field $wanted->{Name}", $field->Create( %$wanted, LookupType => $lookup ) ) unless $field->id;
    return $field;
}

sub _add_field {
    my ( $field, $place ) = @_;
    return if $field->IsGlobal;
    my $queue = $place->isa('RT::Queue') ? $place : RT::Queue->new( RT->SystemUser );
    return if $queue->id && $field->IsAdded( $queue->id );
    _done( 'the field ' . $field->Name . ' part of ' . _where($place), $field->AddToObject($queue) );
}

sub _grant {
    my ( $whom, $right, $object ) = @_;
    my $principal = $whom->PrincipalObj;
    my $ace       = RT::ACE->new( RT->SystemUser );
    # A user's rights hang on the group that stands for him alone.
    my $holder = $principal->IsUser ? _stands_for($principal) : $principal;
    $ace->LoadByCols(
        PrincipalType => 'Group',
        PrincipalId   => $holder->id,
        RightName     => $right,
        ObjectType    => ref $object,
        ObjectId      => $object->id,
    );
    return if $ace->id;
    my $what = "the right $right of " . $whom->Name . ' on ' . _where($object);
    _done( $what, $principal->GrantRight( Right => $right, Object => $object ) );
}

sub _stands_for {
    my ($principal) = @_;
    my $group = RT::Group->new( RT->SystemUser );
    $group->LoadACLEquivalenceGroup($principal);
    return $group->PrincipalObj;
}

sub _where {
    my ($object) = @_;
    return 'all queues' if $object->isa('RT::System');
    return ( $object->isa('RT::Queue') ? 'queue ' : 'field ' ) . $object->Name;
}

sub _row {
    my ( $class, $wanted ) = @_;
    my $row = $class->new( RT->SystemUser );
    $row->LoadByCols( ExecModule => $wanted->{ExecModule} );
    my $kind = $class =~ /Condition/ ? 'condition' : 'action';
    _done( "the scrip $kind $wanted->{Name}", $row->Create(%$wanted) ) unless $row->id;
    return $row;
}

sub _scrip {
    my ( $condition, $action ) = @_;
    my $scrip = RT::Scrip->new( RT->SystemUser );
    # By what it does: an administrator may have renamed it.
    $scrip->LoadByCols( ScripCondition => $condition->id, ScripAction => $action->id );
    return if $scrip->id;
    my %wanted = (
        Description    => SCRIP,
        ScripCondition => $condition->id,
        ScripAction    => $action->id,
        Template       => 'Blank',
        Stage          => 'TransactionBatch',
        Queue          => 0,
    );
    _done( 'the scrip ' . SCRIP, $scrip->Create(%wanted) );
}

sub _done {
    my ( $what, $ok, $words ) = @_;
    die "m365-unblock: could not make $what: " . ( $words // 'RT does not say why' ) . "\n" unless $ok;
    $made++;
    say "m365-unblock: made $what";
}

1;
