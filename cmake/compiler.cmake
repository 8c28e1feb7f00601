# The compiler, its warnings and the build types.

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR
    "transship needs clang 19 or newer, and this is ${CMAKE_CXX_COMPILER_ID} "
    "${CMAKE_CXX_COMPILER_VERSION}. GCC 12 and 13 miscompile co_await operands (braced aggregates, "
    "?: of class type, by-value-capturing lambdas): objects are destroyed twice at run time. "
    "Use a preset (cmake --preset release), or pass -DCMAKE_CXX_COMPILER=clang++-19.")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

find_program(CCACHE ccache)
if(CCACHE)
  # Precompiled headers are cached only with these.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime
      ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
endif()

add_compile_options(-Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor -Werror)
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang\ -fno-pch-timestamp>)
add_compile_definitions(_GLIBCXX_ASSERTIONS BOOST_ASIO_SEPARATE_COMPILATION
                        BOOST_ASIO_NO_DEPRECATED BOOST_BEAST_SEPARATE_COMPILATION)
add_link_options(-fuse-ld=lld)

set(CMAKE_CXX_FLAGS_RELEASE "-O3 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")

option(TS_LTO "ThinLTO" OFF)
if(TS_LTO)
  add_compile_options(-flto=thin)
  add_link_options(-flto=thin "-Wl,--thinlto-cache-dir=${CMAKE_BINARY_DIR}/lto-cache")
endif()

set(TS_SANITIZE "" CACHE STRING "Sanitizers, as in -fsanitize=")
if(TS_SANITIZE)
  add_compile_options(-fsanitize=${TS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TS_SANITIZE})
endif()
# Where the crash tests may end the process (base/fault_point.h): in no release.
string(COMPARE EQUAL "${CMAKE_BUILD_TYPE}" "Debug" debug_build)
option(TS_FAULT_POINTS "Build fault points, for the crash tests" ${debug_build})
if(TS_FAULT_POINTS)
  add_compile_definitions(TS_FAULT_POINTS)
endif()
option(TS_FUZZ "Build the libFuzzer targets" OFF)
