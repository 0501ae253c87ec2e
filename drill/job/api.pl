#!/usr/bin/perl
# One request to Kubernetes' API server, with what every operand image has: perl's core modules, and openssl for TLS.
# See docs/decisions/drill-speaks-with-kubernetes.md.
#
#   api.pl METHOD PATH                    prints the answer as it comes, so that a log can be followed
#   api.pl METHOD PATH LIST POINTER...    prints, for each element of a list in the answer (for the answer itself where LIST is empty), the values at these
#                                         JSON pointers on a line, divided by tabs; "-" where there is none
#
# PATCH takes a whole object from standard input: it is made, or made equal to that (server-side apply).
# Ends with 0; with 4 where there is no such object; with 1 for anything else, and says why on standard error.
use strict;
use warnings;
use IO::Handle;
use IPC::Open3 qw(open3);
use JSON::PP ();

my ($method, $path, $list, @pointers) = @ARGV;
my $account = '/var/run/secrets/kubernetes.io/serviceaccount';
my $host = $ENV{KUBERNETES_SERVICE_HOST} or refuse(1, 'this does not run in a pod');
my $port = $ENV{KUBERNETES_SERVICE_PORT} // 443;
my $address = $host =~ /:/ ? "[$host]:$port" : "$host:$port";
local $SIG{PIPE} = 'IGNORE';

my $body = '';
if ($method eq 'PATCH') {
    local $/ = undef;
    $body = <STDIN>;
    $path .= '?fieldManager=naytife-postgres-drill&force=true';
}
# HTTP 1.0: the answer comes in one piece, and the connection ends with it. The token goes by standard input, since everybody may read a command's arguments.
my @head = ("$method $path HTTP/1.0", "Host: $address", 'Accept: application/json, */*', 'Authorization: Bearer ' . contents("$account/token"));
push @head, 'Content-Type: application/apply-patch+yaml', 'Content-Length: ' . length $body if $body ne '';

my @verify = $host =~ /^[\d.]+$|:/ ? ('-verify_ip', $host, '-noservername') : ('-verify_hostname', $host);
# What it says is of interest only where no answer comes.
open my $said, '+>', undef or refuse(1, "no temporary file: $!");
my $process = open3(my $question, my $answer, '>&' . fileno $said, qw(openssl s_client -quiet -verify_quiet -verify_return_error -CAfile), "$account/ca.crt", @verify, '-connect', $address);
binmode $_ for $answer, $question;
print {$question} join("\r\n", @head), "\r\n\r\n", $body;
# It stays open: its end would end the connection.
$question->flush;

my $read = '';
while ($read !~ /\r\n\r\n/ && sysread $answer, $read, 65536, length $read) { }
my ($headers, $text) = split /\r\n\r\n/, $read, 2;
my ($code) = ($headers // '') =~ m{^HTTP/1\.\d (\d+)} or refuse(1, "the API server does not answer at $address: " . last_line($said));
my ($length) = $headers =~ /^Content-Length: (\d+)/mi;
my $fine = $code =~ /^2/;
my $streams = $fine && !defined $list;
STDOUT->autoflush(1);
my $total = length $text;
print $text if $streams;
while ((!defined $length || $total < $length) && sysread $answer, my $part, 65536) {
    $total += length $part;
    if ($streams) { print $part } else { $text .= $part }
}
refuse(1, "the API server's answer to $method $path broke off") if defined $length && $total < $length;
if (!$fine) {
    my $status = eval { JSON::PP::decode_json($text) } // {};
    refuse($code == 404 ? 4 : 1, "the API server refuses $method $path: HTTP $code, " . shown($status->{message} // $text));
}
if (defined $list) {
    my $object = eval { JSON::PP::decode_json($text) } or refuse(1, "the API server's answer to $method $path broke off");
    binmode STDOUT, ':utf8';
    for my $element ($list eq '' ? $object : @{ at($object, $list) // [] }) {
        print join("\t", map { shown(at($element, $_)) } @pointers), "\n";
    }
}
kill 'TERM', $process;
waitpid $process, 0;

sub refuse { my ($status, $why) = @_; print STDERR "$why\n"; exit $status; }

sub last_line {
    my ($file) = @_;
    seek $file, 0, 0;
    my @lines = <$file>;
    return ($lines[-1] // 'it closed the connection') =~ s/\s+$//r;
}

sub contents {
    my ($name) = @_;
    open my $file, '<:raw', $name or refuse(1, "$name: $!");
    local $/ = undef;
    return <$file> =~ s/\s+$//r;
}

# The value at a JSON pointer (RFC 6901).
sub at {
    my ($value, $pointer) = @_;
    for my $step (split m{/}, substr $pointer, 1) {
        $step =~ s{~1}{/}g;
        $step =~ s{~0}{~}g;
        $value = ref $value eq 'HASH' ? $value->{$step} : ref $value eq 'ARRAY' && $step =~ /^\d+$/ ? $value->[$step] : undef;
    }
    return $value;
}

# One field of a line.
sub shown {
    my ($value) = @_;
    return '-' if !defined $value || $value eq '';
    $value = JSON::PP->new->canonical->encode($value) if ref $value && !JSON::PP::is_bool($value);
    return $value =~ s/\s+/ /gr;
}
