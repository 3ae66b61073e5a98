/* config_impl.h -- what the readers of config values share; nobody else includes it. */
#ifndef SETUN_FRONTEND_CONFIG_IMPL_H
#define SETUN_FRONTEND_CONFIG_IMPL_H

#include "frontend/files/config.h"

enum config_kind { CONFIG_INT, CONFIG_REAL, CONFIG_BOOL };

struct config_key {
    const char *name, *key, *gguf;
    enum config_kind kind;
};
enum {
#define CONFIG(name, ...) CONFIG_KEY_##name,
#include "frontend/files/config_keys.def"
    N_CONFIG_KEYS
};
extern const struct config_key config_keys[N_CONFIG_KEYS];

static const int64_t config_max_int = INT32_MAX;

const struct config_key *config_key_of(const char *name); /* of the table; NULL: none */
bool config_is_name(const char *s);                       /* can a model text say it? */
/* Adds a value, or replaces that of its name. */
void config_put_int(struct arena *a, struct config_values *c, const char *name, const char *key, int64_t i);
void config_put_real(struct arena *a, struct config_values *c, const char *name, const char *key, double real);
/* Lengths that must divide others; where(self, key) is the place of a key in messages. */
bool config_check(struct diag *d, const struct config_values *c, const char *(*where)(void *self, const char *key),
                  void *self);

#endif
