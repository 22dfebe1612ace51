// For programs that know no TCTI: opening /dev/tpmrm0 or the firmware's event log opens those of the simulated machine, and a
// connection to the instance metadata service goes to the simulated one. Loaded by LD_PRELOAD.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int open_tpm(void) {
  const char *path = getenv("SIMULATED_TPM");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (path == NULL || strlen(path) >= sizeof address.sun_path) {
    errno = ENOENT;
    return -1;
  }
  strcpy(address.sun_path, path);
  int tpm = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (tpm < 0) return -1;
  int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
  if (real(tpm, (struct sockaddr *)&address, sizeof address) == 0) return tpm;
  close(tpm);
  return -1;
}

static int is_tpm(const char *path) { return strcmp(path, "/dev/tpmrm0") == 0; }

static const char *simulated(const char *path) {
  const char *log = getenv("SIMULATED_EVENT_LOG");
  return log != NULL && strcmp(path, "/sys/kernel/security/tpm0/binary_bios_measurements") == 0 ? log : path;
}

#define OPEN(name)                                               \
  int name(const char *path, int flags, ...) {                   \
    va_list rest;                                                \
    va_start(rest, flags);                                       \
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;    \
    va_end(rest);                                                \
    if (is_tpm(path)) return open_tpm();                         \
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name); \
    return real(simulated(path), flags, mode);                   \
  }

OPEN(open)
OPEN(open64)

int connect(int socket, const struct sockaddr *address, socklen_t size) {
  int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
  const struct sockaddr_in *asked = (const struct sockaddr_in *)address;
  const char *port = getenv("SIMULATED_IMDS_PORT");
  if (port == NULL || asked->sin_family != AF_INET || asked->sin_addr.s_addr != inet_addr("169.254.169.254")) {
    return real(socket, address, size);
  }
  struct sockaddr_in simulated = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  simulated.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return real(socket, (struct sockaddr *)&simulated, sizeof simulated);
}
