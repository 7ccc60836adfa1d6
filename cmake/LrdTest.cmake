# Tests: every GoogleTest case is a ctest test of its own.
find_package(GTest REQUIRED)
include(GoogleTest)

# lrd_test(NAME SOURCES files… LINK targets… LABELS labels…): one GoogleTest executable.
function(lrd_test name)
    cmake_parse_arguments(arg "" "" "SOURCES;LINK;LABELS" ${ARGN})
    add_executable(${name} ${arg_SOURCES})
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
    target_link_libraries(${name} PRIVATE ${arg_LINK} lrd_settings GTest::gtest_main)
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
        PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 300 ENVIRONMENT "OMP_NUM_THREADS=2")
endfunction()

# Open MPI refuses more ranks than cores, and root, unless told; others know no such options.
execute_process(COMMAND ${MPIEXEC_EXECUTABLE} --version OUTPUT_VARIABLE LRD_MPIEXEC_VERSION ERROR_QUIET)
if(LRD_MPIEXEC_VERSION MATCHES "Open MPI|OpenRTE|PRRTE")
    set(LRD_MPIEXEC_FLAGS --oversubscribe)
endif()
set(LRD_MPI_ENVIRONMENT "OMPI_ALLOW_RUN_AS_ROOT=1;OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1;OMP_NUM_THREADS=1")

# lrd_mpi_run(NAME RANKS n [TIMEOUT s] [LABELS labels…] COMMAND program args…): a ctest test under mpirun.
function(lrd_mpi_run name)
    cmake_parse_arguments(arg "" "RANKS;TIMEOUT" "COMMAND;LABELS" ${ARGN})
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 120)
    endif()
    add_test(NAME ${name} COMMAND ${MPIEXEC_EXECUTABLE} ${LRD_MPIEXEC_FLAGS}
        ${MPIEXEC_NUMPROC_FLAG} ${arg_RANKS} ${arg_COMMAND})
    set_tests_properties(${name} PROPERTIES LABELS "mpi;${arg_LABELS}" TIMEOUT ${arg_TIMEOUT}
        PROCESSORS ${arg_RANKS} ENVIRONMENT "${LRD_MPI_ENVIRONMENT}")
endfunction()

# lrd_mpi_test(NAME RANKS n… SOURCES files… LINK targets… LABELS labels…): one GoogleTest executable
# that makes its own main with an MpiSession; every TEST of it is a ctest test NAME.Case.npN. The
# cases are read from the sources: asking the executable would need mpirun while building.
function(lrd_mpi_test name)
    cmake_parse_arguments(arg "" "TIMEOUT" "RANKS;SOURCES;LINK;LABELS" ${ARGN})
    add_executable(${name} ${arg_SOURCES})
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
    target_link_libraries(${name} PRIVATE ${arg_LINK} lrd_settings GTest::gtest)
    foreach(source ${arg_SOURCES})
        file(STRINGS ${source} cases REGEX "^TEST\\(")
        if(cases)  # a new case must be found, so the source is read again when it changes
            cmake_path(ABSOLUTE_PATH source NORMALIZE OUTPUT_VARIABLE absolute)
            set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${absolute})
        endif()
        foreach(case ${cases})
            string(REGEX REPLACE "^TEST\\(([A-Za-z0-9_]+), *([A-Za-z0-9_]+)\\).*" "\\1.\\2" case "${case}")
            foreach(ranks ${arg_RANKS})
                lrd_mpi_run(${case}.np${ranks} RANKS ${ranks} TIMEOUT ${arg_TIMEOUT} LABELS ${arg_LABELS}
                    COMMAND $<TARGET_FILE:${name}> --gtest_filter=${case})
            endforeach()
        endforeach()
    endforeach()
endfunction()
