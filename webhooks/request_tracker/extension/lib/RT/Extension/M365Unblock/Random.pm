# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) The m365-unblock authors

package RT::Extension::M365Unblock::Random;

use 5.016;
use strict;
use warnings;

use MIME::Base64 qw(encode_base64url);

=encoding utf8

=head1 NAME

RT::Extension::M365Unblock::Random - ids that nobody can guess

=head2 Text BYTES

So many bytes from the operating system's random source, as text that is safe in addresses. Dies if it cannot be read.

=cut

sub Text {
    my ( $class, $count ) = @_;
    # Perl's own rand() can be predicted, and a forked web server's children may even share its state.
    open my $source, '<:raw', '/dev/urandom' or die "/dev/urandom: $!\n";
    my $got = sysread $source, ( my $bytes ), $count;
    die "/dev/urandom gave too little\n" unless defined $got && $got == $count;
    return encode_base64url($bytes);
}

1;
