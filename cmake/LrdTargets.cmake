# One static library per folder. The link edges repeat the include arrows of ARCHITECTURE.md, so a
# call against an arrow does not link; tests/check_layers.py is the guard for headers.

add_library(lrd_settings INTERFACE)
target_compile_features(lrd_settings INTERFACE cxx_std_20)
target_include_directories(lrd_settings INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(lrd_settings INTERFACE
    -Wall -Wextra -Wshadow -Wconversion $<$<BOOL:${LRD_WERROR}>:-Werror>)
if(LRD_SANITIZE)
    target_compile_options(lrd_settings INTERFACE
        -fsanitize=${LRD_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(lrd_settings INTERFACE -fsanitize=${LRD_SANITIZE})
endif()

# lrd_folder(NAME PUBLIC targets… PRIVATE targets…): the library of src/NAME, all its sources.
function(lrd_folder name)
    cmake_parse_arguments(arg "" "" "PUBLIC;PRIVATE" ${ARGN})
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
    add_library(lrd_${name} STATIC ${sources})
    add_library(lrd::${name} ALIAS lrd_${name})
    target_link_libraries(lrd_${name} PUBLIC lrd_settings ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
endfunction()
