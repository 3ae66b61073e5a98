/*
 * packobj.c -- see packobj.h.
 *
 *   ELF header | pad to 64 KiB | pack, zero bytes | symbols, their names | names of sections | section headers
 *
 * Written by hand, because a pack may be larger than memory and tools that make objects hold what they put there.
 * On x86-64 the section is a large one, which linkers keep away from what code reaches with 32 bits.
 * System V ABI, chapter 4; x86-64 psABI, "Special Sections".
 */
#include "tools/packobj.h"

#include <elf.h>
#include <string.h>

#ifndef SHF_X86_64_LARGE
#define SHF_X86_64_LARGE 0x10000000
#endif

enum {
    ALIGN = 4096, /* of the pack in a program: a page, as far as all loaders go */
    TAIL = 4096,  /* readable bytes behind the last weight, as in an executable's mapping */
};

enum section { S_NONE, S_PACK, S_STACK, S_SYMBOLS, S_STRINGS, S_NAMES, N_SECTIONS };

struct object {
    Elf64_Ehdr head;
    Elf64_Shdr section[N_SECTIONS];
    struct buf names;
    uint64_t start; /* of the object in o */
};

static void set_section(struct object *b, enum section s, const char *name, uint32_t type, uint64_t flags,
                        uint64_t align) {
    b->section[s] =
        (Elf64_Shdr){.sh_name = (Elf64_Word)b->names.n, .sh_type = type, .sh_flags = flags, .sh_addralign = align};
    buf_put(&b->names, name, strlen(name) + 1);
}

static void name_sections(struct object *b) {
    bool large = b->head.e_machine == EM_X86_64;
    buf_put(&b->names, "", 1);
    set_section(b, S_PACK, large ? ".lrodata.setun" : ".rodata.setun", SHT_PROGBITS,
                SHF_ALLOC | (large ? SHF_X86_64_LARGE : 0), ALIGN);
    set_section(b, S_STACK, ".note.GNU-stack", SHT_PROGBITS, 0, 1);
    set_section(b, S_SYMBOLS, ".symtab", SHT_SYMTAB, 0, 8);
    set_section(b, S_STRINGS, ".strtab", SHT_STRTAB, 0, 1);
    set_section(b, S_NAMES, ".shstrtab", SHT_STRTAB, 0, 1);
    b->section[S_SYMBOLS].sh_link = S_STRINGS;
    b->section[S_SYMBOLS].sh_info = 1; /* all symbols but the first are global */
    b->section[S_SYMBOLS].sh_entsize = sizeof(Elf64_Sym);
}

/* The machine's own fields are copied from another object. */
static bool read_like(struct diag *d, const char *like, struct object *b) {
    struct mapped file;
    if (!file_map(d, like, &file)) return false;
    if (file.n < sizeof b->head) BUG("%s is no object", like);
    memcpy(&b->head, file.at, sizeof b->head);
    file_unmap(&file);
    b->head.e_type = ET_REL;
    b->head.e_entry = b->head.e_phoff = 0;
    b->head.e_phnum = 0;
    b->head.e_phentsize = 0;
    b->head.e_shnum = N_SECTIONS;
    b->head.e_shstrndx = S_NAMES;
    b->head.e_shentsize = sizeof(Elf64_Shdr);
    return true;
}

/* The next section's bytes; its alignment counts from the start of the object. */
static bool put(struct out *o, struct object *b, enum section s, const void *at, uint64_t n) {
    if (!out_pad(o, b->section[s].sh_addralign)) return false;
    b->section[s].sh_offset = out_tell(o) - b->start;
    b->section[s].sh_size = n;
    return out_write(o, at, n);
}

static bool put_symbols(struct out *o, struct object *b, const char *prefix, uint64_t pack_bytes) {
    struct buf names = {0};
    buf_put(&names, "", 1);
    Elf64_Sym sym[3] = {{0}};
    for (int i = 1; i < 3; i++) {
        sym[i] = (Elf64_Sym){.st_name = (Elf64_Word)names.n,
                             .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
                             .st_other = STV_HIDDEN,
                             .st_shndx = S_PACK,
                             .st_value = i == 1 ? 0 : pack_bytes,
                             .st_size = i == 1 ? pack_bytes : 0};
        buf_printf(&names, "%s_pack%s", prefix, i == 1 ? "" : "_end");
        buf_put(&names, "", 1);
    }
    bool ok = put(o, b, S_SYMBOLS, sym, sizeof sym) && put(o, b, S_STRINGS, names.at, names.n);
    buf_free(&names);
    return ok;
}

bool packobj_write(struct diag *d, struct out *o, const struct pack_source *p, uint64_t id, const char *prefix,
                   const char *like, void (*progress)(void *self, uint64_t done, uint64_t all), void *self) {
    struct object b = {.start = out_tell(o)};
    static const uint8_t tail[TAIL];
    uint64_t bytes = 0;
    if (!read_like(d, like, &b)) return false;
    name_sections(&b);
    bool ok = out_write(o, &b.head, sizeof b.head) && out_pad(o, SETUN_PACK_ALIGN);
    b.section[S_PACK].sh_offset = out_tell(o) - b.start;
    ok = ok && pack_write(d, o, p, id, &bytes, progress, self) && out_write(o, tail, sizeof tail);
    b.section[S_PACK].sh_size = bytes + sizeof tail;
    ok = ok && put(o, &b, S_STACK, "", 0) && put_symbols(o, &b, prefix, bytes) &&
         put(o, &b, S_NAMES, b.names.at, b.names.n) && out_pad(o, 8);
    b.head.e_shoff = out_tell(o) - b.start;
    ok = ok && out_write(o, b.section, sizeof b.section) && out_patch(o, b.start, &b.head, sizeof b.head);
    buf_free(&b.names);
    return ok;
}
