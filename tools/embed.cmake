# Writes OUT: the bytes of IN as a C array NAME with its length NAME_n.   cmake -DIN= -DOUT= -DNAME= -P embed.cmake
file(READ ${IN} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "#include <stddef.h>\nextern const unsigned char ${NAME}[];\nextern const size_t ${NAME}_n;\n"
  "const unsigned char ${NAME}[] = {${bytes}0};\nconst size_t ${NAME}_n = sizeof ${NAME} - 1;\n")
