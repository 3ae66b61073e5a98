/*
 * bench.h -- the parts of `bench`: what measures memory and energy, and what prints.
 *
 * cmd_bench.c runs a test a number of times, with a pass of the meter before the first, between them and behind the
 * last, so that a machine that slows down for a moment does so for both.
 */
#ifndef SETUN_RUNTIME_BENCH_H
#define SETUN_RUNTIME_BENCH_H

#include "runtime/cmd.h"
#include "runtime/pick.h"

/* ---- the machine's read bandwidth (meter.c) ---- */

struct setun_meter {
    struct setun_team *team;
    const uint8_t *at;
    void *own;
    uint64_t n;     /* bytes of a pass */
    uint64_t cache; /* size of the last cache */
};

/* All return exit codes.  weights: their bytes.  Threads, and where those read the weights, are set, and may be set
 * anew, before the first pass, which then finds all pages mapped. */
int setun_meter_open(struct setun_meter *m, uint64_t weights);
int setun_meter_threads(struct setun_meter *m, const uint8_t *weights, uint32_t threads);
int setun_meter_pass(struct setun_meter *m, double *bytes_per_second);
void setun_meter_close(struct setun_meter *m); /* also after a failed open, and on zeroes */

/* ---- energy of packages and their memory, as the kernel counts it (energy.c) ---- */

enum { SETUN_ENERGY_ZONES = 16 };
struct setun_energy {
    uint32_t n; /* zones that can be read; 0: there is no energy to be had */
    struct {
        int fd;
        uint64_t range, before; /* microjoules; counters go from 0 to range and begin again */
    } zone[SETUN_ENERGY_ZONES];
};

/* root: NULL for the machine's, /sys/class/powercap. */
void setun_energy_open(struct setun_energy *e, const char *root);
void setun_energy_begin(struct setun_energy *e);
/* Joules since begin; less than 0 if a counter could not be read.  A counter that began anew did so once. */
double setun_energy_end(struct setun_energy *e);
void setun_energy_close(struct setun_energy *e);

/* ---- tables (table.c) ---- */

/* A column: its name in csv and json (NULL: not there), its heading in md (NULL: not there), and how printf shows its
 * numbers. */
struct setun_column {
    const char *name, *heading, *format;
};
/* Text, or a number; a NaN is an empty cell, null in json. */
struct setun_cell {
    const char *text;
    double number;
};
struct setun_table {
    struct setun_out out;
    const char *format; /* "md", "json" or "csv" */
    const struct setun_column *columns;
    uint32_t n;
    bool any; /* a row was written */
};

int setun_table_open(struct setun_table *t, const char *format, const struct setun_column *columns, uint32_t n);
void setun_table_row(struct setun_table *t, const struct setun_cell *cells); /* n cells; seen at once */
int setun_table_close(struct setun_table *t, bool keep);

double setun_median(double *values, uint32_t n); /* sorts; NaN if there are none */

/* ---- kernels (kernels.c) ---- */

/* Time, runs and bytes of weights not read of each kernel, added up while it is attached to an engine. */
struct setun_kernel_time {
    double seconds, skipped;
    uint32_t runs, reads; /* reads: runs that had rows; without live rows what is computed of them reads nothing */
};
struct setun_watch {
    const struct setun_model *model;
    struct setun_kernel_time *at; /* one a kernel of the model */
    uint32_t n;
    const struct setun_step *step; /* of the engine */
    double last;                   /* when the kernel before ended, and what was skipped by then */
    uint64_t last_skipped;
};

int setun_watch_open(struct setun_watch *w, const struct setun_model *m);
void setun_watch_clear(struct setun_watch *w);
void setun_watch_on(struct setun_watch *w, struct setun_native *n);
void setun_watch_off(struct setun_native *n);
/* Bytes that a kernel's runs read where nothing is skipped: of weights, and of caches, of which `positions` were seen
 * each time. */
double setun_watch_kernel(const struct setun_watch *w, const struct setun_model *m, uint32_t kernel, double positions);
/* The same of all kernels; and of those only that compute live rows. */
double setun_watch_live_bytes(const struct setun_watch *w, const struct setun_model *m, double positions);
double setun_watch_bytes(const struct setun_watch *w, const struct setun_model *m, double positions);
void setun_watch_close(struct setun_watch *w);

/* ---- tests (cmd_bench.c) ---- */

/* A prompt, then single tokens behind it. */
struct setun_bench_test {
    const char *name; /* "pp", "tg" or "pg" */
    uint32_t prompt, predict;
};
struct setun_bench_run {
    const struct setun_model *model;
    struct setun_native native;
    struct setun_watch watch;
    const uint32_t *tokens;
    uint32_t chunk, reps, depth;  /* chunk: rows of a step of the prompt; depth: positions in front of it */
    struct setun_sampler sampler; /* of a screened head: which logits the defaults of `run` would take */
    struct setun_picks picks;
    double skipped; /* bytes that the last setun_bench_once did not read */
};

/* "pp512", "tg128", "pp512+tg128", "tg128 @ 4096" */
void setun_bench_label(const struct setun_bench_run *r, const struct setun_bench_test *t, char *label, size_t size);
/* The whole of a test once. */
int setun_bench_once(struct setun_bench_run *r, const struct setun_bench_test *t, double *seconds);
uint32_t setun_bench_steps(const struct setun_bench_run *r, const struct setun_bench_test *t);
/* Positions in front of a step, mean of the steps. */
double setun_bench_depth(const struct setun_bench_run *r, const struct setun_bench_test *t);
/* `--kernels`: one row a kernel. */
extern const struct setun_column setun_kernel_columns[];
extern const uint32_t setun_kernel_n_columns;
int setun_bench_kernels(struct setun_bench_run *r, const struct setun_bench_test *t, struct setun_table *table);

#endif
