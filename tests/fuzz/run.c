/* SPDX-License-Identifier: ISC */
/*
 * Runs a fuzz target without a fuzzer: on each seed in $srcdir/tests/fuzz/seeds/NAME (or on the files given as arguments), and on a fixed
 * number of mutations of each, the same in every run. With a fuzzer the target is linked with -fsanitize=fuzzer instead of this file.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUTATIONS 3000
#define SEED_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Exactly as large as its content, so that the sanitizers see every octet that is read beyond it. */
static void feed(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	if (copy == NULL)
		abort();
	memcpy(copy, data, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static size_t mutate(uint8_t *data, size_t n)
{
	static const uint8_t telling[] = { 0, '\r', '\n', ' ', '"', '(', ')', '{', '}', '[', ']', '<', '>', '\\', '=', '*', '-', ':', ';', ',', 0x80, 0xff };
	for (uint64_t k = 1 + next_random() % 4; k > 0 && n > 0; k--) {
		size_t at = next_random() % n;
		switch (next_random() % 5) {
		case 0:
			data[at] = (uint8_t)next_random();
			break;
		case 1:
			data[at] = telling[next_random() % sizeof(telling)];
			break;
		case 2: /* an octet less */
			memmove(data + at, data + at + 1, n - at - 1);
			n--;
			break;
		case 3: /* the end cut off */
			n = at;
			break;
		default: { /* a piece of it over another */
			size_t from = next_random() % n, len = next_random() % 64;
			len = len > n - at ? n - at : len;
			len = len > n - from ? n - from : len;
			memmove(data + at, data + from, len);
		}
		}
	}
	return n;
}

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (f == NULL) {
		perror(path);
		return 1;
	}
	uint8_t *seed = malloc(SEED_MAX), *work = malloc(SEED_MAX);
	if (seed == NULL || work == NULL)
		abort();
	size_t n = fread(seed, 1, SEED_MAX, f);
	fclose(f);
	feed(seed, n);
	for (int i = 0; i < MUTATIONS; i++) {
		memcpy(work, seed, n);
		feed(work, mutate(work, n));
	}
	free(seed);
	free(work);
	return 0;
}

static int run_seeds(const char *program)
{
	const char *slash = strrchr(program, '/'), *top = getenv("srcdir");
	char dir[4096], path[8192];
	int failed = 0, count = 0;
	snprintf(dir, sizeof(dir), "%s/tests/fuzz/seeds/%s", top ? top : ".", slash ? slash + 1 : program);
	DIR *d = opendir(dir);
	for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		failed |= run_file(path);
		count++;
	}
	if (d)
		closedir(d);
	printf("%s: %d seeds, %d mutations of each\n", dir, count, MUTATIONS);
	/* A target without seeds proves nothing. */
	return failed || count == 0;
}

int main(int argc, char **argv)
{
	int failed = 0;
	for (int i = 1; i < argc; i++)
		failed |= run_file(argv[i]);
	return argc > 1 ? failed : run_seeds(argv[0]);
}
