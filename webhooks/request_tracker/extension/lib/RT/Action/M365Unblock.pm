# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) The m365-unblock authors

package RT::Action::M365Unblock;

use 5.016;
use strict;
use warnings;

use parent 'RT::Action';

use File::Spec;
use JSON ();
use RT::Extension::M365Unblock;
use RT::Extension::M365Unblock::Background;
use RT::Extension::M365Unblock::Event;
use RT::Extension::M365Unblock::Random;

=encoding utf8

=head1 NAME

RT::Action::M365Unblock - tells m365-unblock about the events of a batch

=head1 DESCRIPTION

Hands all events of a batch to one F<sbin/m365-unblock-send>, which sends them in the background. Whatever goes wrong
is logged and never fails what the agent or customer was doing.

=cut

sub Prepare { return 1 }

sub Commit {
    my ($self) = @_;
    my $ticket = $self->TicketObj;
    my $batch  = $ticket->TransactionBatch || [ $self->TransactionObj ];
    my @events = RT::Extension::M365Unblock::Event->AmongTransactions(@$batch) or return 1;

    # The job holds the secret: it goes into no argument list of a frame that logs, since RT may log stack traces.
    my $problem = eval { _start( $ticket, \@events ) } // $@;
    my $about = 'RT::Extension::M365Unblock: ticket ' . $ticket->id;
    RT->Logger->error("$about: could not tell m365-unblock: $problem") if $problem;
    return 1;
}

sub _start {
    my ( $ticket, $events ) = @_;
    my $job = JSON->new->ascii->canonical->encode( _job( $ticket, $events ) );
    return RT::Extension::M365Unblock::Background->Start(
        Script     => RT::Extension::M365Unblock->Path( 'sbin', 'm365-unblock-send' ),
        Input      => \$job,
        KeepStderr => RT->Config->Get('LogToSTDERR'),
    );
}

sub _job {
    my ( $ticket, $events ) = @_;
    my $settings = RT::Extension::M365Unblock->Settings;
    return {
        url        => $settings->{WebhookURL},
        secret     => $settings->{WebhookSecret},
        ca_file    => $settings->{CAFile},
        pauses     => [ map { 0 + $_ } @{ $settings->{Pauses} } ],
        timeout    => 0 + $settings->{Timeout},
        agent      => "RT-Extension-M365Unblock/$RT::Extension::M365Unblock::VERSION",
        log        => _logs(),
        deliveries => [ map { _delivery( $ticket, $_ ) } @$events ],
    };
}

sub _delivery {
    my ( $ticket, $transaction ) = @_;
    return {
        id    => 'rt-' . RT::Extension::M365Unblock::Random->Text(16),
        about => 'ticket ' . $ticket->id . ', transaction ' . $transaction->id,
        body  => RT::Extension::M365Unblock::Event->Body( $ticket, $transaction ),
    };
}

# Where RT logs, as RT::InitLogging has it: the sender has no RT.
sub _logs {
    my $config = RT->Config;
    my %logs;
    $logs{stderr} = { level => $config->Get('LogToSTDERR') } if $config->Get('LogToSTDERR');
    $logs{file}   = { level => $config->Get('LogToFile'), path => _log_file() } if $config->Get('LogToFile');
    if ( $config->Get('LogToSyslog') ) {
        my %given = ( ident => 'RT', $config->Get('LogToSyslogConf') );
        $logs{syslog} = { level => $config->Get('LogToSyslog'), map { $_ => $given{$_} } qw(ident facility socket) };
    }
    return \%logs;
}

sub _log_file {
    my $name = RT->Config->Get('LogToFileNamed') || 'rt.log';
    return File::Spec->rel2abs($name) if $name =~ m{[/\\]};
    my $folder = RT->Config->Get('LogDir') || File::Spec->catdir( $RT::VarPath, 'log' );
    return File::Spec->rel2abs( File::Spec->catfile( $folder, $name ) );
}

1;
