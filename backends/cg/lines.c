/*
 * lines.c -- the line of the model text that an instruction is of: what perf annotate, addr2line and gdb show.
 *
 * Only functions of kernels have lines; cores that several kernels share are known by their symbols.  Of a file there
 * is its name without folders, so the same inputs give the same bytes wherever they lie.
 */
#include "backends/cg/cg.h"

#include <string.h>

#include <llvm-c/DebugInfo.h>

static void module_flag(struct cg *c, const char *name, uint32_t value) {
    LLVMAddModuleFlag(c->module, LLVMModuleFlagBehaviorError, name, strlen(name),
                      LLVMValueAsMetadata(LLVMConstInt(c->i32, value, false)));
}

void cg_lines_open(struct cg *c, const char *source) {
    static const char producer[] = "setun";
    if (!source) return;
    module_flag(c, "Debug Info Version", LLVMDebugMetadataVersion());
    module_flag(c, "Dwarf Version", 4);
    c->lines.builder = LLVMCreateDIBuilder(c->module);
    c->lines.file = LLVMDIBuilderCreateFile(c->lines.builder, source, strlen(source), "", 0);
    LLVMDIBuilderCreateCompileUnit(c->lines.builder, LLVMDWARFSourceLanguageC99, c->lines.file, producer,
                                   strlen(producer), true, "", 0, 0, "", 0, LLVMDWARFEmissionLineTablesOnly, 0, false,
                                   false, "", 0, "", 0);
}

void cg_lines_close(struct cg *c) {
    if (!c->lines.builder) return;
    LLVMDIBuilderFinalize(c->lines.builder);
    LLVMDisposeDIBuilder(c->lines.builder);
    c->lines.builder = NULL;
}

void cg_lines_begin(struct cg *c, const char *name, uint32_t line) {
    LLVMDIBuilderRef b = c->lines.builder;
    if (!b || !line) return;
    size_t n;
    const char *symbol = LLVMGetValueName2(c->fn, &n);
    LLVMMetadataRef type = LLVMDIBuilderCreateSubroutineType(b, c->lines.file, NULL, 0, LLVMDIFlagZero);
    c->lines.scope = LLVMDIBuilderCreateFunction(b, c->lines.file, name, strlen(name), symbol, n, c->lines.file, line,
                                                 type, true, true, line, LLVMDIFlagZero, true);
    LLVMSetSubprogram(c->fn, c->lines.scope);
    cg_line(c, line);
}

LLVMMetadataRef cg_line(struct cg *c, uint32_t line) {
    LLVMMetadataRef was = LLVMGetCurrentDebugLocation2(c->b);
    if (c->lines.scope && line) {
        LLVMMetadataRef at = LLVMDIBuilderCreateDebugLocation(c->llvm, line, 0, c->lines.scope, NULL);
        LLVMSetCurrentDebugLocation2(c->b, at);
    }
    return was;
}

void cg_line_back(struct cg *c, LLVMMetadataRef was) { LLVMSetCurrentDebugLocation2(c->b, was); }
