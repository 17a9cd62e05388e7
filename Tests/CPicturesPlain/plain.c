// The same source without clones, under other names.
#define CLONES
#define cp_resize plain_resize
#define cp_resize_scratch plain_resize_scratch
#define cp_jitter plain_jitter
#include "../../Sources/CPictures/resize.c"
#include "../../Sources/CPictures/jitter.c"
