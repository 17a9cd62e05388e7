// One source, several instruction sets: the loader picks a clone once, when the program starts.
#ifndef CKERNELS_CLONES_H
#define CKERNELS_CLONES_H

// Tests define CLONES themselves, to compile for one instruction set.
#if defined(CLONES)
#elif defined(__x86_64__) && defined(__linux__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

#endif
