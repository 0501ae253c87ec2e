#!/usr/bin/perl
# Reads the log of one attempt to recover (one JSON object a line, as the operator's instance manager writes it, and the plugin beside it) from standard input.
#   recovery-log.pl times    what took how long, as one JSON object; null what the log does not tell
#   recovery-log.pl reason   the last error in it; nothing if there is none
use strict;
use warnings;
use JSON::PP ();
use Time::Local qw(timegm);

my ($asked) = @ARGV;
my ($begun, $fetched, $server, $end, $from, $to, $reason);
my $segments = 0;
while (my $line = <STDIN>) {
    my $entry = eval { JSON::PP::decode_json($line) } or next;
    my $at = seconds($entry->{ts} // '') // next;
    my $record = ref $entry->{record} eq 'HASH' ? $entry->{record} : {};
    my $message = $record->{message} // $entry->{msg} // '';
    # The plugin's.
    $begun = $at if $message eq 'Starting barman-cloud-restore';
    $fetched = $at if $message eq 'Restore completed';
    $server //= $at if $message =~ /^(database system was interrupted|starting (point-in-time|backup|archive) recovery)/;
    $from = $1 if $message =~ m{^redo starts at ([0-9A-F]+/[0-9A-F]+)};
    ($end, $to) = ($at, $1) if $message =~ m{^redo done at ([0-9A-F]+/[0-9A-F]+)};
    $segments++ if $message =~ /^restored log file "[0-9A-F]{24}"/;
    $reason = $message . (defined $entry->{error} ? ": $entry->{error}" : '') if ($record->{error_severity} // '') =~ /^(FATAL|PANIC)$/ || ($entry->{level} // '') eq 'error';
}
if ($asked eq 'reason') {
    print $reason =~ s/\s+/ /gr, "\n" if defined $reason;
} else {
    print JSON::PP->new->canonical->encode({
        fetchSeconds => between($begun, $fetched), replaySeconds => between($server, $end),
        walBytes => defined $from && defined $to ? position($to) - position($from) : undef, walSegments => $segments,
    }), "\n";
}

sub between { my ($begin, $finish) = @_; return defined $begin && defined $finish ? 0 + sprintf('%.3f', $finish - $begin) : undef; }

sub position { my ($high, $low) = split m{/}, $_[0]; return hex($high) * 2**32 + hex $low; }

# Seconds since 1970 of a time in UTC.
sub seconds {
    my ($year, $month, $day, $hour, $minute, $second, $fraction) = $_[0] =~ /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?Z$/ or return undef;
    return timegm($second, $minute, $hour, $day, $month - 1, $year) + ($fraction // 0);
}
