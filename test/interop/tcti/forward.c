// A TCTI library of the tests in the place of tpm2-tss's device TCTI: programs that open /dev/tpmrm0 by name reach the
// simulated machine whose socket the environment names. One connection for the life of a context, as the device is opened
// once: the simulator gives it a space of its own.
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

#define MAGIC 0x666f727761726421ULL

typedef struct {
  TSS2_TCTI_CONTEXT_COMMON_V2 common;
  int socket;
  uint8_t response[4096];
  size_t received;
} Forward;

static int exchange_all(int socket, const uint8_t *bytes, size_t size) {
  while (size > 0) {
    ssize_t written = write(socket, bytes, size);
    if (written <= 0) return -1;
    bytes += written;
    size -= (size_t)written;
  }
  return 0;
}

static TSS2_RC forward_transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command) {
  Forward *self = (Forward *)context;
  self->received = 0;
  return exchange_all(self->socket, command, size) == 0 ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_IO_ERROR;
}

static size_t announced(const Forward *self) {
  uint32_t size;
  memcpy(&size, self->response + 2, sizeof size);
  return ntohl(size);
}

static TSS2_RC forward_receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response, int32_t timeout) {
  Forward *self = (Forward *)context;
  while (self->received < 10 || self->received < announced(self)) {
    struct pollfd ready = {.fd = self->socket, .events = POLLIN};
    if (poll(&ready, 1, timeout) == 0) return TSS2_TCTI_RC_TRY_AGAIN;
    ssize_t got = read(self->socket, self->response + self->received, sizeof self->response - self->received);
    if (got <= 0) return TSS2_TCTI_RC_IO_ERROR;
    self->received += (size_t)got;
  }
  if (response == NULL) {
    *size = announced(self);
    return TSS2_RC_SUCCESS;
  }
  if (*size < announced(self)) return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
  *size = announced(self);
  memcpy(response, self->response, *size);
  return TSS2_RC_SUCCESS;
}

static void forward_finalize(TSS2_TCTI_CONTEXT *context) { close(((Forward *)context)->socket); }

static TSS2_RC forward_cancel(TSS2_TCTI_CONTEXT *context) {
  (void)context;
  return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC forward_poll_handles(TSS2_TCTI_CONTEXT *context, TSS2_TCTI_POLL_HANDLE *handles, size_t *count) {
  if (handles != NULL) {
    handles[0].fd = ((Forward *)context)->socket;
    handles[0].events = POLLIN;
  }
  *count = 1;
  return TSS2_RC_SUCCESS;
}

static TSS2_RC forward_set_locality(TSS2_TCTI_CONTEXT *context, uint8_t locality) {
  (void)context;
  (void)locality;
  return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

TSS2_RC Tss2_Tcti_Device_Init(TSS2_TCTI_CONTEXT *context, size_t *size, const char *configuration) {
  (void)configuration;
  if (size == NULL) return TSS2_TCTI_RC_BAD_VALUE;
  if (context == NULL) {
    *size = sizeof(Forward);
    return TSS2_RC_SUCCESS;
  }
  const char *path = getenv("SIMULATED_TPM");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (path == NULL || strlen(path) >= sizeof address.sun_path) return TSS2_TCTI_RC_BAD_VALUE;
  strcpy(address.sun_path, path);
  Forward *self = (Forward *)context;
  memset(self, 0, sizeof *self);
  self->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (self->socket < 0 || connect(self->socket, (struct sockaddr *)&address, sizeof address) != 0) {
    return TSS2_TCTI_RC_IO_ERROR;
  }
  TSS2_TCTI_CONTEXT_COMMON_V1 *v1 = &self->common.v1;
  v1->magic = MAGIC;
  v1->version = 2;
  v1->transmit = forward_transmit;
  v1->receive = forward_receive;
  v1->finalize = forward_finalize;
  v1->cancel = forward_cancel;
  v1->getPollHandles = forward_poll_handles;
  v1->setLocality = forward_set_locality;
  return TSS2_RC_SUCCESS;
}

static const TSS2_TCTI_INFO information = {
    .version = 2,
    .name = "tcti-device",
    .description = "leads to a simulated machine",
    .config_help = "environment variable SIMULATED_TPM: path of its socket",
    .init = Tss2_Tcti_Device_Init,
};

const TSS2_TCTI_INFO *Tss2_Tcti_Info(void) { return &information; }
