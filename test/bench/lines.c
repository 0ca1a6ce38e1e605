/* lines N RATE FILE: prints N lines of 120 bytes, RATE a second (0: as fast as it can), each beginning with its number.
 * FILE gets the time of the first and of the last write, in nanoseconds since the epoch. Then it sleeps, so that what
 * is measured is reading and not the end of a process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { length = 120, most = 500 };

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  long n = atol(argv[1]), rate = atol(argv[2]), each = rate ? rate / 100 : most;
  if (each < 1) each = 1;
  if (each > most) each = most;
  static char buffer[length * most];
  char line[length + 64];
  int at = snprintf(line, sizeof line, "seq=000000000 level=info method=GET path=/api/v1/items/42 status=200 user=alice "
                                       "took=12ms msg=\"request completed\" pad=");
  while (at < length - 1) line[at] = 'a' + at % 26, at++;
  line[length - 1] = '\n';
  long long start = now();
  struct timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  for (long i = 0; i < n;) {
    long count = n - i < each ? n - i : each;
    for (long j = 0; j < count; j++, i++) {
      char *to = buffer + j * length;
      memcpy(to, line, length);
      long x = i;
      for (int d = 12; d >= 4; d--, x /= 10) to[d] = '0' + x % 10;
    }
    for (char *p = buffer, *end = buffer + count * length; p < end;) {
      ssize_t k = write(1, p, end - p);
      if (k <= 0) return 3;
      p += k;
    }
    if (rate) {
      next.tv_nsec += 1000000000L / rate * count;
      while (next.tv_nsec >= 1000000000L) next.tv_nsec -= 1000000000L, next.tv_sec++;
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
  }
  FILE *file = fopen(argv[3], "w");
  if (!file) return 4;
  fprintf(file, "%lld %lld\n", start, now());
  fclose(file);
  for (;;) pause();
}
