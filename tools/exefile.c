/* exefile.c -- see exefile.h; the checks are the runtime's own. */
#include "tools/exefile.h"

#include <elf.h>
#include <string.h>

#include "backends/backend.h"
#include "runtime/pack.h"

static bool bad_exe(struct command_ctx *cx, const struct exe_file *e, const char *why) {
    return diag_in(cx->diag, e->path, DIAG_NOT_EXECUTABLE, why);
}

/* Nothing that is read behind the code depends on the machine that it is for. */
static const char *target_of(const struct mapped *file) {
    Elf64_Ehdr head;
    struct backend_target t;
    if (file->n < sizeof head) return NULL;
    memcpy(&head, file->at, sizeof head);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
        head.e_ident[EI_DATA] != ELFDATA2LSB)
        return NULL;
    for (unsigned i = 0; backend_target_at(i, &t); i++)
        if (t.elf_machine == head.e_machine) return t.name;
    return NULL;
}

bool exe_open(struct command_ctx *cx, const char *path, struct exe_file *e) {
    struct setun_footer foot;
    char why[256];
    *e = (struct exe_file){.path = path};
    if (!file_map(cx->diag, path, &e->file)) return false;
    if (e->file.n < sizeof foot) return bad_exe(cx, e, "too short");
    memcpy(&foot, e->file.at + e->file.n - sizeof foot, sizeof foot);
    if (!setun_footer_check(&foot, e->file.n, why, sizeof why)) return bad_exe(cx, e, why);
    const void *pack = e->file.at + foot.pack_offset;
    if (!setun_pack_check(pack, foot.pack_bytes, foot.id, NULL, why, sizeof why)) return bad_exe(cx, e, why);
    e->pack = pack;
    e->target = target_of(&e->file);
    return true;
}

void exe_close(struct exe_file *e) {
    file_unmap(&e->file);
    e->pack = NULL;
}

struct ir_module *exe_module(struct command_ctx *cx, const struct exe_file *e) {
    const struct setun_span *s = &e->pack->section[SETUN_SEC_IR];
    const char *text = (const char *)e->pack + s->offset;
    uint32_t file = diag_add_text(cx->diag, e->path, text, s->bytes);
    struct ir_module *m = ir_parse(cx->diag, cx->arena, cx->names, file, text, s->bytes);
    return m && ir_verify(cx->diag, m, NULL) ? m : NULL;
}

bool exe_weights(struct command_ctx *cx, const struct exe_file *e, const struct ir_module *m, struct ir_weights *w) {
    struct data_plan *plan = arena_one(cx->arena, struct data_plan);
    const struct setun_span *data = &e->pack->data;
    data_plan_make(cx->arena, m, plan);
    if (plan->bytes != data->bytes) return bad_exe(cx, e, "its weights do not fit its IR");
    *w = data_weights(cx->diag, e->path, cx->arena, plan, (const uint8_t *)e->pack + data->offset, data->bytes);
    return true;
}
