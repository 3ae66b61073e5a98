# cross_runtime.cmake -- libsetun_rt.a and libsetun_lib.a for another family of machines than the host's, in runtime-FAMILY.
#
# Every source file is one command of this build's own graph: as parallel and as incremental as the rest, without a
# second configuration.  The libraries that they need lie beside the archives.  Needed are
#
#   TRIPLE-gcc, with its C library      SETUN_CC_FAMILY names another
#   libpcre2-8.a, libutf8proc.a         where that compiler finds them, or in SETUN_SYSROOT_FAMILY, a folder with
#                                       usr/include and usr/lib, by default sysroot-FAMILY here or in build/
#                                       (./dev makes it)
#
# What is missing is said once, and everything else is built.

# A family: its compiler, what CMake calls its machines, and flags of what runs only behind the check for a level.
function(setun_family name triple processors fast)
  set(SETUN_FAMILIES ${SETUN_FAMILIES} ${name} PARENT_SCOPE)
  set(SETUN_TRIPLE_${name} ${triple} PARENT_SCOPE)
  set(SETUN_RT_FLAGS_fast_${name} ${fast} PARENT_SCOPE)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(${processors})$")
    set(SETUN_HOST ${name} PARENT_SCOPE)
  endif()
endfunction()
set(SETUN_FAMILIES)
setun_family(x86-64 x86_64-linux-gnu "x86_64|amd64" "-O3;-march=x86-64-v3")
setun_family(aarch64 aarch64-linux-gnu "aarch64|arm64" -O3)
if(NOT SETUN_HOST)
  list(JOIN SETUN_FAMILIES ", " known)
  message(FATAL_ERROR "Setun builds on ${known}; this is ${CMAKE_SYSTEM_PROCESSOR}")
endif()
option(SETUN_CROSS "Build the runtime for other families of machines too" ON)

# A library's path in `out`; empty: not found.
function(setun_cross_library out cc sysroot triple name)
  foreach(path ${sysroot}/usr/lib/${triple}/${name} ${sysroot}/usr/lib/${name})
    if(sysroot AND EXISTS ${path})
      set(${out} ${path} PARENT_SCOPE)
      return()
    endif()
  endforeach()
  execute_process(COMMAND ${cc} -print-file-name=${name} OUTPUT_VARIABLE path OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT IS_ABSOLUTE "${path}")
    set(path "")
  endif()
  set(${out} "${path}" PARENT_SCOPE)
endfunction()

# Why it cannot be done in `why`, or what to compile with in `include` and what to link in `libraries`.
function(setun_cross_find family cc why include libraries)
  set(triple ${SETUN_TRIPLE_${family}})
  set(probe ${PROJECT_BINARY_DIR}/CMakeFiles/cross-${family})
  set(${why} "" PARENT_SCOPE)
  if(NOT cc)
    set(${why} "there is no ${triple}-gcc" PARENT_SCOPE)
    return()
  endif()
  set(sysroot ${SETUN_SYSROOT_${family}})
  foreach(folder ${PROJECT_SOURCE_DIR}/build/sysroot-${family} ${PROJECT_BINARY_DIR}/sysroot-${family})
    if(NOT SETUN_SYSROOT_${family} AND (EXISTS ${folder} OR NOT sysroot))
      set(sysroot ${folder})
    endif()
  endforeach()
  set(flags)
  if(EXISTS ${sysroot}/usr/include)
    set(flags -isystem ${sysroot}/usr/include)
  endif()
  set(found)
  foreach(name libpcre2-8.a libutf8proc.a)
    setun_cross_library(path ${cc} "${sysroot}" ${triple} ${name})
    if(NOT path)
      set(${why} "${cc} finds no ${name}, nor does it lie in ${sysroot}" PARENT_SCOPE)
      return()
    endif()
    list(APPEND found ${path})
  endforeach()
  file(WRITE ${probe}.c "#define PCRE2_CODE_UNIT_WIDTH 8\n#include <pcre2.h>\n#include <stdio.h>\n#include <utf8proc.h>\n"
    "int main(void) { return printf(\"%s\", utf8proc_version()) + pcre2_config(PCRE2_CONFIG_JIT, NULL) < 0; }\n")
  execute_process(COMMAND ${cc} ${flags} -static -o ${probe} ${probe}.c ${found} -lm -lpthread
    RESULT_VARIABLE code OUTPUT_VARIABLE text ERROR_VARIABLE text)
  if(NOT code EQUAL 0)
    string(REGEX REPLACE "\n.*" "" text "${text}")
    set(${why} "${cc} links no program: ${text}" PARENT_SCOPE)
  endif()
  set(${include} "${flags}" PARENT_SCOPE)
  set(${libraries} "${found}" PARENT_SCOPE)
endfunction()

function(setun_cross_runtime family)
  set(dir ${PROJECT_BINARY_DIR}/runtime-${family})
  set(archive_exe libsetun_rt.a)
  set(archive_lib libsetun_lib.a)
  set(sources_exe ${SETUN_RT_CORE} ${SETUN_RT_MAIN})
  set(sources_lib ${SETUN_RT_LIB})
  find_program(SETUN_CC_${family} ${SETUN_TRIPLE_${family}}-gcc DOC "Compiler of the runtime for ${family}")
  set(cc ${SETUN_CC_${family}})
  set(why "SETUN_CROSS is off")
  if(SETUN_CROSS)
    setun_cross_find(${family} "${cc}" why include libraries)
  endif()
  if(why)
    message(STATUS "SKIP: the runtime for ${family}: ${why}; 'setun build --target ${family}' will say so too")
    file(REMOVE ${dir}/${archive_exe} ${dir}/${archive_lib})
    return()
  endif()
  message(STATUS "Runtime for ${family}: ${cc}")

  get_directory_property(flags COMPILE_OPTIONS)
  list(FILTER flags EXCLUDE REGEX "^-f(no-)?sanitize")
  list(APPEND flags -std=c17 -D_GNU_SOURCE -DSETUN_VERSION="${PROJECT_VERSION}" ${SETUN_RT_FLAGS})
  file(MAKE_DIRECTORY ${dir})
  execute_process(COMMAND ${cc} -print-prog-name=ar OUTPUT_VARIABLE ar OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(archives)
  set(installed)
  foreach(library ${libraries})
    cmake_path(GET library FILENAME name)
    list(APPEND installed ${dir}/${name})
  endforeach()
  foreach(kind exe lib) # what executables hold, and what libraries do
    set(archive ${dir}/${archive_${kind}})
    set(objects)
    foreach(source ${sources_${kind}})
      string(REPLACE "/" "_" name ${source})
      set(object ${dir}/${kind}/${name}.o)
      set(fast)
      if(source IN_LIST SETUN_RT_FAST)
        set(fast ${SETUN_RT_FLAGS_fast_${family}})
      endif()
      add_custom_command(OUTPUT ${object}
        COMMAND ${CMAKE_C_COMPILER_LAUNCHER} ${cc} ${flags} ${SETUN_RT_FLAGS_${kind}} ${fast} -I${PROJECT_SOURCE_DIR}
                ${include} -MD -MT ${object} -MF ${object}.d -c -o ${object} ${CMAKE_CURRENT_SOURCE_DIR}/${source}
        DEPENDS ${source} DEPFILE ${object}.d
        COMMENT "${family}: ${source}" VERBATIM)
      list(APPEND objects ${object})
    endforeach()
    file(MAKE_DIRECTORY ${dir}/${kind})
    add_custom_command(OUTPUT ${archive}
      COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
      COMMAND ${ar} qcsD ${archive} ${objects}
      COMMAND ${CMAKE_COMMAND} -E copy ${libraries} ${dir}
      DEPENDS ${objects} ${libraries} COMMENT "${family}: ${archive_${kind}}" VERBATIM)
    list(APPEND archives ${archive})
  endforeach()
  add_custom_target(setun_rt_${family} ALL DEPENDS ${archives})
  install(FILES ${archives} ${installed} DESTINATION ${SETUN_LIBDIR}/${family})
endfunction()
