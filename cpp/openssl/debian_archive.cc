// What Debian 13's libcrypto.a asks of libraries that are not linked. Compiled in only where that archive is used.
#include <cstdlib>

// Compression of certificates and of CMS: reached through COMP_* and CMS_* alone, which nothing here calls. Linking
// zlib and zstd for it would add 250 KB of code that reads untrusted bytes.
#define CGA_NEVER_CALLED(name)          \
  extern "C" [[noreturn]] void name() { \
    std::abort();                       \
  }

CGA_NEVER_CALLED(compress)
CGA_NEVER_CALLED(deflate)
CGA_NEVER_CALLED(deflateEnd)
CGA_NEVER_CALLED(deflateInit_)
CGA_NEVER_CALLED(inflate)
CGA_NEVER_CALLED(inflateEnd)
CGA_NEVER_CALLED(inflateInit_)
CGA_NEVER_CALLED(uncompress)
CGA_NEVER_CALLED(zError)
CGA_NEVER_CALLED(ZSTD_CStreamInSize)
CGA_NEVER_CALLED(ZSTD_DStreamInSize)
CGA_NEVER_CALLED(ZSTD_compress)
CGA_NEVER_CALLED(ZSTD_compressStream2)
CGA_NEVER_CALLED(ZSTD_createCStream_advanced)
CGA_NEVER_CALLED(ZSTD_createDStream_advanced)
CGA_NEVER_CALLED(ZSTD_decompress)
CGA_NEVER_CALLED(ZSTD_decompressStream)
CGA_NEVER_CALLED(ZSTD_endStream)
CGA_NEVER_CALLED(ZSTD_flushStream)
CGA_NEVER_CALLED(ZSTD_freeCStream)
CGA_NEVER_CALLED(ZSTD_freeDStream)
CGA_NEVER_CALLED(ZSTD_getErrorName)
CGA_NEVER_CALLED(ZSTD_initCStream)
CGA_NEVER_CALLED(ZSTD_initDStream)
CGA_NEVER_CALLED(ZSTD_isError)

// Compiled against glibc 2.41: a name of 2.38 for strtol(), which an older glibc lacks. By its assembler name, since
// <cstdlib> of a newer glibc turns a call of strtol() into this very function.
extern "C" long plain_strtol(const char* text, char** end, int base) __asm__("strtol");
extern "C" long __isoc23_strtol(const char* text, char** end, int base) {
  return plain_strtol(text, end, base);
}
