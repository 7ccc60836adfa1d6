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
