# For shipped binaries: the TPM headers come from CGA_SYSROOT (unpacked Debian packages of the target
# architecture, see scripts/sysroot.sh), not from whatever the building machine has installed.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES CGA_SYSROOT CGA_TRIPLET CGA_PROCESSOR)
if(NOT CMAKE_HOST_SYSTEM_PROCESSOR STREQUAL CGA_PROCESSOR)
  set(CMAKE_SYSTEM_NAME Linux)
  set(CMAKE_SYSTEM_PROCESSOR ${CGA_PROCESSOR})
endif()
set(CMAKE_CXX_COMPILER ${CGA_TRIPLET}-g++)
set(CMAKE_CXX_FLAGS_INIT "-isystem ${CGA_SYSROOT}/usr/include -isystem ${CGA_SYSROOT}/usr/include/${CGA_TRIPLET}")
