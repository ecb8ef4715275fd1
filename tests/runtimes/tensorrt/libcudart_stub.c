// The functions of libcudart that are used, on host memory: how they are called is what is tested.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int calls, fail_at = -1, fail_code, devices = 1;
static void *last_stream;
static int captured, launched;

static int count(void) { return calls++ == fail_at ? fail_code : 0; }
#define CALL() do { int code = count(); if (code) return code; } while (0)

void stub_fail(int at, int code) { calls = 0; fail_at = at; fail_code = code; }
void stub_devices(int number) { devices = number; }
void *stub_last_stream(void) { return last_stream; }
int stub_launched(void) { return launched; }

const char *cudaGetErrorName(int code) { return code == 2 ? "cudaErrorMemoryAllocation" : "cudaErrorOther"; }
int cudaRuntimeGetVersion(int *version) { *version = 12060; return 0; }
int cudaGetDeviceCount(int *found) { CALL(); *found = devices; return 0; }
int cudaDeviceGetAttribute(int *value, int attribute, int device) {
  CALL(); *value = attribute == 75 ? 8 : attribute == 76 ? 7 : -1; return device ? 101 : 0;
}
int cudaMemGetInfo(size_t *available, size_t *total) { *available = 1000000000; *total = (size_t)8 << 30; return 0; }
// A function of its own: torch brings the real library, whose cudaMalloc would be called from here.
static int allocate(void **address, size_t size) {
  CALL();
  if (size > ((size_t)5 << 30)) return 2;
  *address = aligned_alloc(256, (size + 255) / 256 * 256);
  return *address ? 0 : 2;
}
int cudaMalloc(void **address, size_t size) { return allocate(address, size); }
int cudaFree(void *address) { free(address); return 0; }
int cudaHostAlloc(void **address, size_t size, unsigned flags) { return flags == 2 ? allocate(address, size) : 1; }
int cudaFreeHost(void *address) { free(address); return 0; }
int cudaHostGetDevicePointer(void **device, void *host, unsigned flags) { CALL(); *device = host; return flags ? 1 : 0; }
int cudaMemcpyAsync(void *to, const void *from, size_t size, int kind, void *stream) {
  CALL(); last_stream = stream; memcpy(to, from, size); return kind == 4 ? 0 : 21;
}
int cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                      size_t height, int kind, void *stream) {
  CALL();
  last_stream = stream;
  for (size_t row = 0; row < height; row++)
    memcpy((char *)to + row * to_pitch, (const char *)from + row * from_pitch, width);
  return kind == 4 ? 0 : 21;
}
int cudaMemsetAsync(void *to, int value, size_t size, void *stream) { CALL(); last_stream = stream; memset(to, value, size); return 0; }
int cudaStreamCreateWithFlags(void **stream, unsigned flags) { CALL(); *stream = (void *)0x1234567890abcdef; return flags == 1 ? 0 : 1; }
int cudaStreamDestroy(void *stream) { return stream == (void *)0x1234567890abcdef ? 0 : 400; }
int cudaStreamSynchronize(void *stream) { CALL(); return stream == (void *)0x1234567890abcdef ? 0 : 400; }
int cudaEventCreate(void **event) { CALL(); *event = (void *)0x77; return 0; }
int cudaEventDestroy(void *event) { return event == (void *)0x77 ? 0 : 400; }
int cudaEventRecord(void *event, void *stream) { CALL(); last_stream = stream; return event == (void *)0x77 ? 0 : 400; }
int cudaEventElapsedTime(float *elapsed, void *start, void *end) { CALL(); *elapsed = 1.5f; return start && end ? 0 : 400; }
int cudaStreamBeginCapture(void *stream, int mode) { CALL(); captured = stream && mode == 1; return 0; }
int cudaStreamEndCapture(void *stream, void **graph) { CALL(); *graph = (void *)0x88; return captured && stream ? 0 : 901; }
int cudaGraphInstantiate(void **executable, void *graph, unsigned long long flags) {
  CALL(); *executable = (void *)0x99; return graph == (void *)0x88 && flags == 0 ? 0 : 1;
}
int cudaGraphLaunch(void *executable, void *stream) { CALL(); launched++; return executable == (void *)0x99 && stream ? 0 : 1; }
int cudaGraphDestroy(void *graph) { return graph == (void *)0x88 ? 0 : 1; }
int cudaGraphExecDestroy(void *executable) { return executable == (void *)0x99 ? 0 : 1; }
