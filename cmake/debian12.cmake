# For shipped binaries: the compilers of the Debian 12 that scripts/debian12.sh unpacks, whatever the host is.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES CGA_TRIPLET CGA_PROCESSOR)
if(NOT CMAKE_HOST_SYSTEM_PROCESSOR STREQUAL CGA_PROCESSOR)
  set(CMAKE_SYSTEM_NAME Linux)
  set(CMAKE_SYSTEM_PROCESSOR ${CGA_PROCESSOR})
endif()
set(CMAKE_CXX_COMPILER ${CGA_TRIPLET}-g++-12)
# The TPM headers are the same for every architecture. After the compiler's own, so that its C library wins.
set(CMAKE_CXX_FLAGS_INIT "-idirafter /usr/include")
