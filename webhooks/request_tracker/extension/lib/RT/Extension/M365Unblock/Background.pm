# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) The m365-unblock authors

package RT::Extension::M365Unblock::Background;

use 5.016;
use strict;
use warnings;

use Config ();
use Errno qw(EINTR);
use POSIX ();

=encoding utf8

=head1 NAME

RT::Extension::M365Unblock::Background - starts a Perl script that outlives the request

=head1 DESCRIPTION

RT's process holds a database handle, the browser's connection and objects with destructors. None of them may be
touched by what goes on in the background, so the script runs in a program of its own: in a session of its own, with
three open files and hardly an environment.

So that nobody has to wait for its end, the script must begin with

    BEGIN { my $child = fork // exit 1; exit 0 if $child }

which costs next to nothing there, whereas a second fork of RT's large process would take as long as the first.

=head1 CLASS METHODS

=head2 Start Script => PATH, Input => \TEXT, KeepStderr => BOOL

Returns once the script is running by itself; the text is then on its standard input. Returns words if it could not be
started, an empty string otherwise.

=cut

sub Start {
    my ( $class, %args ) = @_;
    -r $args{Script} or return "$args{Script}: $!";
    # A web server's own handler must not reap our child, nor a write to a dead one end RT.
    local @SIG{qw(CHLD PIPE)} = qw(DEFAULT IGNORE);
    local $^F = 2;          # what we open is closed by exec
    local ( $!, $?, $@ );

    # Under FastCGI the first three descriptors may be closed; then our pipes would get their numbers.
    my @occupied = _occupy_first_three() or return "/dev/null: $!";
    pipe( my $input_out, my $input_in ) && pipe( my $fault_out, my $fault_in ) or return "no pipe: $!";
    my @command = ( _perl(), $args{Script} );
    defined( my $child = fork ) or return "no process: $!";
    _become( \@command, $input_out, $fault_in, $args{KeepStderr} ) if $child == 0;    # does not return
    close $_ for $input_out, $fault_in, @occupied;

    my $fault = _read($fault_out);    # ends when the script runs, as exec closes the pipe's other end
    _write( $input_in, $args{Input} ) unless length $fault;
    my $status = _wait($child);
    chomp $fault;
    return length $fault ? $fault : $status ? "$args{Script} could not go into the background" : '';
}

sub _perl {
    my $running = $^X;
    # Inside a web server it may be the server's own program.
    return $running =~ m{\A/(?:.*/)?perl[0-9.]*\z} && -x $running ? $running : $Config::Config{perlpath};
}

sub _occupy_first_three {
    my @handles;
    do {
        open my $handle, '+<', '/dev/null' or return;
        push @handles, $handle;
    } until fileno $handles[-1] > 2;
    return @handles;
}

# In the child. Nothing of RT may run here any more: no exception may reach it, no destructor, no END block.
sub _become {
    my ( $command, $input, $fault, $keep_stderr ) = @_;
    eval {
        local $SIG{__DIE__};
        POSIX::setsid();
        _exec( $command, fileno $input, fileno $fault, $keep_stderr );
    };
    syswrite $fault, $@ || 'unknown';
    POSIX::_exit(1);
}

sub _exec {
    my ( $command, $input, $fault, $keep_stderr ) = @_;
    # By number: Perl's own STDIN and STDOUT may be tied to the web server.
    my $null = POSIX::open( '/dev/null', POSIX::O_RDWR() ) // die "/dev/null: $!\n";
    for my $pair ( [ $input, 0 ], [ $null, 1 ], $keep_stderr ? () : [ $null, 2 ] ) {
        POSIX::dup2(@$pair) // die "descriptor $pair->[1]: $!\n";
    }
    POSIX::close($_) for grep { $_ > 2 && $_ != $fault } _descriptors();
    $SIG{$_} = 'DEFAULT' for qw(PIPE CHLD ALRM HUP INT TERM);
    %ENV = ( PATH => '/usr/bin:/bin', map { defined $ENV{$_} ? ( $_ => $ENV{$_} ) : () } qw(PERL5LIB TZ) );
    no warnings 'exec';
    exec { $command->[0] } @$command;
    die "$command->[0]: $!\n";
}

sub _descriptors {
    opendir my $listing, '/proc/self/fd' or return 3 .. 255;
    return grep { /\A[0-9]+\z/ } readdir $listing;
}

sub _read {
    my ($from) = @_;
    my $all = '';
    while (1) {
        my $got = sysread $from, $all, 4096, length $all;
        next if !defined $got && $! == EINTR;
        return $all unless $got;
    }
}

# By reference, so that the text is in no stack trace.
sub _write {
    my ( $to, $text ) = @_;
    my $done = 0;
    while ( $done < length $$text ) {
        my $wrote = syswrite $to, $$text, length($$text) - $done, $done;
        next if !defined $wrote && $! == EINTR;
        last unless $wrote;
        $done += $wrote;
    }
    close $to;
}

sub _wait {
    my ($child) = @_;
    my $got;
    1 while ( $got = waitpid( $child, 0 ) ) == -1 && $! == EINTR;
    return $got == $child ? $? : 0;
}

1;
