/* temp.h -- temporaries that a second signal removes before it ends the process. */
#ifndef SETUN_RUNTIME_TEMP_H
#define SETUN_RUNTIME_TEMP_H

enum { SETUN_TEMPORARIES = 4 };

int setun_temp_add(const char *path); /* the path must stay; returns a slot, or -1 if all are taken */
void setun_temp_drop(int slot);

#endif
