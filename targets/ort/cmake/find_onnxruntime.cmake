# Defines the target tinyfoa_onnxruntime: headers and library of onnxruntime, from ORT_ROOT, its CMake package or pkg-config.
add_library(tinyfoa_onnxruntime INTERFACE)

if(ORT_ROOT)
  find_path(ORT_INCLUDE_DIR onnxruntime_c_api.h PATHS ${ORT_ROOT}/include PATH_SUFFIXES . onnxruntime onnxruntime/core/session
            NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)
  find_library(ORT_LIBRARY onnxruntime PATHS ${ORT_ROOT}/lib ${ORT_ROOT}/lib64 NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)
  if(NOT ORT_INCLUDE_DIR OR NOT ORT_LIBRARY)
    message(FATAL_ERROR "ORT_ROOT=${ORT_ROOT} holds no include/onnxruntime_c_api.h and lib/libonnxruntime.so; "
                        "give the folder of an onnxruntime release")
  endif()
  target_include_directories(tinyfoa_onnxruntime INTERFACE ${ORT_INCLUDE_DIR})
  target_link_libraries(tinyfoa_onnxruntime INTERFACE ${ORT_LIBRARY})
  return()
endif()

find_package(onnxruntime CONFIG QUIET)
if(TARGET onnxruntime::onnxruntime)
  target_link_libraries(tinyfoa_onnxruntime INTERFACE onnxruntime::onnxruntime)
  return()
endif()

find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(ORT QUIET IMPORTED_TARGET libonnxruntime)
endif()
if(NOT TARGET PkgConfig::ORT)
  message(FATAL_ERROR "onnxruntime is not found; install its development files, or give -DORT_ROOT=FOLDER with include/ and lib/")
endif()
target_link_libraries(tinyfoa_onnxruntime INTERFACE PkgConfig::ORT)
