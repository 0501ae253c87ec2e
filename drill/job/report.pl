#!/usr/bin/perl
# Reads a report (one line) from standard input and prints the ConfigMap that keeps it, signed as the migration's reports are (migration/engine/signature.ts).
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_hex sha256_hex);
use JSON::PP ();

my $text = <STDIN>;
chomp $text;
my %data = ('report.json' => $text, 'report.json.sha256' => sha256_hex($text), 'report.json.hmac-sha256' => hmac_sha256_hex($text, pack 'H*', $ENV{SIGNING_KEY}));
# The text is UTF-8 already, and is to stay as it was signed.
utf8::decode($_) for values %data;
print JSON::PP->new->utf8->canonical->encode({
    apiVersion => 'v1', kind => 'ConfigMap',
    metadata => { name => $ENV{REPORT}, namespace => $ENV{NAMESPACE}, labels => { 'app.kubernetes.io/managed-by' => 'naytife-postgres', 'app.kubernetes.io/name' => 'naytife-postgres-restore-drill' } },
    data => \%data,
});
