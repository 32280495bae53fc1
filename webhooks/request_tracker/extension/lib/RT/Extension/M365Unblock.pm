# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) The m365-unblock authors

package RT::Extension::M365Unblock;

use 5.016;
use strict;
use warnings;
use feature 'fc';

use Cwd qw(realpath);
use Digest::SHA qw(hmac_sha256_hex);
use File::Basename qw(dirname);
use File::Spec;
use HTTP::Tiny;
use List::Util qw(any);
use MIME::Base64 qw(decode_base64);

our $VERSION = '0.1.0';

=encoding utf8

=head1 NAME

RT::Extension::M365Unblock - tells m365-unblock about tickets and shows its panel in them

=head1 SYNOPSIS

    Plugin('RT::Extension::M365Unblock');
    Set(%M365Unblock,
        Source        => 'rt',
        URL           => 'https://unblock.example.edu',
        WebhookSecret => 'whsec_...',
        LaunchSecret  => '...at least 32 characters...',
        Queues        => ['Support'],
    );

=head1 DESCRIPTION

m365-unblock helps a service desk with accounts that Microsoft 365 has blocked from sending. This extension is its part
inside Request Tracker:

=over

=item * a scrip tells m365-unblock that a ticket was created or answered (L<RT::Condition::M365Unblock>,
L<RT::Action::M365Unblock>);

=item * a callback shows m365-unblock's panel in the ticket page, with a launch token that says who is looking
(L<RT::Extension::M365Unblock::LaunchToken>);

=item * C<etc/initialdata> makes the fields, groups, rights and the scrip (L<RT::Extension::M365Unblock::Setup>);

=item * C<GET /REST/2.0/m365-unblock> tells the service user whether all of it is in place
(L<RT::REST2::Resource::M365Unblock>).

=back

The settings are described in F<README.md>. A missing or wrong one is logged when RT starts; RT itself starts and works
regardless.

=head1 CLASS METHODS

=head2 Settings

The settings as a hash reference, with defaults filled in. C<can_send> is true if events can be sent, C<can_show> if
the panel can be shown. Read and checked once in a process.

=cut

my @ALWAYS     = qw(Source URL User Queues);
my @TO_SEND    = qw(WebhookURL WebhookSecret CAFile Pauses Timeout);
my @TO_SHOW    = qw(LaunchSecret);
my @NOT_SECRET = grep { !/Secret/ } @ALWAYS, @TO_SEND, @TO_SHOW;

my %DEFAULT = ( User => 'm365-unblock', Queues => [], CAFile => '', Pauses => [ 2, 8, 30 ], Timeout => 5 );

# What each setting must be, and what to set it to where it is not. The words never repeat what was written: it may be
# a secret that got into the wrong place.
my %RULE = (
    Source => [
        sub { $_ =~ /\A[a-z][a-z0-9-]{0,39}\z/ },
        "the name that this RT has under [sources] in m365-unblock's settings, such as 'rt' (small letters, digits, -)",
    ],
    URL => [
        sub { m{\Ahttps://[^\s/?#]+[^\s?#]*\z} || _is_loopback($_) },
        "the address of m365-unblock as browsers see it, such as 'https://unblock.example.edu' (https)",
    ],
    WebhookURL => [
        sub { m{\Ahttps?://[^\s/?#]+[^\s#]*\z} },
        "the whole address to which events go, such as 'https://unblock.example.edu/webhooks/rt', or leave it out",
    ],
    WebhookSecret => [
        sub { m{\Awhsec_((?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)\z} && length decode_base64($1) >= 24 },
        "the secret that is also under webhook_secrets in m365-unblock's settings ('whsec_' and at least 24 bytes as base64)",
    ],
    LaunchSecret => [
        sub { m{\A[\x21-\x7e]{32,}\z} },
        "the secret that is also under launch_secrets in m365-unblock's settings (at least 32 characters, ASCII, no spaces)",
    ],
    User   => [ sub { /\A[^\s<>]+\z/ }, "the login of m365-unblock's user in RT, such as 'm365-unblock'" ],
    Queues => [
        sub { !any { !defined || ref || !length } @$_ },
        "a list of queue names, such as ['Support'], or leave it out for all queues",
    ],
    CAFile => [ sub { $_ eq '' || ( -f $_ && -r _ ) }, 'a file with certificates (PEM) that RT can read, or leave it out' ],
    Pauses => [
        sub { @$_ <= 10 && !any { ( $_ // '' ) !~ /\A[0-9]{1,3}\z/ } @$_ },
        'a list of at most ten pauses in whole seconds, such as [2, 8, 30], or leave it out',
    ],
    Timeout => [ sub { /\A[0-9]{1,2}\z/ && $_ >= 1 }, 'whole seconds from 1 to 99, or leave it out' ],
);

my $settings;

sub Settings {
    $settings //= _check( _given() );
    return $settings;
}

=head2 WatchesQueue NAME

True if tickets in the queue of this name concern m365-unblock.

=cut

sub WatchesQueue {
    my ( $class, $name ) = @_;
    my $queues = $class->Settings->{Queues};
    return !@$queues || any { fc $_ eq fc $name } @$queues;
}

=head2 RoleOn TICKET

What the ticket's current user may do in the panel: C<supervisor>, C<agent> or C<viewer>; undef if he must not see it.

=cut

sub RoleOn {
    my ( $class, $ticket ) = @_;
    my $user = $ticket->CurrentUser;
    return undef unless $user->Privileged;
    return undef unless $ticket->CurrentUserHasRight('ShowTicket') && $ticket->CurrentUserHasRight('ShowTicketComments');
    return 'viewer' unless $ticket->CurrentUserHasRight('CommentOnTicket');
    return 'supervisor' if _is_in( 'M365 Unblock Supervisors', $user );
    return 'agent'      if _is_in( 'M365 Unblock Agents',      $user );
    return 'viewer';
}

=head2 Fingerprint SETTING

Twelve hexadecimal digits by which two sides can see that they hold the same secret without showing it; empty if the
setting is not usable.

=cut

sub Fingerprint {
    my ( $class, $name ) = @_;
    my $secret = $class->Settings->{$name};
    return defined $secret ? substr( hmac_sha256_hex( 'm365-unblock check', $secret ), 0, 12 ) : '';
}

=head2 Clean TEXT

The text as it can go into JSON for others: no control characters, no surrogates, nothing beyond Unicode.

=cut

sub Clean {
    my ( $class, $text ) = @_;
    $text //= '';
    no warnings 'utf8';
    $text =~ s/[\x{D800}-\x{DFFF}\x{FDD0}-\x{FDEF}\x{FFFE}\x{FFFF}]|[^\x{0}-\x{10FFFF}]/\x{FFFD}/g;
    $text =~ s/[\x00-\x1f\x7f-\x9f\x{2028}\x{2029}]+/ /g;
    return $text;
}

=head2 Path PARTS

The absolute path of a file of this extension.

=cut

my $home = realpath( File::Spec->catdir( dirname(__FILE__), (File::Spec->updir) x 3 ) );

sub Path {
    my ( $class, @parts ) = @_;
    return File::Spec->catfile( $home, @parts );
}

sub _is_in {
    my ( $name, $user ) = @_;
    my $group = RT::Group->new( RT->SystemUser );
    $group->LoadUserDefinedGroup($name);
    return $group->id && !$group->Disabled && $group->HasMemberRecursively( $user->PrincipalObj );
}

sub _given {
    my $given = RT->Config->Get('M365Unblock');
    return ref $given eq 'HASH' ? {%$given} : {};
}

sub _check {
    my ($given) = @_;
    my %set = ( %DEFAULT, map { defined $given->{$_} ? ( $_ => $given->{$_} ) : () } keys %RULE );
    $set{Queues} = [ $set{Queues} ] unless ref $set{Queues};
    $set{URL} =~ s{/+\z}{} if defined $set{URL} && !ref $set{URL};

    my %right = map { $_ => $set{$_} } grep { _is_right( $_, $set{$_} ) } keys %RULE;
    $right{WebhookURL} = "$right{URL}/webhooks/$right{Source}" if !defined $set{WebhookURL} && $right{URL} && $right{Source};
    my %wrong = map { $_ => 1 } grep { !exists $right{$_} } keys %RULE;
    my $works = !any { $wrong{$_} } @ALWAYS;
    return {
        %right,
        User     => $right{User} // $DEFAULT{User},    # set-up and check go on with it
        can_send => $works && !( any { $wrong{$_} } @TO_SEND ) && _can_reach( $right{WebhookURL} ),
        can_show => $works && !( any { $wrong{$_} } @TO_SHOW ),
        wrong    => [ sort keys %wrong ],
        missing  => { map { $_ => 1 } grep { !defined $set{$_} } keys %RULE },
        unknown  => [ grep { !$RULE{$_} } sort keys %$given ],
    };
}

sub _is_right {
    my ( $name, $value ) = @_;
    return 0 unless defined $value && ref $value eq ref( $DEFAULT{$name} // '' );
    local $_ = $value;
    return $RULE{$name}[0]->();
}

sub _is_loopback {
    my ($url) = @_;
    return $url =~ m{\Ahttp://(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]+)?(?:/[^\s?#]*)?\z};
}

sub _can_reach {
    my ($url) = @_;
    return $url !~ m{\Ahttps:} || !!scalar HTTP::Tiny->can_ssl;
}

sub _report {
    my $found = Settings();
    return _log( error => 'there are no settings. Write Set(%M365Unblock, ...) beside Plugin(...), as README.md shows.' )
        unless %{ _given() };
    for my $name ( @{ $found->{wrong} } ) {
        next if $name eq 'WebhookURL' && $found->{missing}{$name};    # made of two others, which are told about
        my $matter = $found->{missing}{$name} ? 'missing' : 'not usable';
        _log( error => "the setting $name is $matter, so " . _consequence($name) . ". Set $name to $RULE{$name}[1]." );
    }
    for my $name ( @{ $found->{unknown} } ) {
        my $said = $name =~ /\A[A-Za-z]{1,20}\z/ ? "there is no setting $name" : 'one name in the settings is none of ours';
        _log( warning => "$said; there are " . join( ', ', sort keys %RULE ) . '.' );
    }
    _log( error => 'no events are sent: for https, Perl needs IO::Socket::SSL (Debian: apt install libio-socket-ssl-perl).' )
        if $found->{WebhookURL} && !_can_reach( $found->{WebhookURL} );
}

sub _consequence {
    my ($name) = @_;
    return 'no events are sent'     if any { $_ eq $name } @TO_SEND;
    return 'the panel is not shown' if any { $_ eq $name } @TO_SHOW;
    return 'neither are events sent nor is the panel shown';
}

sub _log {
    my ( $level, $words ) = @_;
    RT->Logger->log( level => $level, message => "RT::Extension::M365Unblock: $words" ) if RT->Logger;
}

# RT shows all settings to its administrators under System Configuration. Whatever we do not know to be harmless is
# hidden, so that a mistyped name hides a secret too.
sub _hide_secrets {
    my $meta = RT->Config->Meta('M365Unblock') or return;
    @$meta{qw(Immutable Invisible)} = ( 1, 1 );
    $meta->{Obfuscate} = sub {
        my ( $config, $value ) = @_;
        return {} unless ref $value eq 'HASH';
        my %public = map { $_ => 1 } @NOT_SECRET;
        return { map { $public{$_} ? ( $_ => $value->{$_} ) : ( $RULE{$_} ? $_ : '(unknown)', 'not shown' ) } keys %$value };
    };
}

# Nothing here may keep RT from starting.
eval { _hide_secrets(); _report(); 1 } or warn "RT::Extension::M365Unblock does nothing: $@";

1;
