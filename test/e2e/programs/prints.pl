#!/usr/bin/perl
# prints.pl FOLDER NAME BURST PAUSE: prints numbered lines in bursts, each as fast as it can, with PAUSE seconds after each,
# until the file FOLDER/stop is there. Then it writes how many they were into FOLDER/NAME and lives on, so that its pipe does.
use strict;
use warnings;

my ($folder, $name, $burst, $pause) = @ARGV;
my $printed = 0;
$| = 1;
until (-e "$folder/stop") {
  print join '', map { 'line ' . ++$printed . " of $name\n" } 1 .. $burst;
  select(undef, undef, undef, $pause);
}
open(my $file, '>', "$folder/$name.new") or die $!;
print $file "$printed\n";
close($file) or die $!;
rename("$folder/$name.new", "$folder/$name") or die $!;
sleep 1000 while 1;
