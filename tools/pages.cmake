# Writes OUT: the model pages PAGES (files, separated by commas) as a C table.   cmake -DPAGES= -DOUT= -P pages.cmake
string(REPLACE "," ";" pages "${PAGES}")
set(table)
file(WRITE ${OUT} "#include \"tools/compile.h\"\n")
foreach(page ${pages})
  get_filename_component(name ${page} NAME_WLE)
  string(MAKE_C_IDENTIFIER "page_${name}" id)
  file(READ ${page} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  file(APPEND ${OUT} "static const char ${id}[] = {${bytes}0};\n")
  string(APPEND table "    {\"${name}\", ${id}, sizeof ${id} - 1},\n")
endforeach()
file(APPEND ${OUT} "const struct page setun_pages[] = {\n${table}};\n"
  "const size_t setun_pages_n = sizeof setun_pages / sizeof *setun_pages;\n")
