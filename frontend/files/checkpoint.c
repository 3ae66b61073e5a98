/*
 * checkpoint.c -- the files of a checkpoint: one safetensors file, or shards and their index, or GGUF; tensors by name.
 */
#include "frontend/files/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/files/checkpoint_impl.h"
#include "frontend/files/json.h"

static const struct jlimits index_limits = {.bytes = 64 << 20, .depth = 8, .values = 2000000};
static const char single_name[] = "model.safetensors", index_name[] = "model.safetensors.index.json";

static bool open_file(struct checkpoint *cp, const char *path) {
    struct tensor_file *f = arena_one(cp->arena, struct tensor_file);
    if (!st_open(cp->diag, cp->arena, path, f)) return false;
    *vec_push(cp->arena, &cp->files) = f;
    return true;
}

/* ---- shards: index.weight_map says which file holds which tensor ---- */

/* A name in the folder itself, whatever the system that wrote it. */
static bool is_plain_name(const char *s) {
    return *s && !strpbrk(s, "/\\:") && !strstr(s, "..") && strcmp(s, ".") != 0;
}

static struct tensor_file *shard_called(const struct checkpoint *cp, const char *path) {
    for (size_t i = 0; i < cp->files.n; i++)
        if (strcmp(cp->files.at[i]->path, path) == 0) return cp->files.at[i];
    return NULL;
}

static bool open_shards(struct checkpoint *cp, const struct jfile *j, const json_t *map) {
    const char *tensor;
    json_t *file;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, file) {
        const char *name = json_string_value(file);
        if (!name)
            return diag_in(cp->diag, jfile_where(j, "weight_map", tensor), DIAG_JSON_TYPE, "a string", json_kind(file));
        if (!is_plain_name(name)) return diag_in(cp->diag, jfile_where(j, "weight_map", tensor), DIAG_SHARD_NAME, name);
        const char *path = arena_printf(cp->arena, "%s/%s", cp->folder, name);
        if (!shard_called(cp, path) && !open_file(cp, path)) return false;
    }
    return true;
}

/* Both ways: each tensor of a shard is mapped to it, and each mapped tensor is there. */
static bool check_shards(struct checkpoint *cp, const struct jfile *j, const json_t *map) {
    size_t n = 0;
    for (size_t f = 0; f < cp->files.n; f++) {
        const struct tensor_file *file = cp->files.at[f];
        const char *base = strrchr(file->path, '/') + 1;
        n += file->n;
        for (size_t i = 0; i < file->n; i++) {
            const char *mapped = json_string_value(json_object_get(map, file->tensor[i].name));
            if (!mapped || strcmp(mapped, base) != 0)
                return diag_in(cp->diag, tensor_where(cp->arena, &file->tensor[i], 0), DIAG_SHARD_EXTRA, j->path);
        }
    }
    if (n == json_object_size(map)) return true;
    const char *tensor;
    json_t *name;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, name) {
        const struct tensor_file *file =
            shard_called(cp, arena_printf(cp->arena, "%s/%s", cp->folder, json_string_value(name)));
        bool found = false;
        for (size_t i = 0; file && i < file->n && !found; i++) found = strcmp(file->tensor[i].name, tensor) == 0;
        if (!found)
            return diag_in(cp->diag, jfile_where(j, "weight_map", tensor), DIAG_SHARD_ABSENT, json_string_value(name));
    }
    return true;
}

static bool read_index(struct checkpoint *cp, const char *path) {
    struct jfile j;
    const json_t *map = NULL;
    if (!jfile_open(&j, cp->diag, cp->arena, path, index_limits)) return false;
    enum jgot got = jfile_object(&j, j.root, NULL, "weight_map", &map);
    if (got == JGOT_ABSENT)
        diag_in(cp->diag, jfile_where(&j, "weight_map", NULL), DIAG_JSON_TYPE, "an object", "nothing");
    bool ok = got == JGOT_VALUE && open_shards(cp, &j, map) && check_shards(cp, &j, map);
    const char *single = arena_printf(cp->arena, "%s/%s", cp->folder, single_name);
    if (ok && access(single, F_OK) == 0 && !shard_called(cp, single))
        diag_in(cp->diag, single, DIAG_SHARD_IGNORED, index_name);
    jfile_close(&j);
    return ok;
}

/* ---- tensors by name ---- */

static int by_name(const void *a, const void *b) {
    const struct tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static bool build_table(struct checkpoint *cp) {
    for (size_t f = 0; f < cp->files.n; f++)
        for (size_t i = 0; i < cp->files.at[f]->n; i++)
            *vec_push(cp->arena, &cp->tensors) = &cp->files.at[f]->tensor[i];
    if (cp->tensors.n) qsort(cp->tensors.at, cp->tensors.n, sizeof *cp->tensors.at, by_name);
    cp->learned = arena_array(cp->arena, struct learned, cp->tensors.n);
    for (size_t i = 1; i < cp->tensors.n; i++)
        if (strcmp(cp->tensors.at[i - 1]->name, cp->tensors.at[i]->name) == 0)
            return diag_in(cp->diag, tensor_where(cp->arena, cp->tensors.at[i], 0), DIAG_SHARD_TWICE,
                           cp->tensors.at[i - 1]->file->path);
    return true;
}

struct tensor *checkpoint_lookup(const struct checkpoint *cp, const char *name) {
    size_t low = 0, high = cp->tensors.n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(name, cp->tensors.at[mid]->name);
        if (order == 0) return cp->tensors.at[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

struct learned *checkpoint_learned(const struct checkpoint *cp, const struct tensor *t) {
    for (size_t i = 0; i < cp->tensors.n; i++)
        if (cp->tensors.at[i] == t) return &cp->learned[i];
    BUG("tensor '%s' is of another checkpoint", t->name);
}

const struct tensor *checkpoint_tensor(const struct checkpoint *cp, const char *name) {
    return checkpoint_lookup(cp, name);
}
const char *checkpoint_folder(const struct checkpoint *cp) { return cp->folder; }
const struct config_values *checkpoint_config(const struct checkpoint *cp) { return &cp->config; }
const struct gguf_file *checkpoint_gguf(const struct checkpoint *cp) { return cp->gguf; }
size_t checkpoint_n_files(const struct checkpoint *cp) { return cp->files.n; }
size_t checkpoint_n_tensors(const struct checkpoint *cp) { return cp->tensors.n; }
const struct tensor *checkpoint_tensor_at(const struct checkpoint *cp, size_t i) { return cp->tensors.at[i]; }

bool checkpoint_reads(const struct checkpoint *cp, const char *path) {
    bool found = file_same(cp->config.path, path);
    for (size_t i = 0; i < cp->files.n && !found; i++) found = file_same(cp->files.at[i]->path, path);
    return found;
}

/* ---- what a path means ---- */

static bool ends_with(const char *s, const char *tail) {
    size_t n = strlen(s), t = strlen(tail);
    return n >= t && strcmp(s + n - t, tail) == 0;
}

/* The one GGUF of a folder, the first part if it is split; NULL: there is none, or (reported) there are several. */
static const char *lone_gguf(struct checkpoint *cp, bool *bad) {
    const char *found = NULL;
    DIR *dir = opendir(cp->folder);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e && !*bad; e = readdir(dir)) {
        const char *of = strstr(e->d_name, "-of-");
        if (!ends_with(e->d_name, ".gguf")) continue;
        if (of && of - e->d_name >= 6 && strncmp(of - 6, "-00001", 6) != 0) continue; /* another part */
        if (found) {
            const char *one = strcmp(found, e->d_name) < 0 ? found : e->d_name;
            *bad = true;
            diag_in(cp->diag, cp->folder, DIAG_GGUF_SEVERAL, one, one == found ? e->d_name : found);
        }
        found = arena_strdup(cp->arena, e->d_name);
    }
    if (dir) closedir(dir);
    return found && !*bad ? arena_printf(cp->arena, "%s/%s", cp->folder, found) : NULL;
}

static bool open_folder(struct checkpoint *cp) {
    const char *single = arena_printf(cp->arena, "%s/%s", cp->folder, single_name);
    const char *index = arena_printf(cp->arena, "%s/%s", cp->folder, index_name);
    bool sharded = access(index, F_OK) == 0, bad = false;
    const char *config = arena_printf(cp->arena, "%s/config.json", cp->folder);
    if (!sharded && access(single, F_OK) != 0) {
        const char *gguf = lone_gguf(cp, &bad);
        if (bad) return false;
        if (gguf) return checkpoint_open_gguf(cp, gguf);
        if (access(config, F_OK) != 0) return diag_in(cp->diag, cp->folder, DIAG_NOT_CHECKPOINT);
    }
    if (!config_read(cp->diag, cp->arena, config, &cp->config)) return false;
    return sharded ? read_index(cp, index) : open_file(cp, single);
}

/* By its first bytes, whatever it is called. */
static bool is_gguf(const char *path) {
    char magic[4] = "";
    FILE *f = fopen(path, "rb");
    if (!f) return false;
    bool is = fread(magic, 1, sizeof magic, f) == sizeof magic && memcmp(magic, "GGUF", sizeof magic) == 0;
    fclose(f);
    return is;
}

static bool open_all(struct checkpoint *cp, const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) return diag_in(cp->diag, path, DIAG_CANNOT_OPEN, strerror(errno));
    bool folder = S_ISDIR(st.st_mode);
    const char *slash = strrchr(path, '/');
    cp->folder = folder  ? arena_strdup(cp->arena, path)
                 : slash ? arena_strndup(cp->arena, path, (size_t)(slash - path))
                         : ".";
    if (folder) return open_folder(cp);
    if (!S_ISREG(st.st_mode)) return diag_in(cp->diag, path, DIAG_NOT_REGULAR);
    if (ends_with(path, ".gguf") || is_gguf(path)) return checkpoint_open_gguf(cp, path);
    if (!ends_with(path, ".safetensors")) return diag_in(cp->diag, path, DIAG_NOT_CHECKPOINT);
    return config_read(cp->diag, cp->arena, arena_printf(cp->arena, "%s/config.json", cp->folder), &cp->config) &&
           open_file(cp, path);
}

/* What tensors say: whether there is a table of its own for the output, and how many tokens there are. */
static bool settle_config(struct checkpoint *cp) {
    const struct tensor *embed = cp->gguf ? checkpoint_lookup(cp, "token_embd.weight") : NULL;
    bool output = checkpoint_lookup(cp, "output.weight") || checkpoint_lookup(cp, "lm_head.weight");
    if (cp->gguf || !config_find(&cp->config, "tied")) config_put_tied(cp->arena, &cp->config, !output);
    if (embed && embed->rank == 2 && embed->dim[0] <= INT32_MAX)
        config_put_vocab(cp->arena, &cp->config, (int64_t)embed->dim[0]);
    return !cp->gguf || checkpoint_read_rope_freqs(cp);
}

struct checkpoint *checkpoint_open(struct diag *d, struct arena *a, const char *path, const struct gguf_dialect *how) {
    struct checkpoint *cp = arena_one(a, struct checkpoint);
    cp->diag = d;
    cp->arena = a;
    if (how) cp->how = *how;
    if (!open_all(cp, path) || !build_table(cp) || !settle_config(cp)) {
        checkpoint_close(cp);
        return NULL;
    }
    return cp;
}

void checkpoint_close(struct checkpoint *cp) {
    if (!cp) return;
    for (size_t i = 0; i < cp->files.n; i++) file_unmap(&cp->files.at[i]->map);
    cp->files.n = 0;
}
