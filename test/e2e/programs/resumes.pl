#!/usr/bin/perl
# resumes.pl COUNTER DONE COUNT BURST PAUSE PADDING: prints numbered lines up to COUNT, PADDING bytes longer than need be,
# with a pause of PAUSE seconds after each BURST of them. SIGTERM: puts down in the file COUNTER how many were printed,
# and ends; the next start goes on there. After the last line it makes the file DONE and lives on.
use strict;
use warnings;

my ($counter, $done, $count, $burst, $pause, $padding) = @ARGV;
my $stop = 0;
# no SA_RESTART: a write that waits for the reader ends with EINTR, and nothing of the line was written
$SIG{TERM} = sub { $stop = 1 };

my $printed = 0;
if (open(my $file, '<', $counter)) { $printed = <$file> + 0 }

my $pad = 'x' x $padding;
while (!$stop && $printed < $count) {
  # at most PIPE_BUF bytes: all of it is written or nothing, pipe(7)
  my $written = syswrite(STDOUT, 'line ' . ($printed + 1) . " $pad\n");
  if (defined $written) { $printed++ }
  elsif (!$!{EINTR}) { die "write: $!" }
  select(undef, undef, undef, $pause) if $printed % $burst == 0;
}

open(my $file, '>', "$counter.new") or die $!;
print $file "$printed\n";
close($file) or die $!;
rename("$counter.new", $counter) or die $!;
if (!$stop) { open(my $mark, '>', $done) or die $! }
sleep 1000 until $stop;
