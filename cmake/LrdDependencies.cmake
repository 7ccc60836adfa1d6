# Every library that lrd uses, found once, each under one target name. What is missing is named with
# the command that brings it.

function(lrd_missing what)
    message(FATAL_ERROR "${what} was not found. `bash cmake/bootstrap.sh` installs it on Debian, or "
                        "says which module to load elsewhere.")
endfunction()

find_package(PkgConfig REQUIRED)
foreach(package fmt MPI OpenMP OpenSSL nlohmann_json Threads ZLIB)
    find_package(${package} QUIET)
    if(NOT ${package}_FOUND)
        lrd_missing(${package})
    endif()
endforeach()
find_package(Boost 1.71 QUIET COMPONENTS program_options)
if(NOT Boost_FOUND)
    lrd_missing("Boost.Program_options")
endif()

# The OpenMPI C++ bindings are long gone from the standard; keep their headers out.
add_compile_definitions(OMPI_SKIP_MPICXX=1 MPICH_SKIP_MPICXX=1)

# Serial HDF5: rank 0 writes, and MPI-IO has hung others (data/README.md, "Why serial").
set(HDF5_PREFER_PARALLEL OFF)
find_package(HDF5 QUIET COMPONENTS C HL)
if(NOT HDF5_FOUND)
    lrd_missing("HDF5")
endif()
add_library(lrd_hdf5 INTERFACE)
add_library(lrd::hdf5 ALIAS lrd_hdf5)
target_include_directories(lrd_hdf5 SYSTEM INTERFACE ${HDF5_INCLUDE_DIRS})
target_link_libraries(lrd_hdf5 INTERFACE ${HDF5_C_LIBRARIES} ${HDF5_C_HL_LIBRARIES})

function(lrd_pkg target)
    foreach(module ${ARGN})
        pkg_check_modules(${target} QUIET IMPORTED_TARGET ${module})
        if(${target}_FOUND)
            add_library(lrd_pkg_${target} INTERFACE)
            add_library(lrd::${target} ALIAS lrd_pkg_${target})
            target_link_libraries(lrd_pkg_${target} INTERFACE PkgConfig::${target})
            return()
        endif()
    endforeach()
    lrd_missing("${ARGN}")
endfunction()

lrd_pkg(pcre2 libpcre2-8)
lrd_pkg(xxhash libxxhash)
lrd_pkg(zstd libzstd)
lrd_pkg(lapacke lapacke)


# Not find_package(dnnl): Debian's configuration insists on OpenCL, which the CPU engine does not use.
find_path(DNNL_INCLUDE_DIR dnnl.hpp)
find_library(DNNL_LIBRARY dnnl)
if(NOT DNNL_INCLUDE_DIR OR NOT DNNL_LIBRARY)
    lrd_missing("oneDNN")
endif()
file(STRINGS ${DNNL_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h version_lines REGEX "DNNL_VERSION_(MAJOR|MINOR|PATCH)")
string(REGEX REPLACE "[^0-9;]" "" version_lines "${version_lines}")
string(REPLACE ";" "." LRD_DNNL_VERSION "${version_lines}")
add_library(lrd_dnnl INTERFACE)
add_library(lrd::dnnl ALIAS lrd_dnnl)
target_include_directories(lrd_dnnl SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
target_link_libraries(lrd_dnnl INTERFACE ${DNNL_LIBRARY})

find_package(tomlplusplus QUIET)
if(NOT tomlplusplus_FOUND)
    find_path(TOMLPLUSPLUS_INCLUDE_DIR toml++/toml.h)
    if(NOT TOMLPLUSPLUS_INCLUDE_DIR)
        lrd_missing("toml++")
    endif()
    add_library(tomlplusplus::tomlplusplus INTERFACE IMPORTED)
    target_include_directories(tomlplusplus::tomlplusplus INTERFACE ${TOMLPLUSPLUS_INCLUDE_DIR})
endif()
