# LRD_PYTHON: a Python with numpy and h5py, for tests and reports. $LRD_PYTHON if it is set, else the
# first of python3 and /usr/bin/python3 that has them (a user's own python3 often lacks them).
if(NOT LRD_PYTHON)
    foreach(python $ENV{LRD_PYTHON} python3 /usr/bin/python3)
        execute_process(COMMAND ${python} -c "import numpy, h5py"
            RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
        if(failed EQUAL 0)
            set(LRD_PYTHON ${python} CACHE STRING "Python with numpy and h5py")
            break()
        endif()
    endforeach()
    if(NOT LRD_PYTHON)
        message(FATAL_ERROR "No Python with numpy and h5py was found. `bash cmake/bootstrap.sh` "
                            "installs one on Debian; $LRD_PYTHON names another.")
    endif()
endif()
