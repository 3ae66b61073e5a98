/* printer.c -- token bytes on their way to the reader (printer.h). */
#include "runtime/printer.h"

#include <stdlib.h>
#include <string.h>

int setun_printer_open(struct setun_printer *p, const struct setun_tokenizer *t, const struct setun_opts *o) {
    *p = (struct setun_printer){.t = t, .special = o->special};
    int code = setun_out_stdout(&p->out);
    if (code != EXIT_OK) return code;
    bool ok = setun_stops_open(&p->stops, o->stop.at, o->stop.n, t ? t->longest : 0);
    p->clean = ok ? malloc(3 * (p->stops.cap + 3)) : NULL;
    p->raw = p->clean ? malloc((t ? t->longest : 0) + (size_t)1) : NULL;
    p->decoder = (struct setun_decoder){.t = t, .specials = o->special};
    return p->raw ? EXIT_OK : setun_fail(EXIT_MEMORY, "out of memory");
}

static void put_clean(struct setun_printer *p, size_t n) {
    setun_out_write(&p->out, p->clean, n);
    struct setun_copy *c = p->copy;
    if (!c) return;
    size_t most = n < c->cap - c->n ? n : c->cap - c->n;
    if (most > 0) memcpy(c->at + c->n, p->clean, most);
    c->n += most;
}

static void put(struct setun_printer *p, const uint8_t *bytes, size_t n) {
    put_clean(p, setun_utf8_push(&p->utf8, bytes, n, p->clean));
}

static void put_id(struct setun_printer *p, uint32_t id) { setun_out_printf(&p->out, p->ids++ > 0 ? " %u" : "%u", id); }

static uint32_t text_of(struct setun_printer *p, uint32_t id) {
    p->decoder.specials = p->special;
    return setun_decode(&p->decoder, id, p->raw);
}

void setun_printer_prompt(struct setun_printer *p, uint32_t id) {
    if (!p->t) {
        put_id(p, id);
    } else {
        put(p, p->raw, text_of(p, id));
    }
}

void setun_printer_token(struct setun_printer *p, uint32_t id) {
    if (!p->t) {
        put_id(p, id);
    } else {
        size_t ready = setun_stops_push(&p->stops, p->raw, text_of(p, id));
        put(p, p->stops.at, ready);
        setun_stops_take(&p->stops, ready);
    }
    setun_out_flush(&p->out);
}

void setun_printer_end(struct setun_printer *p) {
    if (!p->stops.hit) put(p, p->stops.at, p->stops.held);
    put_clean(p, setun_utf8_end(&p->utf8, p->clean));
    p->stops.hit = false;
    p->stops.held = 0;
}

int setun_printer_close(struct setun_printer *p) {
    free(p->clean);
    free(p->raw);
    setun_stops_close(&p->stops);
    return setun_out_close(&p->out, true);
}
