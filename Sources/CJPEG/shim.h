// libjpeg's header needs stdio's in front of it.
#include <stdio.h>
#include <jpeglib.h>
