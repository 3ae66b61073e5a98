/* packfile.c -- see packfile.h and runtime/abi.h. */
#include "tools/packfile.h"

#include <string.h>

#include "base/check.h"

void pack_tensors(struct arena *a, const struct ir_module *m, const struct data_plan *plan, struct buf *out) {
    struct setun_tensor *table = arena_array(a, struct setun_tensor, plan->n_tensors + 1);
    uint64_t at = plan->n_tensors * sizeof *table;
    for (uint32_t i = 0; i < plan->n_tensors; i++) {
        table[i] = plan->tensor[i];
        table[i].name = (uint32_t)at;
        table[i].name_bytes = (uint32_t)strlen(m->weights.at[i]->name);
        at += table[i].name_bytes;
    }
    buf_put(out, table, plan->n_tensors * sizeof *table);
    for (uint32_t i = 0; i < plan->n_tensors; i++) buf_put(out, m->weights.at[i]->name, table[i].name_bytes);
}

/* Sections one behind the other, each at a multiple of 64 from the start of the pack. */
static void lay_out(const struct pack_source *p, struct setun_pack *head) {
    uint64_t at = (sizeof *head + 63) / 64 * 64;
    for (int i = 0; i < SETUN_N_SECTIONS; i++) {
        head->section[i] = (struct setun_span){at, p->section[i].n};
        at = (at + p->section[i].n + 63) / 64 * 64;
    }
    head->data = (struct setun_span){(at + SETUN_PACK_ALIGN - 1) / SETUN_PACK_ALIGN * SETUN_PACK_ALIGN, p->plan->bytes};
}

uint64_t pack_id(const struct pack_source *p) {
    static const enum setun_section parts[] = {SETUN_SEC_MODEL, SETUN_SEC_CONFIG, SETUN_SEC_IR, SETUN_SEC_TENSORS};
    uint64_t id = SETUN_ABI;
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        id = (id ^ setun_hash(p->section[parts[i]].at, p->section[parts[i]].n)) * 0x9E3779B97F4A7C15u;
    return id;
}

/* Header and sections as they will lie in the file; the hash covers both, from the places on. */
static bool write_sections(struct out *o, const struct pack_source *p, struct setun_pack *head) {
    static const char zero[64];
    struct buf all = {0};
    buf_put(&all, head, sizeof *head);
    for (int i = 0; i < SETUN_N_SECTIONS; i++) {
        buf_put(&all, zero, (size_t)head->section[i].offset - all.n);
        if (p->section[i].n) buf_put(&all, p->section[i].at, (size_t)p->section[i].n);
    }
    size_t from = offsetof(struct setun_pack, data);
    head->header_hash = setun_hash(all.at + from, all.n - from);
    memcpy(all.at, head, sizeof *head);
    bool ok = out_write(o, all.at, all.n);
    buf_free(&all);
    return ok && out_pad(o, SETUN_PACK_ALIGN);
}

/* From the checkpoint, or from the pack before, if its tensors lie alike: for another target. */
static bool write_data(struct diag *d, struct out *o, const struct pack_source *p, struct setun_pack *head,
                       void (*progress)(void *self, uint64_t done, uint64_t all), void *self) {
    const struct pack_made *m = p->made;
    uint64_t at = out_tell(o);
    if (m && m->out && m->id == head->id && m->bytes == head->data.bytes) {
        head->data_hash = m->hash;
        return out_append_part(o, m->out, m->at, m->bytes);
    }
    if (!data_write(d, p->module, p->plan, p->weights, o, &head->data_hash, progress, self)) return false;
    if (m) *p->made = (struct pack_made){o, at, head->id, head->data.bytes, head->data_hash};
    return true;
}

bool pack_write(struct diag *d, struct out *o, const struct pack_source *p, uint64_t id, uint64_t *bytes,
                void (*progress)(void *self, uint64_t done, uint64_t all), void *self) {
    struct setun_pack head = {.magic = SETUN_PACK_MAGIC, .abi = SETUN_ABI, .n_sections = SETUN_N_SECTIONS, .id = id};
    uint64_t start = out_tell(o);
    lay_out(p, &head);
    if (!write_sections(o, p, &head)) return false;
    if (!write_data(d, o, p, &head, progress, self)) return false;
    *bytes = out_tell(o) - start;
    return out_patch(o, start, &head, sizeof head);
}

bool pack_append(struct diag *d, struct out *o, const struct pack_source *p, uint64_t id,
                 void (*progress)(void *self, uint64_t done, uint64_t all), void *self) {
    struct setun_footer foot = {.magic = SETUN_FOOTER_MAGIC, .id = id};
    if (!out_pad(o, SETUN_PACK_ALIGN)) return false;
    foot.pack_offset = out_tell(o);
    return pack_write(d, o, p, id, &foot.pack_bytes, progress, self) && out_write(o, &foot, sizeof foot);
}
