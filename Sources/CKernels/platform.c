// Which of the copies of a kernel this machine runs.
#include "CKernels.h"

static _Thread_local int highest = 2;

void ck_limit_instruction_set(int number) { highest = number; }

int ck_instruction_set_number(void) {
  static int found = -1;  // every thread would write the same
  if (found < 0) {
    int number = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v3")) number = 1;
    if (__builtin_cpu_supports("x86-64-v4")) number = 2;
#endif
    __atomic_store_n(&found, number, __ATOMIC_RELAXED);
  }
  return found < highest ? found : highest;
}

const char *ck_instruction_set(void) {
  static const char *const names[] = {"baseline", "avx2", "avx512"};
  return names[ck_instruction_set_number()];
}
