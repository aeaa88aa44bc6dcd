#ifdef ON_QEMU
void printk(const char *format, ...);
#else
#include <stdio.h>
#define printk printf
#endif
