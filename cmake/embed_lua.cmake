# Writes the C file OUT that holds the Lua files FILES (a list joined by ':') as embedded_texts
# (host/isolate/embedded.h); a text's name is its folder's and its own: "stdlib/log".
string(REPLACE ":" ";" files "${FILES}")
set(arrays "")
set(table "")
foreach(file ${files})
    get_filename_component(name ${file} NAME_WE)
    get_filename_component(folder ${file} DIRECTORY)
    get_filename_component(folder ${folder} NAME)
    file(READ ${file} bytes HEX)
    string(LENGTH "${bytes}" digits)
    math(EXPR length "${digits} / 2")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
    string(REGEX REPLACE "('....','....','....','....','....','....','....','....','....','....','....','....',)" "\\1\n    " bytes "${bytes}")
    string(APPEND arrays "static const char text_${folder}_${name}[] = {\n    ${bytes}0};\n\n")
    string(APPEND table "    {\"${folder}/${name}\", text_${folder}_${name}, ${length}},\n")
endforeach()
file(WRITE ${OUT} "#include \"isolate/embedded.h\"\n\n${arrays}"
    "const struct embedded_text embedded_texts[] = {\n${table}};\n\n"
    "const size_t embedded_text_count = sizeof embedded_texts / sizeof embedded_texts[0];\n")
