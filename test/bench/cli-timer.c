/* Times whole processes, start to end: cli-timer ROUNDS cmd arg... :: cmd arg... :: ...
 * The commands take turns within a round, so that noise of the machine meets all of them alike.
 * One line a command: median, least and 90th percentile in milliseconds, and the last exit code. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
  enum { MOST = 32 };
  char **commands[MOST];
  double *times[MOST];
  int codes[MOST], count = 0, rounds = argc > 2 ? atoi(argv[1]) : 0;
  if (rounds < 1) return 2;
  commands[count++] = argv + 2;
  for (int i = 2; i < argc && count < MOST; i++)
    if (strcmp(argv[i], "::") == 0) argv[i] = NULL, commands[count++] = argv + i + 1;
  for (int c = 0; c < count; c++) times[c] = calloc(rounds, sizeof(double));

  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
  /* two rounds more than asked: the first ones read the binaries from disk */
  for (int r = -2; r < rounds; r++)
    for (int c = 0; c < count; c++) {
      pid_t pid;
      int status;
      double start = now();
      if (posix_spawnp(&pid, commands[c][0], &quiet, NULL, commands[c], environ) != 0) return 1;
      if (waitpid(pid, &status, 0) != pid) return 1;
      if (r >= 0) times[c][r] = now() - start;
      codes[c] = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
  for (int c = 0; c < count; c++) {
    qsort(times[c], rounds, sizeof(double), compare);
    printf("%.3f %.3f %.3f %d\n", times[c][rounds / 2], times[c][0], times[c][rounds * 9 / 10], codes[c]);
  }
  return 0;
}
