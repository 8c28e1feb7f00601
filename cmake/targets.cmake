# One library per folder of src/, one test program per folder of tests/.

# ts_library(<folder> DEPS <folders and libraries>): the library ts_<folder>, of all its .cc files.
function(ts_library folder)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS *.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  if(NOT sources)
    add_library(ts_${folder} INTERFACE)
    target_link_libraries(ts_${folder} INTERFACE ${ARG_DEPS})
    return()
  endif()
  add_library(ts_${folder} STATIC ${sources})
  target_include_directories(ts_${folder} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(ts_${folder} PUBLIC ${ARG_DEPS})
  if(folder STREQUAL "base")
    target_precompile_headers(ts_base PRIVATE ${PROJECT_SOURCE_DIR}/cmake/pch.h)
  else()
    target_precompile_headers(ts_${folder} REUSE_FROM ts_base)
  endif()
endfunction()

# ts_test(<name> DEPS ... [LABEL ...] [TIMEOUT seconds]): the program <name>_tests of this folder's
# *_test.cc files.
function(ts_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "DEPS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(TS_SANITIZE STREQUAL "thread")
    math(EXPR ARG_TIMEOUT "4 * ${ARG_TIMEOUT}")  # So much slower than the other sanitizers.
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS *_test.cc)
  if(NOT sources)
    return()
  endif()
  add_executable(${name}_tests ${sources})
  target_include_directories(${name}_tests PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name}_tests PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  target_precompile_headers(${name}_tests REUSE_FROM ts_base)
  include(GoogleTest)
  gtest_discover_tests(${name}_tests DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT ${ARG_TIMEOUT}
                       LABELS "${ARG_LABEL}")
endfunction()
