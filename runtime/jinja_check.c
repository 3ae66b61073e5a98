/* jinja_check.c -- names of scopes, settled once a template has been read. */
#include "runtime/jinja_impl.h"

void setun_j_check(J *j) { j->loop_name = setun_j_name(j, "loop", 4); }
