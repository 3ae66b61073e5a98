/*
 * cgroup.h -- the control groups that the process is in, and CPUs as the kernel groups them.
 *
 * `root` stands in front of /proc and /sys: "" but for tests, which bring a tree of their own.
 */
#ifndef SETUN_RUNTIME_CGROUP_H
#define SETUN_RUNTIME_CGROUP_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A short file, or "" if there is none. */
void setun_small_file(const char *path, char *text, size_t size);

/* Calls fn with the folder of each group that limits the process by this controller ("cpu", "memory"): its own and all
 * above it, of either version of the interface.  A folder need not exist: a container may not see the groups outside.
 */
typedef void setun_cgroup_fn(void *arg, const char *folder, bool v2);
void setun_cgroup_each(const char *root, const char *controller, setun_cgroup_fn *fn, void *arg);

enum { SETUN_NO_CORE = 0xffff };

struct setun_topo {
    uint32_t cpus;              /* in the mask */
    uint32_t cores;             /* that have one in the mask; without slow ones if there are several kinds */
    uint32_t quota;             /* CPUs that the control groups grant; UINT32_MAX: no limit */
    uint16_t core[CPU_SETSIZE]; /* of a CPU in the mask, counted from 0; or SETUN_NO_CORE */
};
/* mask: where the process may run; NULL: ask the kernel. */
void setun_topo_read(struct setun_topo *t, const char *root, const cpu_set_t *mask);

/* Bytes that memory groups leave; UINT64_MAX: no limit. */
uint64_t setun_cgroup_memory(const char *root);

#endif
