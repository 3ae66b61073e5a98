/*
 * open.c -- a handle of the library: opened, asked for its sizes, closed (lib.h).
 *
 * The pack is part of the library, so the dynamic linker or the kernel maps it; it is checked like an executable's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/chat/chat.h"
#include "runtime/cpu.h"
#include "runtime/lib/impl.h"
#include "runtime/rt.h"
#include "runtime/team.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

int setun_lib_code(int code) {
    switch (code) {
    case EXIT_OK: return SETUN_LIB_OK;
    case EXIT_MEMORY: return SETUN_LIB_MEMORY;
    case EXIT_MACHINE: return SETUN_LIB_MACHINE;
    case EXIT_VERIFY: return SETUN_LIB_VALUE;
    case EXIT_USAGE: return SETUN_LIB_ARGUMENT;
    default: return SETUN_LIB_DAMAGED;
    }
}

uint64_t setun_lib_enter(struct setun_lib *h) {
    h->message[0] = 0;
    uint64_t mode = setun_cpu_float_save();
    setun_cpu_float_default();
    return mode;
}

int setun_lib_memory_or(int error) { return errno == ENOMEM ? SETUN_LIB_MEMORY : error; }

static bool here(const struct setun_lib *h) { return h->threads < 2 || h->process == getpid(); }

int setun_lib_here(struct setun_lib *h) {
    if (here(h)) return SETUN_LIB_OK;
    return setun_lib_fail(h, SETUN_LIB_ARGUMENT, "another process, %d, opened this handle and has its threads",
                          h->process);
}

static uint32_t threads_of(const struct setun_lib_options *o) {
    if (!o->threads) return setun_default_threads(setun_model.ternary_bytes);
    uint32_t cpus = setun_cpus();
    return o->threads < cpus ? o->threads : cpus;
}

static uint32_t context_of(const struct setun_lib_options *o) { return o->context ? o->context : setun_model.context; }

/* The settings that need the most room. */
static struct setun_sampling greedy(void) { return (struct setun_sampling){.top_p = 1, .repeat_penalty = 1}; }

/* ---- the parts ---- */

static int open_pack(struct setun_lib *h) {
    const struct setun_lib_place *at = &setun_lib_place;
    char why[256];
    if (setun_model.abi != SETUN_ABI) {
        return setun_lib_fail(h, SETUN_LIB_DAMAGED, "code of version %u, runtime of version %u", setun_model.abi,
                              SETUN_ABI);
    }
    uint64_t n = (uint64_t)(at->end - at->begin);
    if (!setun_pack_at(&h->pack, at->begin, n, setun_model.pack_id, &setun_model, why, sizeof why)) {
        return setun_lib_fail(h, SETUN_LIB_DAMAGED, "weight pack: %s", why);
    }
    return SETUN_LIB_OK;
}

static int open_tokenizer(struct setun_lib *h) {
    uint64_t n;
    char why[256];
    const void *section = setun_pack_section(&h->pack, SETUN_SEC_TOKENIZER, &n);
    errno = 0;
    if (n == 0) return SETUN_LIB_OK;
    if (setun_tok_open(&h->tok, section, n, why, sizeof why)) {
        const struct setun_chat *chat = setun_pack_section(&h->pack, SETUN_SEC_CHAT, &n);
        h->chat = setun_chat_wrong(chat, n, h->tok.tok->n_tokens) ? NULL : chat;
        return SETUN_LIB_OK;
    }
    return setun_lib_fail(h, setun_lib_memory_or(SETUN_LIB_DAMAGED), "tokenizer: %s", why);
}

/* What is not in memory yet is read in order, instead of page by page in the order of the first step. */
static void populate(const struct setun_lib *h) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)h->pack.data & ~(page - 1);
    uintptr_t n = (uintptr_t)h->pack.data + h->pack.head->data.bytes - from;
    if (madvise((void *)from, n, MADV_POPULATE_READ) != 0) madvise((void *)from, n, MADV_WILLNEED);
}

static int open_engine(struct setun_lib *h, const struct setun_lib_options *o) {
    struct setun_native_config c = {.model = &setun_model,
                                    .weights = h->pack.data,
                                    .weights_hash = h->pack.head->data_hash,
                                    .threads = h->threads,
                                    .context = context_of(o),
                                    .host = &h->host};
    int code = setun_level_choose(&setun_model, setun_cpu_features(), o->level, &h->host, &c.level);
    if (code == EXIT_OK) code = setun_native_open(&h->n, &c);
    if (code != EXIT_OK) return setun_lib_code(code);
    h->n.e.screen = h->n.e.can_screen;
    return SETUN_LIB_OK;
}

static int open_buffers(struct setun_lib *h) {
    const struct setun_engine *e = &h->n.e;
    struct setun_sampling set = greedy();
    h->logits = strcmp(e->out_name, "logits") == 0;
    h->ids = calloc(e->context, sizeof *h->ids);
    h->rows = calloc(e->max_rows, sizeof *h->rows);
    bool ok = h->ids && h->rows && (!h->logits || setun_sampler_open(&h->sampler, &set, e->out_elems));
    if (!ok) return setun_lib_fail(h, SETUN_LIB_MEMORY, "out of memory");
    h->most = h->sampler.most;
    return SETUN_LIB_OK;
}

SETUN_LIB_INSIDE int open_all(struct setun_lib *h, const struct setun_lib_options *o) {
    h->threads = threads_of(o);
    h->process = getpid();
    int error = open_pack(h);
    if (error == SETUN_LIB_OK) error = open_tokenizer(h);
    if (error == SETUN_LIB_OK) error = open_engine(h, o);
    if (error == SETUN_LIB_OK) error = open_buffers(h);
    if (error == SETUN_LIB_OK) populate(h);
    return error;
}

int setun_lib_open(const struct setun_lib_options *options, struct setun_lib **handle, char *error, size_t n) {
    static const struct setun_lib_options none;
    struct setun_host host = {.message = error, .n = error ? n : 0};
    if (host.n) *error = 0;
    if (!handle) {
        setun_error_to(&host, "there is no place for the handle");
        return SETUN_LIB_ARGUMENT;
    }
    struct setun_lib *h = *handle = calloc(1, sizeof *h);
    if (!h) {
        setun_error_to(&host, "out of memory");
        return SETUN_LIB_MEMORY;
    }
    h->host = host;
    uint64_t mode = setun_lib_enter(h);
    int code = open_all(h, options ? options : &none);
    setun_cpu_float_restore(mode);
    h->host = (struct setun_host){.message = h->message, .n = sizeof h->message};
    if (code == SETUN_LIB_OK) return code;
    setun_lib_close(h);
    *handle = NULL;
    return code;
}

void setun_lib_close(struct setun_lib *h) {
    if (!h) return;
    if (h->n.team && !here(h)) h->n.team->n = h->n.team->started = 1; /* the others are not in this process */
    setun_sampler_close(&h->sampler);
    setun_native_close(&h->n);
    setun_tok_close(&h->tok);
    free(h->ids);
    free(h->rows);
    free(h);
}

/* ---- sizes ---- */

const char *setun_lib_message(const struct setun_lib *h) { return h ? h->message : "there is no handle"; }
uint64_t setun_lib_id(void) { return setun_model.pack_id; }
const char *setun_lib_version(void) { return setun_model.compiler; }
uint32_t setun_lib_vocab(void) { return setun_model.vocab; }
uint32_t setun_lib_outputs(void) { return setun_model.out_elems; }
uint32_t setun_lib_context(const struct setun_lib *h) { return h ? h->n.e.context : 0; }
uint32_t setun_lib_length(const struct setun_lib *h) { return h ? h->held : 0; }
uint32_t setun_lib_threads(const struct setun_lib *h) { return h ? h->threads : 0; }

uint64_t setun_lib_memory(const struct setun_lib_options *options) {
    static const struct setun_lib_options none;
    const struct setun_lib_options *o = options ? options : &none;
    const uint64_t vocab = setun_model.out_elems; /* of the sampler: logits, keys twice, a bit, candidates */
    uint64_t bytes;
    if (!setun_native_bytes(&setun_model, threads_of(o), context_of(o), &bytes)) return 0;
    bytes += sizeof(struct setun_lib) + (uint64_t)context_of(o) * sizeof(uint32_t);
    bytes += (uint64_t)setun_model.max_rows * (sizeof(struct setun_row) + sizeof(uint32_t));
    return bytes + vocab * 21;
}
